"""docs/troubleshooting.md has a place for every code that a person can meet."""

from __future__ import annotations

import re

from cfp.messages import ERRORS
from cfp.messages.benchmark import BENCHMARK
from cfp.messages.diagnoses import DIAGNOSES
from tests.house.source import REPOSITORY, modules

PAGE = (REPOSITORY / "docs" / "troubleshooting.md").read_text(encoding="utf-8")

# Codes that are no trouble.
FINE = {
    "ready",
    "ready_untried",
    *("benchmark_faster", "benchmark_slower", "benchmark_no_effect", "benchmark_not_enough_data"),
    *("profile_full", "profile_smoke", "privacy"),
}
# The code of the contract, where the message has another one.
CONTRACT_CODES = {"confirmation_required": "chatgpt_auth_direct_upstream_uninstall_requires_confirmation"}
_CHECK = re.compile(r"\b(?:failure|advice)\(\s*\"(\w+)\"")


def _explained() -> set[str]:
    headings = re.findall(r"^### (.*)$", PAGE, re.MULTILINE)
    return {code for heading in headings for code in re.findall(r"`(\w+)`", heading)}


def _reported_codes() -> set[str]:
    checks = "".join(module.text for module in modules("cfp") if module.name.startswith("cfp/core/checks/"))
    codes = {*ERRORS, *DIAGNOSES, *BENCHMARK} - FINE
    return {CONTRACT_CODES.get(code, code) for code in codes} | set(_CHECK.findall(checks))


def test_every_code_has_its_place() -> None:
    """Errors, diagnoses and the findings of doctor."""
    assert [] == sorted(_reported_codes() - _explained())


def test_no_place_without_a_reader() -> None:
    """A code that the program no longer says has no section."""
    text = "\n".join(module.text for module in modules("cfp"))
    assert [] == sorted(code for code in _explained() - _reported_codes() if f'"{code}"' not in text)
