"""An answer as a page for people; plain and whole in a pipe, with colours and on one screen on a terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cfp.advice import commands_in, completed, next_command
from cfp.bench.statistics import Verdict
from cfp.core.plan.uninstall import ConfigRestore, HookRemoval
from cfp.views import VIEWS, shown
from cfp.views.benchmark import _STYLES
from cfp.views.uninstall import _CONFIG, _HOOK

GOLDEN = sorted((Path(__file__).parents[2] / "fixtures" / "results").glob("*.json"), key=lambda path: path.stem)
_COLOUR = re.compile(r"\x1b\[(?:3[0-9]|9[0-7])|\x1b\[[0-9;]*;3[0-9]")


def answer(name: str) -> dict[str, Any]:
    (path,) = [path for path in GOLDEN if path.stem == name]
    value = json.loads(path.read_text())
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_answer_has_a_page(path: Path) -> None:
    """Short, plain text, with the next action of the JSON and no line that a terminal would break."""
    result = json.loads(path.read_text())
    text = shown(result, terminal=False, environ={})
    assert "\x1b" not in text
    assert len(text.splitlines()) <= 40
    assert all(len(line) <= 110 for line in text.splitlines())
    action = " ".join(str(result.get("next_user_action") or "").split())
    command = next_command(action)
    assert text.endswith(f"\n  {command}\n" if command else action[-20:] + "\n" if action else "\n")
    assert action in " ".join(text.split()) or action == f"Run `{command}`."


def commands(result: Any) -> set[str]:
    """Return the command lines that an answer names."""
    return set(commands_in(str(result.get("next_user_action") or ""))).union(
        *(commands_in(check["fix"] or "") for check in result.get("checks") or ())
    )


@pytest.mark.parametrize("flag", ["", " --codex-home '/home/somebody/another home'"], ids=["", "elsewhere"])
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_command_can_be_copied_whole(path: Path, flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However narrow the terminal: pasted with a line break in it, it would run as two."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "200")
    result = completed(json.loads(path.read_text()), flag)
    lines = shown(result, terminal=True, environ={"NO_COLOR": "1", "TERM": "dumb"}).splitlines()
    assert set() == {command for command in commands(result) if not any(command in line for line in lines)}


@pytest.mark.parametrize("name", ["fast_listed", "fast_added", "fast_budget"])
def test_rules_and_budget_are_shown(name: str) -> None:
    """Each rule with the number by which it is removed, and the limit of a day with what is spent of it."""
    result = answer(name)
    text = shown(result, terminal=False, environ={})
    assert all(re.search(rf"^ +{rule['number']} +{rule['rule']}$", text, re.MULTILINE) for rule in result["rules"])
    assert ("200 requests with Fast a day" in text) == (name == "fast_budget")
    spent = shown({**answer("fast_budget"), "fast_budget": {"requests": 3}}, terminal=False, environ={})
    assert "3 of 200 requests with Fast a day" in spent


def test_a_code_is_no_warning_for_people() -> None:
    """A page has the sentences for the codes of its warnings, and a warning that is a sentence itself."""
    coded = {**answer("install"), "warnings": ["hook_untrusted", "It is so."], "warning_messages": ["Trust it."]}
    text = shown(coded, terminal=False, environ={})
    assert ("hook_untrusted" in text, "! It is so." in text, "! Trust it." in text) == (False, True, True)


def test_colours_are_for_terminals_that_want_them() -> None:
    """NO_COLOR (no-color.org) turns them off; a pipe never has them."""
    result = answer("status_ready")
    assert _COLOUR.search(shown(result, terminal=True, environ={"TERM": "xterm"}))
    assert not _COLOUR.search(shown(result, terminal=True, environ={"TERM": "xterm", "NO_COLOR": "1"}))
    assert "\x1b" not in shown(result, terminal=False, environ={"TERM": "xterm"})


def test_every_closed_set_has_its_words() -> None:
    """A page never has a gap where the contract has a value."""
    assert set(ConfigRestore) == set(_CONFIG)
    assert set(HookRemoval) <= set(_HOOK)
    assert set(Verdict) == set(_STYLES)


@pytest.mark.parametrize("verb", [*VIEWS, "install"])
def test_a_name_cannot_steer_the_terminal(verb: str) -> None:
    """Whatever a config.toml or a provider says is shown, not obeyed."""
    bad = "\x1b]0;owned\x07[bold red]x[/]"
    result = {
        "command": verb,
        "status": "error",
        "error": bad,
        "code": "c",
        "next_user_action": bad,
        "changed": False,
    }
    text = shown(result, terminal=True, environ={"NO_COLOR": "1"})
    assert "\x1b]" not in text
    assert "\x07" not in text
    assert "[bold red]x[/]" in text


def test_a_dry_run_of_recover_does_not_look_done() -> None:
    """The page lists the interrupted command, its files and the command that settles it, and shows no tick."""
    files = [{"path": "/home/u/config.toml", "now": "after"}, {"path": "/home/u/hooks.json", "now": "before"}]
    waiting = {"id": "tx", "command": "install", "decision": "roll_back", "files": files}
    action, command = "Run `codex-fast-proxy recover`.", "\n  codex-fast-proxy recover\n"
    answer = {"command": "recover", "status": "clean", "dry_run": True, "transactions": [waiting], "repair": None}
    text = shown({**answer, "message": "Nothing yet.", "next_user_action": action}, terminal=False, environ={})
    assert text.startswith("! waiting for recover  Nothing yet.")
    assert (True, True, False) == tuple(word in text for word in (command, "config.toml", "hooks.json"))


@pytest.mark.parametrize(("count", "words"), [(0, "0 transactions"), (1, "1 transaction "), (2, "2 transactions")])
def test_transactions_are_counted_in_words(count: int, words: str) -> None:
    """One is not many."""
    result = {"command": "journal", "status": "listed", "open": [], "transactions": [{"id": "tx"}] * count}
    assert shown(result, terminal=False, environ={}).startswith(f"✓ {words}")


def test_an_open_transaction_names_what_settles_it() -> None:
    """In the list and in its own page."""
    listed = {"status": "listed", "open": ["tx"], "transactions": []}
    one = {"status": "shown", "transaction": {"id": "tx", "state": "prepared", "decision": "roll_back", "files": []}}
    action = "Run `codex-fast-proxy recover`."
    for answer in (listed, one):
        result = {"command": "journal", **answer, "at_work": False, "next_user_action": action}
        text = shown(result, terminal=False, environ={})
        assert ("interrupted" in text, text.endswith("next\n  codex-fast-proxy recover\n")) == (True, True)


@pytest.mark.parametrize("profile", ["full", "smoke"])
def test_only_a_full_benchmark_changes_what_is_known(profile: str) -> None:
    """A smoke run that was faster stands beside an older judgement, and says why that has not changed."""
    text = shown({**answer("benchmark"), "profile": profile}, terminal=False, environ={})
    assert ("A smoke run" in " ".join(text.split())) == (profile == "smoke")


@pytest.mark.parametrize(("count", "words"), [(1, "1 request "), (2, "2 requests "), (1000, "1,000 requests ")])
def test_usage_counts_requests(count: int, words: str) -> None:
    """One is one."""
    result = answer("usage")
    counted = {
        **result,
        "rows": [{"day": "2026-01-02", **result["total"]}],
        "total": {**result["total"], "requests": count},
    }
    assert words in shown(counted, terminal=False, environ={})
