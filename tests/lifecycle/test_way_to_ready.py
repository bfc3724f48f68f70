"""From each state of "signed in with ChatGPT, and the provider wants its own key", the advice leads to `ready`."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.end_to_end.harness import KEY, KEY_ENV, built_in_config, chatgpt_login, login_config
from tests.lifecycle.advised import SAVED_KEY, SETTINGS
from tests.lifecycle.block import Block, block
from tests.lifecycle.test_advised import ways

WRONG: Final = "sk-a-wrong-key"
MOST_STEPS: Final = 5  # commands from the worst state on

Act = Callable[[Block], object]


def _command(line: str) -> Act:
    """Return the act of a user who runs this, whether it is refused in this state or not."""
    return lambda place: place.run(*line.split())


def _lose_key(place: Block) -> None:
    (place.home / SAVED_KEY).unlink(missing_ok=True)


def _save_wrong_key(place: Block) -> None:
    """The user has mistyped it."""
    place.upstream.keys.add(WRONG)  # it may come here, and is refused
    place.run("prepare-chatgpt-login", "--from-stdin", "--apply")
    if (place.home / SAVED_KEY).exists():
        place.replace(SAVED_KEY, KEY, WRONG)


def _lose_variable(place: Block) -> None:
    """The variable was that of another shell."""
    place.write(".env", f"{KEY_ENV}=\n")


ACTS: Final[dict[str, Act]] = {
    "install": _command("install --start --no-verify"),
    "install for later": _command("install --prepare-only --no-verify"),
    "save the key": _command("prepare-chatgpt-login --from-stdin --apply"),
    "send the saved key": _command("set-upstream --use-provider-auth-file --restart"),
    "send the saved key later": _command("set-upstream --use-provider-auth-file"),
    "send a variable's key": _command(f"set-upstream --upstream-api-key-env {KEY_ENV}"),
    "save a wrong key": _save_wrong_key,
    "let Codex send it": _command(f"install --start --codex-key-env {KEY_ENV}"),
    "pass the login on": _command("set-upstream --clear-upstream-auth --no-verify"),
    "leave later": _command("uninstall --defer-stop --confirm-chatgpt-direct-uninstall"),
    "lose the key": _lose_key,
    "lose the variable": _lose_variable,
    "lose the worker": Block.end_worker,
}
CONFIGS: Final[dict[str, Callable[[str], str]]] = {"custom": login_config, "built in": built_in_config}


Step = tuple[object, ...]  # the code of the answer that advises a command, the command, and what is saved by then


def _saved(place: Block) -> tuple[bytes | None, ...]:
    paths = [place.home / name for name in (SETTINGS, SAVED_KEY)]
    return tuple(path.read_bytes() if path.is_file() else None for path in paths)


def steps(place: Block, verb: str) -> Iterator[Step]:
    """Follow what `status` or `doctor` advises, first way first, until status is ready; yield each step."""
    while (code := place.diagnosis()) != "ready_untried":
        commands = ways(place.run(verb).json["next_user_action"])
        assert commands, place.run(verb).text
        yield from _follow(place, code, commands[0])


def _follow(place: Block, code: str, commands: list[str]) -> Iterator[Step]:
    """Run commands as they are written; where one is refused, go on with the advice of its refusal."""
    for command in commands:
        yield code, command, *_saved(place)
        _, *words = shlex.split(command)
        answer = place.run(*words)
        if answer.refusal:
            yield from _follow(place, answer.refusal, ways(answer.json["next_user_action"])[0])
            return


DONE: Final = (None, *ACTS)
CASES: Final = [
    *(("status", "custom", *done) for done in itertools.product(DONE, DONE)),
    *(("status", "built in", done, None) for done in DONE),
    *(("doctor", *done, None) for done in itertools.product(CONFIGS, DONE)),
]


@pytest.mark.parametrize(("verb", "config", "first", "second"), CASES)
def test_each_way_ends_in_ready(
    verb: str, config: str, first: str | None, second: str | None, tmp_path: Path
) -> None:
    """Whatever the user has done before: no advice leads back to itself, and the provider gets its own key."""
    with block(tmp_path / "place") as place:
        place.lay_out(CONFIGS[config](place.upstream.base_url), chatgpt_login())
        for name in (first, second):
            ACTS.get(name or "", lambda _: None)(place)
        path = list(itertools.islice(steps(place, verb), MOST_STEPS + 1))
        assert len(set(path)) == len(path), path
        assert len(path) <= MOST_STEPS, path
        assert place.run("status").json["identity_on_the_wire"]["through_proxy"] == "provider_key"
