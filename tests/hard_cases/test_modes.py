"""Each file and folder of an enabled home, with each right taken from it, as a user whom modes bind."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hard_cases.test_owners import OWNER, give, load_all, run_as
from tests.scenes import ENVIRON, INSTALL, plain
from tests.staged import Stage
from tests.systems import as_root

pytestmark = as_root

LOOKS = (
    ("status",),
    ("doctor",),
    ("install", "--dry-run", "--no-verify"),
    ("recover", "--dry-run"),
    ("journal", "list"),
    ("logs",),
    ("autostart",),
    ("autostart", "--quiet"),
    ("stop",),
)
CHANGES = (("uninstall",), ("recover",), ("start",), INSTALL)
FILE_MODES, FOLDER_MODES = (0, 0o200, 0o400), (0, 0o100, 0o200, 0o300, 0o400, 0o500, 0o600)
# Codes that name what cannot be read or written; a file of Codex that is shut counts as one that does not parse.
NAMED = {
    "record_unreadable",
    "storage_failed",
    "file_not_replaceable",
    "config_unparseable",
    "hooks_unparseable",
    "config_points_to_proxy",
}


@pytest.fixture(scope="module")
def enabled() -> Iterator[Path]:
    """A folder with an enabled home in `stage`, all of it its owner's."""
    root = Path(tempfile.mkdtemp(prefix="cfp-tests-"))
    root.chmod(0o755)
    stage = Stage(root=root / "stage", environ=ENVIRON)
    stage.home.parent.mkdir(parents=True)
    plain(stage)
    load_all()
    for words in (("status",), ("doctor",), INSTALL, ("prepare-chatgpt-login", "--apply")):
        stage.run(*words)
    stage.layout.worker.mkdir(exist_ok=True)
    stage.layout.request_log.write_text("{}\n")
    (stage.home / ".env").write_text("X=1\n")
    (stage.home / "auth.json").write_text(json.dumps({"OPENAI_API_KEY": "sk-abcdefgh"}))
    give(stage)
    yield root
    shutil.rmtree(root)


def copy_of(root: Path) -> Stage:
    """Return the home laid out anew; owners, modes and times are kept."""
    stage = Stage(root=root / "copy" / "stage", environ=ENVIRON)
    if stage.root.exists():
        for path in sorted(stage.root.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
        shutil.rmtree(stage.root)
    stage.root.parent.mkdir(exist_ok=True)
    shutil.copytree(root / "stage", stage.root, symlinks=True)
    for source in (root / "stage", *(root / "stage").rglob("*")):
        os.chown(stage.root / source.relative_to(root / "stage"), OWNER, OWNER)
    return stage


def paths(root: Path) -> list[Path]:
    home = Stage(root=root / "stage", environ=ENVIRON).home
    return [path.relative_to(root / "stage") for path in (home, *sorted(home.rglob("*")))]


def test_no_mode_makes_a_command_fail_as_a_bug(enabled: Path) -> None:
    """Every answer is JSON with a code, the hook's exit code is 0, and no command takes what is shut for absent."""
    wrong = []
    for path in paths(enabled):
        is_folder = (enabled / "stage" / path).is_dir()
        for mode in FOLDER_MODES if is_folder else FILE_MODES:
            stage = copy_of(enabled)
            (stage.root / path).chmod(mode)
            shut = mode & 0o500 != 0o500 if is_folder else not mode & 0o400
            for words in LOOKS:
                answer = run_as(stage, OWNER, *words)  # which fails for a bug
                wrong += [
                    f"{path} {mode:o} {words}: {complaint}" for complaint in complaints(words, answer, shut=shut)
                ]
    assert [] == wrong


def complaints(words: tuple[str, ...], answer: object, *, shut: bool) -> Iterator[str]:
    code, out = answer.code, answer.out  # type: ignore[attr-defined]  # a CommandAnswer
    if words[0] == "autostart" and code != 0:
        yield f"the hook's exit code is {code}"
    if not out or words[0] == "logs":
        return
    fields = json.loads(out)
    diagnosis = fields.get("diagnosis", {}).get("code")
    if shut and diagnosis in {"not_enabled", "unrecorded", "config_not_proxy"}:
        yield f"it is taken for absent: {diagnosis}"
    if code not in {0, 3} and words[0] != "doctor" and fields.get("code") not in NAMED:
        yield f"it refuses for {fields.get('code')}"


@pytest.mark.parametrize("words", CHANGES, ids=" ".join)
def test_a_change_is_refused_or_made_whole(enabled: Path, words: tuple[str, ...]) -> None:
    """With a file or folder shut, a command refuses by a code that names it, or does all of its work."""
    for path in paths(enabled):
        stage = copy_of(enabled)
        (stage.root / path).chmod(0)
        answer = run_as(stage, OWNER, *words)
        assert answer.code == 0 or answer.json["code"] in NAMED, (path, answer.out)
        if answer.code != 0:
            assert answer.json["changed"] is False, (path, answer.out)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("codex-fast-proxy-state/provider-auth.json", "record_unreadable"),
        ("codex-fast-proxy-state/settings.json", "record_unreadable"),
        ("codex-fast-proxy-state/install-manifest.json", "record_unreadable"),
        ("config.toml", "record_unreadable"),
        ("hooks.json", "record_unreadable"),
    ],
)
def test_status_names_what_it_cannot_read(enabled: Path, name: str, code: str) -> None:
    """A file that is shut makes no home ready."""
    stage = copy_of(enabled)
    (stage.home / name).chmod(0)
    assert code == run_as(stage, OWNER, "status").json["diagnosis"]["code"]


def test_an_auth_json_that_cannot_be_read(enabled: Path) -> None:
    """Is not one that is missing: doctor names it with the reason, as Codex goes on without it."""
    stage = copy_of(enabled)
    (stage.home / "auth.json").chmod(0)
    checks = {check["name"]: check for check in run_as(stage, OWNER, "doctor").json["checks"]}
    assert "auth_json_broken" == checks["login_mode"]["code"]
    assert "Permission denied" in checks["login_mode"]["detail"]


def test_a_log_that_cannot_be_read(enabled: Path) -> None:
    """Is not one without requests."""
    stage = copy_of(enabled)
    stage.layout.request_log.chmod(0)
    answer = run_as(stage, OWNER, "logs")
    assert (2, "record_unreadable") == (answer.code, answer.json["code"])
