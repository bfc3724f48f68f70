"""Whatever is typed and whatever happens: one JSON object on stdout, and an exit code that says the same."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp import __version__
from cfp.cli import Streams, main
from cfp.commands import COMMANDS
from cfp.commands.completion import menu
from cfp.layout import Layout
from cfp.result import Result, envelope
from tests.access import others_may_read
from tests.users import of_user


def run_command(*argv: str, environ: dict[str, str] | None = None) -> tuple[int, str]:
    out = io.StringIO()
    code = main(argv, environ or {**of_user("/nowhere"), "PATH": "/nowhere"}, Streams(out=out, err=io.StringIO()))
    return code, out.getvalue()


# These act outside the home that is named, run for long, or answer in another form.
ELSEWHERE = frozenset({"serve", "demo", "completion", "logs", "link-skill", "unlink-skill", "check-update"})
WORDS = st.sampled_from(
    [
        *sorted(set(COMMANDS) - ELSEWHERE),
        "--start",
        "--force",
        "--port",
        "x",
        "",
        "--provider",
        "--nope",
        "-",
        "--",
        "é",
    ]
)


@given(st.lists(WORDS, max_size=4).filter(bool))
def test_a_wrong_command_line_is_told_in_json(words: list[str]) -> None:
    """No home, no rights, odd words: never a traceback, never prose, never a second object."""
    code, text = run_command(*words)
    if words[0] == "autostart" and not text:
        return
    answer = json.loads(text)
    assert {"command", "status", "schema_version"} <= set(answer)
    if answer["status"] == "error":
        assert code not in {0, 70}
        assert (answer["changed"], bool(answer["error"]), bool(answer["code"])) == (False, True, True)


def test_help_and_version_are_for_people() -> None:
    """The overview names every verb."""
    code, text = run_command("--help")
    assert 0 == code
    assert all(verb in text for verb in COMMANDS)
    assert (0, f"codex-fast-proxy {__version__}\n") == run_command("--version")
    assert run_command("--help") == run_command()


SYNTAX = menu()
FLAGS = [
    (verb, flag) for verb, syntax in SYNTAX.items() for flag in syntax.flags if len(flag) > 5 and verb != "serve"
]


@given(st.sampled_from(FLAGS), st.integers(3, 20))
def test_a_mistyped_flag_brings_ours_to_mind(flag: tuple[str, str], place: int) -> None:
    """A flag of any verb that lacks one letter; the suggestion is a flag of that verb."""
    verb, name = flag
    at = 3 + place % (len(name) - 3)
    typed = name[:at] + name[at + 1 :]
    if typed in SYNTAX[verb].flags:
        return
    words = SYNTAX[verb].words[:1]  # one of those that must be there
    reason = json.loads(run_command(verb, *words, typed)[1])["error"]
    near = re.search(r"perhaps `(--[\w-]+)` is meant", reason)
    assert near is not None, reason
    assert near[1] in SYNTAX[verb].flags


def test_what_is_like_no_flag_brings_none_to_mind() -> None:
    """Nor does a value, or a word."""
    for words in (["--zzzzzz"], ["zzz"], ["--zz=--port"]):
        assert "perhaps" not in run_command("doctor", *words)[1]
    assert "perhaps `--probe` is meant" in run_command("doctor", "--prob")[1]
    assert "perhaps `doctor` is meant" in run_command("docter")[1]


@pytest.mark.parametrize("verb", ["check-update", "link-skill", "unlink-skill", "benchmark"])
def test_a_refusal_names_its_code(verb: str, tmp_path: Path) -> None:
    """Verbs outside the Codex home refuse in the same form."""
    flag = {"check-update": "--repo", "benchmark": "--codex-home"}.get(verb, "--skills-root")
    (tmp_path / "codex-fast-proxy").mkdir()
    code, text = run_command(verb, flag, str(tmp_path))
    assert (2, "error", verb) == (code, json.loads(text)["status"], json.loads(text)["command"])


@pytest.mark.parametrize(
    ("flags", "place"),
    [
        ([], "Codex sends none now"),
        (["--source-auth-key", "OTHER_API_KEY"], "auth.json has no key under OTHER_API_KEY"),
        (["--source-auth-key", "sk-0123456789abcdef0123456789abcdef"], "auth.json has no key under ***"),
    ],
)
def test_a_key_that_is_not_there_is_missed_where_it_was_looked_for(
    flags: list[str], place: str, tmp_path: Path
) -> None:
    """A named entry of auth.json that is missing is reported, instead of the key that Codex would send."""
    (tmp_path / "config.toml").write_text(
        'model_provider = "r"\n[model_providers.r]\nname = "R"\nbase_url = "https://r.example/v1"\n'
    )
    code, text = run_command("prepare-chatgpt-login", *flags, "--codex-home", str(tmp_path))
    answer = json.loads(text)
    assert (2, "source_key_unknown", f"No key for r was found: {place}.") == (code, answer["code"], answer["error"])


def test_an_unknown_transaction_is_told_where_the_known_ones_are(tmp_path: Path) -> None:
    """Help about flags would not help."""
    code, text = run_command("journal", "show", "tx", "--codex-home", str(tmp_path))
    assert (2, True) == (code, "`journal list`" in json.loads(text)["error"])


def test_a_bug_is_told_without_its_traceback(tmp_path: Path) -> None:
    """Exit 70; the traceback is in a file that only its owner reads, beside the logs of the home."""

    class Odd(dict[str, str]):
        """An environment that fails once."""

        def get(self, *words: Any) -> Any:
            if "failed" not in self:
                self["failed"] = "yes"
                raise ZeroDivisionError("only in the file")
            return super().get(*words)

    Layout(tmp_path).worker.mkdir(parents=True)
    out = io.StringIO()
    code = main(["status"], Odd(CODEX_HOME=str(tmp_path)), Streams(out=out, err=io.StringIO()))
    answer = json.loads(out.getvalue())
    log = Path(answer["log"])
    assert (70, "bug", Layout(tmp_path).worker) == (code, answer["code"], log.parent)
    assert "only in the file" not in out.getvalue()
    assert "only in the file" in log.read_text()
    assert not others_may_read(log)


def test_the_envelope_cannot_be_overridden() -> None:
    """A command's own field never hides what every program looks at."""
    result = Result(status="done", fields={"status": "x", "command": "y", "a": 1})
    assert {"command": "verb", "status": "done", "schema_version": 1, "a": 1} == envelope("verb", result)
