"""Three homes of one user: whatever their order of installs, reboots and sessions, no provider sees another's key."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.codex.config_toml import parse
from cfp.core.facts import PortFact, PortState
from cfp.core.provider import provider_url
from cfp.layout import Layout
from tests.crash.simfs import SimFs
from tests.homes.computer import Computer, Worker
from tests.homes.places import MemoryHome
from tests.homes.site import CommandAnswer, run_line

NAMES = (".codex", "work", "play")  # the first is the default one
STRANGER = "a stranger"
PORT = 8787


@dataclass(kw_only=True)
class Tenant(Computer):
    """The workers of one home, on a machine whose ports others have, too."""

    neighbours: list[Tenant] = field(default_factory=list)

    def neighbour_at(self, port: int) -> Worker | None:
        return next((worker for other in self.neighbours if (worker := other.at(port)) is not None), None)

    def free(self, port: int) -> bool:
        return super().free(port) and self.neighbour_at(port) is None

    def _at_address(self, layout: Layout, host: str, port: int) -> PortFact:
        for other in self.neighbours:
            worker = other.at(port)
            if worker is not None:
                health = worker.health(other.home)
                return PortFact(host=host, port=port, state=PortState.OTHER_HOME, health=health)
        return super()._at_address(layout, host, port)


@dataclass
class Street:
    """One file system and one set of ports for three homes, each with a provider and a key of its own."""

    homes: dict[str, MemoryHome]
    tenants: dict[str, Tenant]
    received: list[tuple[str, str]] = field(default_factory=list)

    def run(self, name: str, line: str) -> CommandAnswer:
        home, tenant = self.homes[name], self.tenants[name]
        tenant.strangers |= {worker.settings.port for other in tenant.neighbours for worker in other.serving()}
        answer = run_line(home, tenant, f"{line} --codex-home {home.layout.home}")
        tenant.strangers -= {worker.settings.port for other in tenant.neighbours for worker in other.serving()}
        assert answer.code != 70, answer.text
        return answer

    def reboot(self) -> None:
        for tenant in self.tenants.values():
            tenant.reboot()

    def take(self, port: int) -> None:
        """Let a stranger listen there, where nobody does."""
        if all(tenant.at(port) is None for tenant in self.tenants.values()):
            for tenant in self.tenants.values():
                tenant.strangers.add(port)

    def leave(self) -> None:
        for tenant in self.tenants.values():
            tenant.strangers.clear()

    def session(self, name: str) -> bool:
        """Do what Codex does: run the hook where there is one, then send; whether the session was let go on."""
        layout = self.homes[name].layout
        disk = self.homes[name].disk(0)
        if disk.read(layout.hooks) is not None:
            hook = self.run(name, "autostart --quiet")
            if hook.out and json.loads(hook.out)["continue"] is False:
                return False
        url = provider_url(parse(disk.read(layout.config)), "relay") or ""
        self.received.append((name, self._receiver(url)))
        return True

    def _receiver(self, url: str) -> str:
        """The provider that a request to this URL reaches, by the name of its home; "" for nobody."""
        if not url.startswith("http://127.0.0.1:"):
            return url.removeprefix("https://").partition(".example")[0]
        port = int(url.removeprefix("http://127.0.0.1:").partition("/")[0])
        for tenant in self.tenants.values():
            worker = tenant.at(port)
            if worker is not None:
                return worker.settings.upstream_base.removeprefix("https://").partition(".example")[0]
        return STRANGER if any(port in tenant.strangers for tenant in self.tenants.values()) else ""


def street() -> Street:
    fs = SimFs()
    for folder in ("/h", *(f"/h/{name}" for name in NAMES)):
        fs.add_folder(Path(folder))
    homes, tenants = {}, {}
    for name in NAMES:
        layout = Layout(Path("/h") / name)
        config = (
            f'model_provider = "relay"\n[model_providers.relay]\nname = "R"\nbase_url = "https://{name}.example/v1"\n'
        )
        fs.add_file(layout.config, config.encode())
        homes[name] = MemoryHome(layout=layout, fs=fs)
        tenants[name] = Tenant(home=layout.home)
    for name in NAMES:
        tenants[name].neighbours = [tenants[other] for other in NAMES if other != name]
    return Street(homes=homes, tenants=tenants)


INSTALL = "install --start --no-verify"
VERBS = ("session", INSTALL, f"{INSTALL} --port {PORT}", "uninstall", "start", "stop --force")
ACTS = [*itertools.product(NAMES, VERBS), ("", "reboot"), ("", "stranger"), ("", "leave")]


def act(machine: Street, name: str, verb: str) -> None:
    if verb == "session":
        machine.session(name)
    elif verb == "reboot":
        machine.reboot()
    elif verb == "stranger":
        machine.take(PORT)
    elif verb == "leave":
        machine.leave()
    else:
        machine.run(name, verb)


def misdirected(machine: Street) -> list[tuple[str, str]]:
    """The sessions whose key reached somebody else."""
    return [(name, receiver) for name, receiver in machine.received if receiver not in {name, ""}]


@given(acts=st.lists(st.sampled_from(ACTS), min_size=3, max_size=14))
def test_no_provider_sees_another_homes_key(acts: list[tuple[str, str]]) -> None:
    """With ports that flags make collide, too, and a stranger that takes the port while nobody listens."""
    machine = street()
    for name, verb in [*acts, *((name, "session") for name in NAMES)]:
        act(machine, name, verb)
    assert [] == misdirected(machine)


COLLIDING = [
    *[(name, verb) for name in NAMES[:2] for verb in ("session", INSTALL, f"{INSTALL} --port {PORT}")],
    *[("", "reboot"), ("", "stranger")],
]


@pytest.mark.parametrize("first", COLLIDING)
def test_no_order_of_a_few_acts_misleads_a_session(first: tuple[str, str]) -> None:
    """All of them, where the default home is enabled and down: then whoever comes next may take its port."""
    for acts in itertools.product(COLLIDING, repeat=2):
        machine = street()
        machine.run(NAMES[0], INSTALL)
        machine.reboot()
        for name, verb in [first, *acts, *((name, "session") for name in NAMES)]:
            act(machine, name, verb)
        assert [] == misdirected(machine), (first, acts)


@pytest.mark.parametrize("installs", list(itertools.permutations(NAMES)))
def test_homes_that_were_installed_plainly_are_all_served(installs: tuple[str, ...]) -> None:
    """In any order: after a reboot, each session starts its own proxy, and none is stopped."""
    machine = street()
    for name in installs:
        assert 0 == machine.run(name, INSTALL).code
    ports = [worker.settings.port for tenant in machine.tenants.values() for worker in tenant.serving()]
    assert (PORT, 3) == (machine.tenants[".codex"].serving()[0].settings.port, len(set(ports)))
    for order in itertools.permutations(NAMES):
        machine.reboot()
        assert [True] * 3 == [machine.session(name) for name in order]
    assert {(name, name) for name in NAMES} == set(machine.received)


@pytest.mark.parametrize("order", list(itertools.permutations(NAMES)))
def test_homes_that_share_a_port_part(order: tuple[str, ...]) -> None:
    """Version 0.2.0 left them all at 8787: after an install of each other than the default one, all are served."""
    machine = street()
    for name in order:
        machine.reboot()
        assert 0 == machine.run(name, f"{INSTALL} --port {PORT}").code
    assert [name == order[-1] for name in order] == [machine.session(name) for name in order]
    for name in order:
        if name != NAMES[0]:
            assert 0 == machine.run(name, INSTALL).code
    assert [True] * 3 == [machine.session(name) for name in order]
    assert [] == misdirected(machine)
    for name in order:
        assert 0 == machine.run(name, "uninstall").code
        config = machine.homes[name].disk(0).read(machine.homes[name].layout.config) or b""
        assert f"https://{name}.example/v1".encode() in config
