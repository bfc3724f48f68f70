"""A stand-in for the model behind the real Codex: it reads SKILL.md by a tool's call and does what the page says.

Codex offers the skill, runs the commands and shows the last message, as ever; only the thinking is scripted, one
`Talk` for each message of the user. The stand-in takes its commands from the page's table and from the answers, and
tells the user the fields that the page names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass, field
from typing import Any, Final

from cfp.commands import COMMANDS
from cfp.demo.provider import Received
from cfp.demo.scripted_turns import Reply, ScriptedTurn, ToolCall
from tests.end_to_end.listeners import Listener

Json = Any
Answer = dict[str, Json]
NAME: Final = "codex-fast-proxy"
# The tools by which the versions of Codex run a command, and the argument that takes its line.
_SHELLS: Final = {"exec_command": "cmd", "shell_command": "command"}
_NOT_FOUND: Final = 127
_SPAN: Final = re.compile(r"`([^`]+)`")
_FIELD: Final = re.compile(r"[a-z]+(?:_[a-z]+)*(?:\.[a-z_]+)*")
_ENDED: Final = re.compile(r"(?:exited with code|Exit code:) (\d+)")


@dataclass(frozen=True, slots=True)
class Step:
    """A command that the stand-in runs; with `because` it asks for approval outside of the sandbox."""

    line: str
    because: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A command's end as the model sees it; `code` is None where it did not run."""

    code: int | None
    text: str

    @property
    def json(self) -> Answer:
        """The object that the command printed; Codex mixes it with the lines of its progress."""
        start = re.search(r"^\{$", self.text, re.MULTILINE)
        assert start is not None, self.text
        answer: Answer
        answer, _ = json.JSONDecoder().raw_decode(self.text, start.start())
        return answer


Talk = Generator[Step, Outcome, str]
Running = Generator[Step, Outcome, Answer]


@dataclass(slots=True)
class Skill:
    """SKILL.md as the stand-in has read it at `path`, and the answers of the commands that it ran since."""

    path: str
    page: str
    program: str = NAME
    answers: list[Answer] = field(default_factory=list)

    def commands(self, intent: str) -> list[str]:
        """Return the commands of the row with this intent; a flag alone is one more command of the verb before it."""
        row = next(line for line in self.page.splitlines() if line.startswith(f"| {intent}"))
        commands: list[str] = []
        for span in _SPAN.findall(row.split("|")[2]):
            if span.startswith("--"):
                commands.append(f"{commands[-1].split()[0]} {span}")
            elif span.split()[0] in COMMANDS:
                commands.append(span)
        return commands

    def run(self, command: str, because: str = "") -> Running:
        """Run a command with the flag that the page adds to each; if it is not found, try the places on the page."""
        words = command if "--format" in command else f"{command} {self._flag()}"
        outcome = yield Step(f"{self.program} {words}", because)
        for place in self._places() if outcome.code == _NOT_FOUND else ():
            self.program = place
            outcome = yield Step(f"{self.program} {words}", because)
            if outcome.code != _NOT_FOUND:
                break
        self.answers.append(outcome.json)
        return outcome.json

    def _flag(self) -> str:
        return re.findall(r"Add `(--[^`]+)` to every command line", self.page)[0]

    def _places(self) -> list[str]:
        """Return the places of the program on the page; one without a root lies in the folder of the page."""
        folder = self.path.removesuffix("SKILL.md")
        spans = [span for span in _SPAN.findall(self.page) if span.endswith(f"/{NAME}")]
        return [span if span.startswith("~") else f"{folder}{span}" for span in spans]

    def fields(self, *bullets: str) -> list[str]:
        """Return the fields that these bullets of the page name; a bullet is named by its beginning."""
        after = self.page.partition("## After a verb")[2]
        texts = [" ".join(text.split()) for text in re.split(r"^- ", after, flags=re.MULTILINE)[1:]]
        chosen = [next(text for text in texts if text.startswith(bullet)) for bullet in bullets]
        spans = [span for text in chosen for span in _SPAN.findall(text.partition(":")[2])]
        return [span for span in dict.fromkeys(spans) if _FIELD.fullmatch(span) and span not in COMMANDS]


def value_of(answer: Answer, name: str) -> Json:
    """Return a field such as "fast.message" of an answer; raises KeyError."""
    value: Json = answer
    for part in name.split("."):
        if not isinstance(value, dict):
            raise KeyError(name)
        value = value[part]
    return value


def has(answer: Answer, name: str) -> bool:
    """Return whether an answer has a field."""
    try:
        value_of(answer, name)
    except KeyError:
        return False
    return True


def report(answer: Answer, names: Collection[str]) -> str:
    """Return the lines that tell the user these fields, as far as the answer has them, and what to do next."""
    present = [name for name in dict.fromkeys([*names, "next_user_action"]) if has(answer, name)]
    return "\n".join(f"{name}: {json.dumps(value_of(answer, name), ensure_ascii=False)}" for name in present)


def advised(answer: Answer) -> list[str]:
    """Return the commands that the next action of an answer names."""
    return re.findall(rf"`{NAME} ([^`]+)`", answer["next_user_action"])


@dataclass(slots=True)
class Model:
    """The stand-in itself. `think` makes a talk, once the page is read.

    requests  those of the conversation
    skill     the page that was read last, with the answers since
    errors    what went wrong in a talk; the test raises it
    """

    think: Callable[[Skill], Talk] | None = None
    requests: list[Received] = field(default_factory=list)
    skill: Skill | None = None
    errors: list[Exception] = field(default_factory=list)
    _talk: Talk | None = None

    def reply(self, request: Received) -> Reply | None:
        """Return the reply to a request of the conversation; None to another one, as of a try of the route."""
        body = request.json()
        tool = next((tool["name"] for tool in body.get("tools", ()) if tool.get("name") in _SHELLS), None)
        if tool is None or self.think is None:
            return None
        self.requests.append(request)
        try:
            step = self._next(body)
        except StopIteration as end:
            return ScriptedTurn(text=end.value)
        except Exception as error:  # noqa: BLE001 (raised by the test, whose reader sees it there)
            self.errors.append(error)
            return ScriptedTurn(text="The stand-in has failed.")
        arguments = {_SHELLS[tool]: step.line, "workdir": "/"}
        if step.because:
            arguments |= {"sandbox_permissions": "require_escalated", "justification": step.because}
        return ToolCall(name=tool, arguments=json.dumps(arguments))

    def _next(self, body: Json) -> Step:
        last = body["input"][-1]
        if last["type"] == "function_call_output":
            assert self._talk is not None
            return self._talk.send(_outcome(last["output"]))
        self._talk = self._read_and_think(skill_path(body))
        return next(self._talk)

    def _read_and_think(self, path: str) -> Talk:
        page = yield Step(f"cat {path}")
        self.skill = Skill(path, page.text)
        assert self.think is not None
        return (yield from self.think(self.skill))


class ThinkingListener(Listener):
    """A provider whose model is the stand-in; requests outside of its conversation get the usual reply."""

    def __init__(self, model: Model, *, key: str) -> None:
        super().__init__(key=key)
        self._model = model

    def record(self, request: Received) -> None:
        """Record a request, and put the model's reply to it into the script."""
        super().record(request)
        authorized = request.header("authorization") == f"Bearer {self.key}"
        if authorized and request.method == "POST" and (reply := self._model.reply(request)):
            self.script(reply)


def offer(body: Json) -> str:
    """Return the line by which Codex offers the skill to the model; fails where there is not exactly one."""
    lines = {line for line in _text(body).splitlines() if re.match(rf"- (?:{NAME}:)?{NAME}: ", line)}
    (line,) = lines
    return line


def skill_path(body: Json) -> str:
    """Return the path of SKILL.md that the offer names; 0.171 has its root in a table beside it."""
    path = re.search(r"\(file: (.+)\)$", offer(body))
    assert path is not None
    root, _, rest = path[1].partition("/")
    roots = dict(re.findall(r"^- `(r\d+)` = `(.+)`$", _text(body), re.MULTILINE))
    return f"{roots[root]}/{rest}" if root in roots else path[1]


def _text(body: Json) -> str:
    return "\n".join(part.get("text", "") for item in body["input"] for part in item.get("content") or ())


def _outcome(output: Json) -> Outcome:
    """Parse what Codex says of a command: its head, and behind the line "Output:" what the command printed."""
    text = output if isinstance(output, str) else "".join(part["text"] for part in output)
    ended = _ENDED.search(text)
    return Outcome(
        int(ended[1]) if ended else None, re.split(r"^Output:\n", text, maxsplit=1, flags=re.MULTILINE)[-1]
    )
