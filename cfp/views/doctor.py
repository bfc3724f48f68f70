"""The page of `doctor`: what was found, with its remedies, and the number of the checks that passed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.text import Text

from cfp.views.page import BAD, GOOD, WARN, Advice, headline, plain

_MOST_IN_FULL: Final = 4  # findings of four lines each: more would not fit a screen


def doctor(answer: Mapping[str, Any]) -> list[RenderableType]:
    """Return the failures, then the advice, then the other checks, which a terminal only counts."""
    checks = answer["checks"]
    failures = [check for check in checks if not check["ok"]]
    advice = [check for check in checks if check["ok"] and check.get("fix")]
    diagnosis = answer["diagnosis"]
    more = diagnosis["message"] if diagnosis["code"] == "interrupted" else ""
    style = BAD if failures else GOOD
    findings = [*failures, *advice]
    passed = [check for check in checks if check not in findings]
    return [headline(style, _verdict(len(failures), len(advice), len(checks)), more), _Checks(findings, passed)]


def _verdict(failures: int, advice: int, checks: int) -> str:
    if failures:
        return f"{failures} of {checks} checks need{'s' if failures == 1 else ''} attention"
    return f"all {checks} checks passed" + (f", {advice} with advice" if advice else "")


@dataclass(frozen=True, slots=True)
class _Checks:
    findings: Sequence[Mapping[str, Any]]
    passed: Sequence[Mapping[str, Any]]

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        most = _MOST_IN_FULL if options.is_terminal else len(self.findings)
        for check in self.findings[:most]:
            yield from _one(check, WARN if check["ok"] else BAD)
        if not options.is_terminal:
            for check in self.passed:
                yield from _one(check, GOOD)
            return
        if self.findings[most:]:
            yield Padding(Text(f"and {', '.join(map(_name, self.findings[most:]))}"), (0, 0, 0, 2))
        if self.findings:
            yield Text(f"  {len(self.passed)} other checks passed; `doctor --format json` lists them all", "dim")


def _one(check: Mapping[str, Any], style: str) -> Iterator[RenderableType]:
    yield Padding(headline(style, _name(check), str(check["detail"])), (0, 0, 0, 2))
    if check.get("fix"):
        code = "" if check["code"] == "ok" else f" ({plain(check['code'])})"
        yield Advice(f"{plain(check['fix'])}{code}", style="dim", indent=4)


def _name(check: Mapping[str, Any]) -> str:
    return plain(check["name"]).replace("_", " ")
