"""README's table of identities is the program's. `nox -s reference` writes it anew."""

from __future__ import annotations

import os

from cfp.core.identities import Identity
from cfp.messages.identities import IDENTITIES
from tests.contract.identities import identity_table
from tests.house.source import REPOSITORY

README = REPOSITORY / "README.md"
BEGIN, END = "<!-- identities -->\n", "<!-- end of identities -->\n"


def test_readme_has_the_table() -> None:
    """The table between its two marks is the one that is made from the data."""
    page = README.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    table, _, after = rest.partition(END)
    if os.environ.get("CFP_TEST_WRITE_REFERENCE") == "1":
        table = identity_table()
        README.write_text(before + BEGIN + table + END + after, encoding="utf-8")
    assert identity_table() == table


def test_every_identity_has_its_words() -> None:
    """The words stand in the messages, by the value of each identity."""
    assert list(Identity) == [Identity(name) for name in IDENTITIES]
