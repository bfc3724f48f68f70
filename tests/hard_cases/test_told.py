"""An interrupted home says so, and what to run next, in every command that looks; and what is foretold comes true."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from cfp.advice import commands_in
from cfp.messages import message
from cfp.messages.results import RESULTS
from tests.crash.sizes import DEEP
from tests.homes.acts import Acts, killed
from tests.homes.site import CommandAnswer
from tests.scenes import SCENES, Play, Scene, play
from tests.staged import in_a_child

RECOVER = message("interrupted").action
LOOKS = (("status",), ("doctor",), ("recover", "--dry-run"), ("journal", "list"), ("journal", "show"))
FORETOLD = {"roll_back": "rolled_back", "finish": "finished"}
TOLD = SCENES if DEEP else tuple(scene for scene in SCENES if scene.name in {"install", "set-upstream", "uninstall"})
STRIDE = 1 if DEEP else 9  # both parities: every second home has lost its workers too


def look(played: Play, words: tuple[str, ...], transaction: str, *more: str) -> CommandAnswer:
    """Run one of the commands that look; `show` needs to know at what."""
    return played.stage.run(*words, *((transaction,) if words[-1] == "show" else ()), *more)


def unclear(played: Play, transaction: str) -> list[str]:
    """Return what the output for people, or the JSON, leaves out about the open transaction."""
    complaints = []
    answers: dict[tuple[str, ...], dict[str, Any]] = {}
    for words in LOOKS:
        answer = answers[words] = look(played, words, transaction).json
        page = " ".join(look(played, words, transaction, "--format", "text").out.split())
        if answer.get("next_user_action") != RECOVER:
            complaints.append(f"{words} says {answer.get('next_user_action')!r}")
        if not page.endswith("next codex-fast-proxy recover"):
            complaints.append(f"the page of {words} does not end with it: {page}")
        if not any(word in page.partition("next")[0] for word in ("interrupted", "waiting for recover")):
            complaints.append(f"the page of {words} does not say so")
    if [transaction] != answers["status",]["interrupted"]:
        complaints.append(f"status: {answers['status',]['interrupted']}")
    if {RECOVER} != {check["fix"] for check in answers["doctor",]["checks"] if not check["ok"]}:
        complaints.append("doctor names another way out beside it")
    return complaints


@pytest.mark.posix("fork")
@pytest.mark.parametrize("scene", TOLD, ids=lambda scene: scene.name)
def test_an_interrupted_home_says_so(scene: Scene, tmp_path: Path) -> None:
    """Killed at any act, without network, Codex or, now and then, a worker: the one command to run next is named.

    And the dry run says what `recover` then does.
    """
    played = play(scene, tmp_path / "stage")
    complaints = []
    interrupted = 0
    points = range(1 + TOLD.index(scene), len(played.acts) + 1, STRIDE)
    for at in points:
        played.rewind()
        assert -signal.SIGKILL == in_a_child(lambda: played.perform(Acts(at, killed)))  # noqa: B023 - runs at once
        if at % 2:
            played.stage.street.keep({})
        for transaction in played.stage.host().journal.interrupted():
            interrupted += 1
            shown = look(played, ("journal", "show"), transaction).json["transaction"]
            problems = unclear(played, transaction)
            done = played.recover().json["status"]
            if FORETOLD.get(shown["decision"]) != done:
                problems.append(f"{shown['decision']} was foretold, and recover says {done}")
            complaints += [f"{at} {played.acts[at - 1]}: {complaint}" for complaint in problems]
    assert [] == complaints
    assert interrupted > len(points) / 4


@pytest.mark.posix("fork")
def test_a_command_at_work_is_not_interrupted(tmp_path: Path) -> None:
    """While somebody holds the lock what is open is theirs: nobody is told to undo it."""
    played = play(TOLD[0], tmp_path / "stage")
    played.rewind()
    at = played.acts.index("spawn") + 1
    assert -signal.SIGKILL == in_a_child(lambda: played.perform(Acts(at, killed)))
    journal = played.stage.host().journal
    (transaction,) = journal.interrupted()
    with journal.acquire(command="install", timeout=0):
        status = look(played, ("status",), transaction).json
        assert ([], "not_enabled") == (status["interrupted"], status["diagnosis"]["code"])
        for words in (("journal", "list"), ("journal", "show")):
            answer = look(played, words, transaction).json
            assert (True, RESULTS["journal_at_work"].action) == (answer["at_work"], answer["next_user_action"])
            page = look(played, words, transaction, "--format", "text").out
            assert "running" in page.splitlines()[0]
            assert "recover" not in page
        foretold = look(played, ("recover", "--dry-run"), transaction)
        assert (5, "busy") == (foretold.code, foretold.json["code"])
    assert [] == unclear(played, transaction)


@pytest.mark.posix("fork")
def test_a_damaged_record_has_a_way_out(tmp_path: Path) -> None:
    """Each answer names the next step, none leads back to where its reader came from, and the last one works."""
    played = play(TOLD[0], tmp_path / "stage")
    played.rewind()
    at = played.acts.index("spawn") + 1
    assert -signal.SIGKILL == in_a_child(lambda: played.perform(Acts(at, killed)))
    (transaction,) = played.stage.host().journal.interrupted()
    log = played.stage.layout.journal / f"{transaction}.open"
    log.write_bytes(log.read_bytes().replace(b'"t":"prepared"', b'"t":"PREPARED"'))
    refused = played.stage.run("recover")
    assert (6, "journal_damaged") == (refused.code, refused.json["code"])
    assert "recover --dry-run" in refused.json["next_user_action"]
    dry = played.stage.run("recover", "--dry-run").json
    assert ["codex-fast-proxy status"] == commands_in(dry["next_user_action"])
    assert str(log) in dry["next_user_action"]
    assert dry["transactions"][0]["files"]
    log.rename(tmp_path / "kept")
    assert "not_enabled" == played.stage.run("status").json["diagnosis"]["code"]
    assert 0 == played.stage.run("uninstall").code
    assert 0 == played.perform(Acts()).code
