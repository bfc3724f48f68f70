"""The address that an install takes: two homes of one user never meet at a port."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from cfp.core.facts import Facts, PortFact, PortState
from cfp.core.health import parse_health
from cfp.core.settings import Settings
from cfp.host.survey import RequestedAddress, survey
from cfp.host.worker.own_port import own_ports
from cfp.host.worker.queries import WorkerQueries
from cfp.layout import Layout, home_identity
from tests.users import of_user

OTHER = {"ok": True, "pid": 7, "codex_home": "/home/user/other"}


def settings_at(port: int) -> Settings:
    return Settings(provider="relay", upstream_base="https://relay.example/v1", port=port)


def save(home: Path, port: int) -> Layout:
    layout = Layout(home)
    layout.state.mkdir(parents=True)
    layout.settings.write_bytes(settings_at(port).serialise())
    return layout


def survey_at(
    home: Path, states: dict[int, PortState], *, user: Path, address: RequestedAddress | None = None
) -> Facts:
    """Read a home of the user on a machine where these ports are taken."""

    def at(_: Layout, host: str, port: int) -> PortFact:
        state = states.get(port, PortState.FREE)
        health = parse_health(OTHER) if state is PortState.OTHER_HOME else None
        return PortFact(host=host, port=port, state=state, health=health)

    queries = WorkerQueries(at_address=at, by_process=lambda *_: None, draining=lambda _: ())
    return survey(Layout(home), of_user(user), queries=queries, address=address)


def port_at(home: Path, states: dict[int, PortState], *, user: Path, port: int | None = None) -> int:
    facts = survey_at(home, states, user=user, address=RequestedAddress(port=port))
    assert facts.candidate is not None
    return facts.candidate.port


def test_own_ports_are_stable_and_below_the_ephemeral_ones() -> None:
    """They depend on the path alone, and no system gives them to an outgoing connection."""
    assert own_ports("/home/user/work") == own_ports("/home/user/work")
    ports = [port for home in range(500) for port in own_ports(f"/home/{home}/\udcff")]
    assert (True, True) == (min(ports) >= 20_000, max(ports) < 30_000)
    assert len({own_ports(f"/home/{home}")[0] for home in range(100)}) > 90


def respelled(home: Path) -> Path:
    """Another name of the folder: a link, or on Windows other letters."""
    if sys.platform == "win32":
        return Path(str(home).upper())
    (link := home.parent / "link").symlink_to(home)
    return link


def test_the_default_home_keeps_its_port(tmp_path: Path) -> None:
    """However it is spelled, and taken or not."""
    home = tmp_path / ".codex"
    home.mkdir()
    for spelling in (home, respelled(home)):
        for state in PortState:
            assert 8787 == port_at(spelling, {8787: state}, user=tmp_path)


def test_another_home_has_its_own(tmp_path: Path) -> None:
    """The first that nobody has; a flag and saved settings win."""
    home = tmp_path / "work"
    first, second, *_ = own_ports(home_identity(home))
    assert first == port_at(home, {}, user=tmp_path)
    assert first == port_at(home, {first: PortState.OURS}, user=tmp_path)
    for state in (PortState.FOREIGN, PortState.OTHER_HOME):
        assert second == port_at(home, {first: state}, user=tmp_path)
    assert 8787 == port_at(home, {}, user=tmp_path, port=8787)
    save(home, 8787)
    for state in (PortState.FREE, PortState.OURS, PortState.FOREIGN):
        assert 8787 == port_at(home, {8787: state}, user=tmp_path)


def test_a_port_that_is_shared_is_left(tmp_path: Path) -> None:
    """Another home's proxy answers there, or the default home has saved the port: a flag still wins."""
    home = tmp_path / "work"
    first, second, *_ = own_ports(home_identity(home))
    save(home, 8787)
    others = {8787: PortState.OTHER_HOME}
    assert (first, 8790) == (port_at(home, others, user=tmp_path), port_at(home, others, user=tmp_path, port=8790))
    assert OTHER["codex_home"] == survey_at(home, others, user=tmp_path).sharing_home
    default = save(tmp_path / ".codex", 8787)
    assert [first, first, second] == [
        port_at(home, states, user=tmp_path) for states in ({}, {8787: PortState.OURS}, {first: PortState.FOREIGN})
    ]
    assert str(default.home) == survey_at(home, {}, user=tmp_path).sharing_home
    assert "" == survey_at(default.home, {}, user=tmp_path).sharing_home
    default.settings.write_bytes(settings_at(8790).serialise())
    assert 8787 == port_at(home, {}, user=tmp_path)


@pytest.mark.parametrize("broken", ["", "[", json.dumps({"port": 8787})])
def test_broken_settings_of_the_default_home_share_nothing(tmp_path: Path, broken: str) -> None:
    """They name no port, and the command is about another home."""
    home = tmp_path / "work"
    save(home, 8787)
    save(tmp_path / ".codex", 8787).settings.write_text(broken)
    assert 8787 == port_at(home, {}, user=tmp_path)


def test_a_shared_port_of_its_own_is_left_for_the_next(tmp_path: Path) -> None:
    """Two homes whose paths give one port: the later one moves on."""
    home = tmp_path / "work"
    first, second, *_ = own_ports(home_identity(home))
    save(home, first)
    assert second == port_at(home, {first: PortState.OTHER_HOME}, user=tmp_path)
