"""check-update against real git repositories: every relation, nothing written, no credential shown."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cfp
import journal
from cfp.commands.check_update import Args, run
from cfp.errors import Refused
from cfp.host.home import Host
from cfp.host.system.distribution import NAME, Distribution, Installer, read_distribution, source_of
from cfp.host.system.git import shown_url
from cfp.layout import Layout
from tests.users import NOTHING, of_user

ENVIRON = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    **{f"GIT_{who}_{what}": "t@example.invalid" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=folder, env=ENVIRON, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path, text: str) -> str:
    (folder / text).write_text(text)
    git(folder, "add", text)
    git(folder, "commit", "-qm", text)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repos(tmp_path: Path) -> tuple[Path, Path]:
    """A remote with one commit, and a clone of it."""
    remote, local = tmp_path / "remote", tmp_path / "local"
    remote.mkdir()
    git(remote, "init", "-q", "-b", "main")
    commit(remote, "one")
    git(tmp_path, "clone", "-q", str(remote), str(local))
    return remote, local


def check(local: Path, **args: str | None) -> dict[str, object]:
    host = Host(layout=Layout(local / "no-home"), environ=ENVIRON, python="python")
    given_args = {"repo": str(local), "remote": "origin", "branch": None, **args}
    return dict(run(Args(**given_args), host).fields)


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in sorted(folder.rglob("*"))}


@pytest.mark.beyond_wine("git")
@pytest.mark.parametrize(
    ("at_remote", "here", "relation"),
    [
        ((), (), "same"),
        (("two",), (), "remote_ahead"),
        ((), ("three",), "local_ahead"),
        (("two",), ("three",), "diverged"),
    ],
)
def test_every_relation(
    repos: tuple[Path, Path], at_remote: tuple[str, ...], here: tuple[str, ...], relation: str
) -> None:
    """HEAD against the remote branch, also where its commits are not here; and not one file of the checkout moves."""
    remote, local = repos
    for text in at_remote:
        commit(remote, text)
    for text in here:
        commit(local, text)
    before = snapshot(local)
    fields = check(local)
    assert (relation, relation == "remote_ahead") == (fields["relation"], fields["update_available"])
    assert (git(local, "rev-parse", "HEAD"), git(remote, "rev-parse", "main")) == (
        fields["local_commit"],
        fields["remote_commit"],
    )
    assert before == snapshot(local)


@pytest.mark.beyond_wine("git")
def test_a_remote_that_cannot_be_asked(repos: tuple[Path, Path]) -> None:
    """It is said, and nothing is offered."""
    remote, local = repos
    remote.rename(remote.parent / "gone")
    fields = check(local)
    assert ("remote_unknown", False) == (fields["relation"], fields["update_available"])
    assert "remote_unknown" == check(local, branch="nowhere")["relation"]


@pytest.mark.beyond_wine("git")
def test_local_changes_are_told(repos: tuple[Path, Path]) -> None:
    """An update would have to deal with them."""
    _, local = repos
    assert check(local)["local_changes"] is False
    (local / "mine").write_text("mine")
    assert check(local)["local_changes"] is True


def test_a_package_has_no_remote(tmp_path: Path) -> None:
    """Code that lies in no checkout says so, and does not pass for current."""
    for package in (cfp, journal):
        shutil.copytree(Path(package.__file__).parent, tmp_path / package.__name__)
    environ = {**NOTHING, **of_user(tmp_path), "PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        [sys.executable, "-m", "cfp", "check-update"], cwd=tmp_path, env=environ, check=True, capture_output=True
    )
    result = json.loads(ran.stdout)
    assert ["package", "pip", None, None, "remote_unknown"] == [
        result[name] for name in ("installed_as", "installed_by", "installed_from", "update_available", "relation")
    ]
    assert f"-m pip install --upgrade {NAME}`" in result["next_action"]


INSTALLERS = ("uv", "pipx", "pip")
RECORDS = {"uv": "uv-receipt.toml", "pipx": "pipx_metadata.json"}


@pytest.mark.parametrize("installer", INSTALLERS)
def test_the_installer_of_an_environment(tmp_path: Path, installer: str) -> None:
    """By the record that it leaves there; what leaves none is pip."""
    if installer in RECORDS:
        (tmp_path / RECORDS[installer]).write_text("")
    assert installer == read_distribution("/env/bin/python", str(tmp_path)).installer


@pytest.mark.parametrize(
    ("record", "source"),
    [
        ({}, ""),
        ({"url": "file:///home/me/a%20checkout", "dir_info": {}}, f"{os.sep}home{os.sep}me{os.sep}a checkout"),
        ({"url": "https://git.example/a.git", "vcs_info": {"vcs": "git"}}, "git+https://git.example/a.git"),
        ({"url": "https://me:SECRET@git.example/a.git", "vcs_info": {"vcs": "git"}}, "git+https://git.example/a.git"),
        ({"url": "https://files.example/a.whl?token=SECRET"}, "https://files.example/a.whl"),
    ],
)
def test_the_source_as_an_installer_takes_it(record: dict[str, object], source: str) -> None:
    """A path, or a URL without credentials."""
    assert source == source_of(record)


@pytest.mark.parametrize("installer", INSTALLERS)
@pytest.mark.parametrize("source", ["", "/home/me/a checkout", "git+https://git.example/a.git"])
def test_the_commands_of_an_installer(installer: Installer, source: str) -> None:
    """Each names its tool; what installs from a source names that, where the tool has not kept it."""
    made = Distribution(installer=installer, source=source, python="/env/bin/python")
    tool = {"uv": "uv tool ", "pipx": "pipx ", "pip": "/env/bin/python -m pip "}[installer]
    assert made.list_command.startswith(tool)
    assert made.upgrade_command.startswith(tool)
    assert made.upgrade_command.endswith(('"/home/me/a checkout"', NAME, source))
    assert made.install_command.endswith(('"/home/me/a checkout"', NAME, source))


@pytest.mark.beyond_wine("git")
def test_a_package_from_a_checkout_is_compared_with_it(repos: tuple[Path, Path], tmp_path: Path) -> None:
    """`pip install .` in a checkout: an update of that is what the user waits for."""
    remote, local = repos
    commit(remote, "two")
    site = tmp_path / "site"
    for package in (cfp, journal):
        shutil.copytree(Path(package.__file__).parent, site / package.__name__)
    about = site / "codex_fast_proxy-9.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: codex-fast-proxy\nVersion: 9\n")
    (about / "direct_url.json").write_text(json.dumps({"url": local.as_uri(), "dir_info": {}}))
    environ = {**NOTHING, **of_user(tmp_path), **ENVIRON, "PYTHONPATH": str(site)}
    words = [sys.executable, "-m", "cfp", "check-update"]
    ran = subprocess.run(words, cwd=tmp_path, env=environ, check=True, capture_output=True)
    result = json.loads(ran.stdout)
    assert ("package", str(local), True) == (
        result["installed_as"],
        result["installed_from"],
        result["update_available"],
    )
    assert f"--force-reinstall --no-deps {local}`" in result["next_action"]


def test_a_package_in_a_cache_is_for_once(tmp_path: Path) -> None:
    """`uvx` runs it there: the result names the command that installs it for good."""
    host = Host(
        layout=Layout(tmp_path),
        environ={"PATH": ""},
        python="/home/me/.cache/uv/archive-v0/4JXQGwl8uXNV6di8/bin/python3",
    )
    fields = run(Args(repo=None, remote="origin", branch=None), host).fields
    assert ("package", "uv", None) == (fields["installed_as"], fields["installed_by"], fields["update_available"])
    assert "`uv tool install " in fields["next_action"]


def test_no_checkout(tmp_path: Path) -> None:
    """A folder that is not in a checkout is refused by name."""
    with pytest.raises(Refused, match="not_a_checkout"):
        check(tmp_path)


@given(st.text(alphabet="abc:%@", min_size=1), st.text(alphabet="abc?#=", max_size=5))
def test_credentials_in_a_url_are_not_shown(user: str, tail: str) -> None:
    """User information and queries stay out of every result."""
    shown = shown_url(f"https://SECRET{user}@git.example/path{tail}?token=SECRET")
    assert "SECRET" not in shown
    assert shown.startswith("https://git.example/path")
