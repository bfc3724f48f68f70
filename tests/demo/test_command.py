"""The demo leaves nothing where it passes, and what one needs to see where it does not."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from cfp.commands.demo import Args, run
from cfp.host.home import Host
from cfp.layout import Layout


def test_a_demo_that_fails_keeps_its_folder(tmp_path: Path) -> None:
    """A step's detail may name a file there."""
    program = tmp_path / Path("codex").with_suffix(Path(sys.executable).suffix)
    shutil.copy(sys.executable, program)  # no Codex: it ends with an error
    path = os.pathsep.join((str(tmp_path), os.environ["PATH"]))
    result = run(Args(keep=False), Host(layout=Layout(tmp_path), environ={"PATH": path}, python=sys.executable))
    folder = Path(str(result.fields["folder"]))
    try:
        assert (2, "failed") == (result.exit_code, result.status)
        assert "codex exec failed" == result.fields["steps"][-1]["detail"]
        assert any(folder.iterdir())
    finally:
        shutil.rmtree(folder)
