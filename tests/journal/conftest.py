"""Tests of files run with and without the kernel's exchange of names."""

from __future__ import annotations

from pathlib import Path

import pytest

from journal import RealFs
from tests.journal.support import Home, WithoutExchange, home_at


@pytest.fixture(params=[RealFs, WithoutExchange], ids=["exchange", "rename"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    return home_at(tmp_path / "home", request.param())
