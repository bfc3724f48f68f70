"""Throw-away folders are thrown away, even those of runs that were killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cfp.host.system.scratch import scratch
from tests.access import others_may_read


def test_gone_at_the_end(tmp_path: Path) -> None:
    """Only its owner reads it; nothing stays, and nothing of others is touched."""
    mine = tmp_path / "codex-fast-proxy-demo-kept"
    mine.mkdir()
    with scratch("run", {"TMPDIR": str(tmp_path)}) as folder:
        assert (False, []) == (others_may_read(folder), list(folder.iterdir()))
        (folder / "log").write_text("x")
    assert [mine] == list(tmp_path.iterdir())


def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    """And leaves alone what a living one uses."""
    program = (
        "import sys; from cfp.host.system.scratch import scratch\n"
        f"with scratch('run', {{'TMPDIR': {str(tmp_path)!r}}}) as folder: print(folder, flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], text=True, **pipes) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        with scratch("benchmark", {"TMPDIR": str(tmp_path)}):
            assert left.is_dir()
        process.kill()
    assert left.is_dir()
    with scratch("benchmark", {"TMPDIR": str(tmp_path)}) as folder:
        assert [folder.parent] == list(tmp_path.iterdir())
