"""The identity of the running code, and the name of its interpreter."""

from __future__ import annotations

from pathlib import Path

import pytest

from cfp.host.worker.code_id import python_path, runtime_id


@pytest.mark.posix("an environment whose interpreters are links")
def test_one_interpreter_has_one_name(tmp_path: Path) -> None:
    """`python`, `python3` and `python3.11` of one environment count as one; another program keeps its name."""
    (tmp_path / "real").write_text("")
    for name in ("python", "python3", "python3.11"):
        (tmp_path / name).symlink_to(tmp_path / "real")
    (tmp_path / "pypy").write_text("")
    names = [python_path(str(tmp_path / name)) for name in ("python", "python3", "python3.11", "pypy")]
    assert [*[str(tmp_path / "python3")] * 3, str(tmp_path / "pypy")] == names


def test_the_identity_is_that_of_the_sources() -> None:
    """It is 16 hex digits, and does not change."""
    assert 16 == len(runtime_id()) == len(f"{int(runtime_id(), 16):016x}")
    assert runtime_id() == runtime_id()
