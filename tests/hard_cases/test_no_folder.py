"""A user without a folder: neither HOME nor the system's list of users has one, as in some containers."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from cfp import cli
from cfp.commands import COMMANDS
from cfp.layout import known_default_home
from tests.hard_cases.test_owners import load_all
from tests.homes.site import CommandAnswer
from tests.staged import in_a_child
from tests.systems import as_root

pytestmark = as_root

NOBODY_KNOWN = 54321
LINES = (
    *[("status",), ("doctor",), ("install", "--dry-run"), ("install", "--start"), ("start",), ("stop",)],
    *[("uninstall",), ("recover",), ("logs",), ("journal", "list"), ("verify-upstream",), ("set-upstream",)],
    *[("prepare-chatgpt-login",), ("benchmark",), ("run", "--", "codex"), ("link-skill",), ("unlink-skill",)],
    *[("dashboard",), ("status", "--format", "text"), ("usage",), ("fast", "list"), ("upstream", "list")],
)

WITHOUT_HOME = (("completion", "bash"), ("check-update",), ("demo",))


def run(environ: Mapping[str, str], *words: str) -> CommandAnswer:
    """Run a command line as a user whom the system does not know."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        output.touch()
        output.chmod(0o666)
        Path(folder).chmod(0o755)

        def act() -> int:
            os.setgroups([])
            os.setgid(NOBODY_KNOWN)
            os.setuid(NOBODY_KNOWN)
            out = io.StringIO()
            code = cli.main(list(words), environ, cli.Streams(out=out, err=out))
            output.write_text(out.getvalue())
            return code

        return CommandAnswer(code=in_a_child(act), out=output.read_text())


@pytest.mark.parametrize("words", LINES, ids=" ".join)
@pytest.mark.parametrize("environ", [{}, {"HOME": ""}], ids=["no HOME", "empty HOME"])
def test_it_is_refused_by_name(words: tuple[str, ...], environ: dict[str, str]) -> None:
    """Each verb answers as for any refusal."""
    load_all()
    answer = run(environ, *words)
    assert 2 == answer.code, answer.out
    assert "--codex-home" in answer.out
    if "text" not in words:
        assert ("users_folder_unknown", False) == (answer.json["code"], answer.json["changed"])


def test_the_hook_lets_the_session_go_on_or_says_why() -> None:
    """Its exit code is 0."""
    load_all()
    assert 0 == run({}, "autostart").code
    assert 0 == run({}, "autostart", "--quiet").code


def test_a_home_that_is_named_is_enough(tmp_path: Path) -> None:
    """By the flag or by CODEX_HOME, as for Codex; its commands name it."""
    load_all()
    home = Path(tempfile.mkdtemp(prefix="cfp-tests-"))
    try:
        os.chown(home, NOBODY_KNOWN, NOBODY_KNOWN)
        for environ, flag in (({}, ("--codex-home", str(home))), ({"CODEX_HOME": str(home)}, ())):
            answer = run(environ, "status", *flag)
            assert (0, "not_enabled") == (answer.code, answer.json["diagnosis"]["code"]), answer.out
            assert bool(flag) == (str(home) in answer.json["next_user_action"])
    finally:
        home.rmdir()
    assert known_default_home({"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}) == tmp_path / ".codex"


def test_a_verb_about_no_home_needs_none() -> None:
    """It answers as for any user; the demo may find that this user cannot run the interpreter of these tests."""
    load_all()
    for words in WITHOUT_HOME[:2]:
        assert 0 == run({"PATH": os.defpath}, *words).code
    demo = run({"PATH": os.defpath}, "demo").json
    if demo["folder"]:
        shutil.rmtree(demo["folder"])
    assert demo["steps"][0]["ok"]


def test_the_lines_are_known() -> None:
    """Each is a verb, and the others need no home."""
    assert {words[0] for words in LINES} <= {verb for verb in COMMANDS if verb not in ("serve", "autostart")}
    assert {words[0] for words in WITHOUT_HOME} == set(COMMANDS) - {words[0] for words in LINES} - {
        "serve",
        "autostart",
    }
