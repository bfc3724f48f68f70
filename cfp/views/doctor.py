"""The page of `doctor`: the checks as a list; each that fails has its remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding

from cfp.views.page import BAD, GOOD, WARN, Advice, headline, next_step, plain


def doctor(answer: Mapping[str, Any]) -> list[RenderableType]:
    """Return one line for each check, and a remedy for each failure and advice."""
    checks = answer["checks"]
    failed = sum(not check["ok"] for check in checks)
    words = "all checks passed" if not failed else f"{failed} of {len(checks)} checks need attention"
    diagnosis = answer["diagnosis"]
    more = diagnosis["message"] if diagnosis["code"] == "interrupted" else ""
    parts: list[RenderableType] = [headline(BAD if failed else GOOD, words, more)]
    for check in checks:
        parts += _check(check)
    return [*parts, *next_step(answer)]


def _check(check: Mapping[str, Any]) -> list[RenderableType]:
    style = BAD if not check["ok"] else WARN if check.get("fix") else GOOD
    head = headline(style, str(check["name"]).replace("_", " "), str(check["detail"]))
    if not check.get("fix"):
        return [Padding(head, (0, 0, 0, 2))]
    code = "" if check["code"] == "ok" else f" ({plain(check['code'])})"
    return [Padding(head, (0, 0, 0, 2)), Advice(f"{plain(check['fix'])}{code}", style="dim", indent=4)]
