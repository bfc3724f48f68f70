"""Modules with names of this program's: in the folders that Python searches first, and in its environment."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from cfp.host.system.distribution import MODULES, namesakes
from tests.house.source import REPOSITORY

# The ways to hold a module, by the path of its file; a folder without code is none.
KINDS = {"file": "{}.py", "package": "{}/__init__.py", "folder": "{}/other.py"}


@pytest.mark.parametrize(("name", "kind"), list(product(MODULES, KINDS)))
def test_a_module_with_a_name_of_ours(tmp_path: Path, name: str, kind: str) -> None:
    """It is named by its file; a folder of that name is no module where Python finds another."""
    path = tmp_path / KINDS[kind].format(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    assert (() if kind == "folder" else (str(path),)) == namesakes([str(tmp_path), str(tmp_path / "none")])


@pytest.mark.beyond_wine("links and junctions")
def test_the_program_itself_is_no_namesake(tmp_path: Path) -> None:
    """By whatever path it is reached."""
    (tmp_path / "link").symlink_to(REPOSITORY)
    assert () == namesakes([str(REPOSITORY), str(tmp_path / "link")])
    for name in MODULES:
        (tmp_path / f"{name}.py").write_text("raise SystemExit(1)")
    assert 3 == len(namesakes([str(tmp_path)]))  # and none of them is run


@pytest.mark.parametrize(("owned", "others"), [(("journal", "cfp"), ["another", "zebra"]), (("journals",), [])])
def test_a_package_that_shares_a_name(tmp_path: Path, owned: tuple[str, ...], others: list[str]) -> None:
    """Each is named once, and this program never, however often it is installed."""
    ours = (("codex-fast-proxy", MODULES), ("Codex_Fast.Proxy", MODULES))
    for distribution, modules in (("zebra", owned), ("another", owned), *ours):
        about = tmp_path / f"{distribution}-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1\n")
        (about / "top_level.txt").write_text("\n".join(modules))
    code = (
        f"import sys, json; sys.path.append({str(tmp_path)!r})\n"
        "from cfp.host.system.distribution import sharing_distributions as read\n"
        "print(json.dumps(read()))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert others == json.loads(ran.stdout)
