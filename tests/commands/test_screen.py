"""Each answer fits a terminal of 80 columns and 24 lines, begins with the verdict, and ends with the next command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.advice import completed, next_command
from cfp.core.checks.table import CHECKS
from cfp.messages import CLI
from cfp.messages.doctor import FINDINGS
from cfp.views import shown
from tests.house.message_tables import all_messages

GOLDEN = sorted((Path(__file__).parents[2] / "fixtures" / "results").glob("*.json"), key=lambda path: path.stem)
PLACE = "/home/somebody/a folder/.venv/bin/codex-fast-proxy"
MARKS = ("✓ ", "✗ ", "! ")


def golden(name: str) -> dict[str, Any]:
    (path,) = [path for path in GOLDEN if path.stem == name]
    value = json.loads(path.read_text())
    assert isinstance(value, dict)
    return value


@pytest.fixture(autouse=True)
def _smallest_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")


def on_screen(answer: dict[str, Any], program: str = CLI) -> list[str]:
    """The lines of a page on a terminal, where one line is left for the prompt and only a command is too long."""
    text = shown(
        completed(answer, "", program), terminal=True, environ={"NO_COLOR": "1", "TERM": "dumb"}, program=program
    )
    lines = text.splitlines()
    assert len(lines) <= 23, text
    assert [] == [line for line in lines if len(line) > 80 and program not in line], text
    assert lines[0].startswith(MARKS), text
    return lines


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_answer_fits(path: Path) -> None:
    """Its last line is a command that can be pasted as it stands, where the next action names one."""
    answer = json.loads(path.read_text())
    lines = on_screen(answer)
    command = next_command(str(answer.get("next_user_action") or answer.get("next_action") or ""))
    assert command is None or f"  {command}" == lines[-1]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_program_is_named_as_it_was_called(path: Path) -> None:
    """Wherever an action names one of its commands, and nowhere by a name that the shell does not know."""
    answer = json.loads(path.read_text())
    quoted = f"'{PLACE}'"
    plain, called = on_screen(answer), on_screen(answer, quoted)
    command = next_command(str(answer.get("next_user_action") or answer.get("next_action") or ""))
    if command is not None and command.startswith(CLI):
        assert f"  {quoted}{command.removeprefix(CLI)}" == called[-1]
    ending = plain[plain.index("") :] if "" in plain else []
    assert not any(line.startswith(f"  {CLI}") for line in called) or not ending


def check(name: str, code: str, *, ok: bool) -> dict[str, Any]:
    words = FINDINGS[code]  # type: ignore[index]  # any of them
    return {"name": name, "ok": ok, "code": code, "detail": words.sentence, "fix": words.action}


@given(st.lists(st.tuples(st.sampled_from(sorted(FINDINGS)), st.booleans()), max_size=len(CHECKS)))
def test_doctor_fits_whatever_it_finds(findings: list[tuple[str, bool]]) -> None:
    """Failures come before advice, and the first line counts them."""
    checks = golden("doctor_ready")["checks"]
    for place, (code, ok) in enumerate(findings):
        checks[place] = check(checks[place]["name"], code, ok=ok)
    answer = {**golden("doctor_ready"), "checks": checks, "next_user_action": f"Run `{CLI} start`."}
    lines = on_screen(answer)
    marks = [line[2] for line in lines if line[:2] == "  " and line[2:4] in MARKS]
    failures = sum(not one["ok"] for one in checks)
    assert marks == sorted(marks, key="✗!".index)
    assert (f"{failures} of " in lines[0]) == bool(failures)


def sums(**names: Any) -> dict[str, Any]:
    counts = ("requests", "failed", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
    numbers = dict.fromkeys((*counts, "fast_sent", "fast_served"), 123_456_789)
    return {**names, **numbers, "first_byte_median_ms": 12_345.6, "first_byte_p95_ms": 99_999.9, "money": 12_345.67}


@pytest.mark.parametrize("by", ["day", "model", "session"])
@pytest.mark.parametrize("count", [1, 12, 13, 400])
def test_usage_fits(by: str, count: int) -> None:
    """Large numbers, long names, many rows: the newest days are shown, and else the rows with the most requests."""
    names = [f"2026-{number:03}-{'x' * (30 if by == 'session' else 10)}" for number in range(count)]
    answer = {
        **golden("usage"),
        "by": by,
        "rows": [sums(**{by: name}) for name in names],
        "total": sums(),
        "currency": "EUR",
        "warnings": ["A long warning about one thing or another, which takes more than one line of a terminal."] * 2,
    }
    text = "\n".join(on_screen(answer))
    assert all(title in text for title in ("requests", "tokens in", "out"))
    assert ("12,345.67 EUR" in text) == (by != "session")
    assert (count > 12) == ("other rows" in text)
    if count == 400 and by == "day":
        assert ("2026-399" in text, "2026-000" in text) == (True, False)


@given(st.data())
def test_long_lists_fit(data: st.DataObject) -> None:
    """Saved upstreams, rules, transactions, files, warnings, samples: as many as anybody has."""
    count = data.draw(st.integers(0, 300))
    many: dict[str, dict[str, Any]] = {
        "upstream_list": {"upstreams": golden("upstream_list")["upstreams"][:1] * count},
        "fast_listed": {"rules": golden("fast_listed")["rules"] * count},
        "journal_list_interrupted": {"transactions": golden("journal_list")["transactions"][:1] * count},
        "recover": {"transactions": golden("recover")["transactions"] * count},
        "install_dry_run": {"files": ["/home/somebody/.codex/" + "x" * 90] * count},
        "status_split": {"warning_messages": ["A warning of a few words."] * count},
        "benchmark": {"warnings": ["A warning of a few words."] * count},
    }
    name = data.draw(st.sampled_from(sorted(many)))
    on_screen({**golden(name), **many[name]})


@pytest.mark.parametrize("action", sorted({text.action for text in all_messages() if text.action}))
def test_a_pasted_command_has_nothing_to_fill_in(action: str) -> None:
    """No NAME and no URL, which a shell would pass on as they are."""
    command = next_command(action.replace("{", "").replace("}", ""))
    assert command is None or not {"NAME", "URL", "NUMBER", "FILE", "DIR"} & set(command.split())
    named = [part for part in action.split("`")[1::2] if part.startswith(CLI)]
    if named and not any(word in " ".join(named) for word in ("NAME", "URL", "NUMBER")):
        assert command is not None


def test_capital_letters_of_a_folder_are_no_blank() -> None:
    """A quoted path is a path."""
    command = f"{CLI} recover --codex-home '/home/u/MY FILES'"
    assert command == next_command(f"Run `{command}`.")
