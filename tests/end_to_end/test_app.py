"""A Codex App that stays open while the proxy is switched on and off under it."""

from __future__ import annotations

from cfp.demo.provider import Received
from cfp.demo.scripted_turns import ScriptedTurn
from tests.end_to_end.app import App, opened
from tests.end_to_end.harness import Machine, api_key_login
from tests.sentinels import kill_for_good


def _through(machine: Machine, app: App, thread: str) -> str | None:
    """Take a turn in a thread and return its tier at the provider: with the proxy it is priority."""
    before = len(machine.upstream.turns)
    assert app.turn(thread) == ScriptedTurn().text
    turns: tuple[Received, ...] = machine.upstream.turns[before:]
    (tier,) = {turn.json().get("service_tier") for turn in turns}
    return str(tier) if tier else None


def test_no_session_is_lost(codex: Machine) -> None:
    """Loaded conversations keep their route, new ones take the new one, and none of them ever fails."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    with opened(codex) as app:
        first = app.thread()
        assert None is _through(codex, app, first)

        codex.install()
        second = app.thread()
        assert [None, "priority"] == [_through(codex, app, thread) for thread in (first, second)]

        assert 0 == codex.cfp("uninstall", "--defer-stop").code
        third = app.thread()
        assert [None, "priority", None] == [_through(codex, app, thread) for thread in (first, second, third)]

    assert 0 == codex.cfp("uninstall").code
    assert [] == codex.workers()


def test_the_hook_of_a_new_conversation(codex: Machine) -> None:
    """The worker dies while the App is open: the next conversation brings it back, for the older ones too."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    codex.install()
    with opened(codex) as app:
        first = app.thread()
        assert "priority" == _through(codex, app, first)
        (worker,) = codex.workers()
        kill_for_good([worker])
        second = app.thread()
        assert ["priority", "priority"] == [_through(codex, app, thread) for thread in (second, first)]
