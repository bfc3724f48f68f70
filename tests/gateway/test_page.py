"""docs/gateway.md states of LiteLLM what its pinned version does."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.end_to_end.listeners import Listener
from tests.gateway.litellm_proxy import Gateway
from tests.gateway.measurements import Bench, change_table, failure_table, tier_table
from tests.real_codex import REPOSITORY

PAGE: Final = REPOSITORY / "docs" / "gateway.md"
LOCK: Final = REPOSITORY / ".ci" / "gateway" / "constraints.txt"
TABLES: Final = {"tier": tier_table, "changes": change_table, "failures": failure_table}


@pytest.mark.parametrize("name", TABLES)
def test_the_page_states_what_is_measured(gateway: Gateway, provider: Listener, name: str) -> None:
    """Each table is, cell by cell, what LiteLLM does now; CFP_TEST_WRITE_REFERENCE=1 writes it anew."""
    table: Callable[[Bench], Iterator[str]] = TABLES[name]
    rows = "\n".join(table(Bench(gateway=gateway, provider=provider)))
    block = re.compile(rf"(<!-- measured: {name} -->\n)(.*?)(\n<!-- end -->)", re.DOTALL)
    text = PAGE.read_text(encoding="utf-8")
    if os.environ.get("CFP_TEST_WRITE_REFERENCE") == "1":
        text = block.sub(lambda place: f"{place[1]}{rows}{place[3]}", text)
        PAGE.write_text(text, encoding="utf-8", newline="\n")
    assert [rows] == [place[2] for place in block.finditer(text)]


def test_the_page_names_the_version_that_was_measured() -> None:
    """The page and the lock name one version of LiteLLM."""
    (locked,) = re.findall(r"^litellm==(\S+)$", LOCK.read_text(), re.MULTILINE)
    assert {locked} == set(re.findall(r"LiteLLM (\d+\.\d+\.\d+)", PAGE.read_text(encoding="utf-8")))
