"""Every (state, command) pair, one by one: the real command in a home that is in that state does what is listed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import pytest

from cfp.core.state import State
from tests.crash.sizes import size
from tests.homes.site import CommandAnswer, Site, in_memory
from tests.lifecycle.outcomes import Verb, is_listed
from tests.lifecycle.writers import PLAIN, URLS

INSTALL = ("install", "--start", "--no-verify")
LINES: dict[Verb, tuple[str, ...]] = {
    Verb.INSTALL: INSTALL,
    Verb.PREPARE: ("install", "--prepare-only", "--no-verify"),
    Verb.SET_UPSTREAM: ("set-upstream", "--upstream-base", URLS[2], "--no-verify"),
    Verb.SET_UPSTREAM_NOW: ("set-upstream", "--upstream-base", URLS[2], "--no-verify", "--restart"),
    Verb.FAST: ("fast", "add", "--kind", "subagent", "--action", "remove"),
    Verb.FAST_NOW: ("fast", "add", "--kind", "subagent", "--action", "remove", "--restart"),
    Verb.UPSTREAM_ADD: ("upstream", "add", "saved", "--upstream-base", URLS[2], "--clear-upstream-auth"),
    Verb.UPSTREAM_USE: ("upstream", "use", "saved", "--no-verify"),
    Verb.PREPARE_LOGIN: ("prepare-chatgpt-login", "--apply"),
    Verb.START: ("start",),
    Verb.AUTOSTART: ("autostart",),
    Verb.STOP: ("stop",),
    Verb.STOP_FORCED: ("stop", "--force"),
    Verb.UNINSTALL: ("uninstall",),
    Verb.UNINSTALL_DEFERRED: ("uninstall", "--defer-stop"),
    Verb.UNINSTALL_KEEPING: ("uninstall", "--keep-state"),
    Verb.RECOVER: ("recover",),
}


def _stranger_takes_the_port(site: Site) -> None:
    site.computer.keep({})
    site.computer.strangers.add(8787)


def _user_deletes_the_record(site: Site) -> None:
    site.home.take(site.home.layout.manifest)


def _user_points_the_provider_elsewhere(site: Site) -> None:
    config = site.home.layout.config
    site.home.put(config, (site.disk.read(config) or b"").replace(b"http://127.0.0.1:8787/v1", URLS[1].encode()))


Act = tuple[str, ...] | Callable[[Site], None]
# More than one way into a state, where its commands tell them apart.
WAYS: tuple[tuple[State, str, tuple[Act, ...]], ...] = (
    (State.ABSENT, "fresh", ()),
    (State.PREPARED, "prepared", (LINES[Verb.PREPARE],)),
    (State.PREPARED, "settings kept", (INSTALL, LINES[Verb.UNINSTALL_KEEPING])),
    (State.ENABLED, "installed", (INSTALL,)),
    (State.ENABLED_PENDING, "other settings", (INSTALL, LINES[Verb.SET_UPSTREAM])),
    (State.ENABLED_PENDING, "older code", (INSTALL, lambda site: site.computer.change(runtime_id="old"))),
    (State.ENABLED_DOWN, "after a reboot", (INSTALL, lambda site: site.computer.reboot())),
    (State.DRIFTED, "pointed elsewhere", (INSTALL, _user_points_the_provider_elsewhere)),
    (State.DRIFTED, "no hook", (INSTALL, lambda site: site.home.take(site.home.layout.hooks))),
    (State.DRIFTED, "no record", (INSTALL, _user_deletes_the_record)),
    (State.RESTORED_DEFERRED, "deferred", (INSTALL, LINES[Verb.UNINSTALL_DEFERRED])),
    (State.RESTORED_DEFERRED, "deferred, worker dead", (
        INSTALL, LINES[Verb.UNINSTALL_DEFERRED], lambda site: site.computer.reboot()
    )),
    (State.FOREIGN, "a stranger's port", (INSTALL, _stranger_takes_the_port)),
    (State.FOREIGN, "a worker that hangs", (INSTALL, lambda site: site.computer.change(hung=True))),
)  # fmt: skip


def _run(site: Site, verb: Verb) -> CommandAnswer:
    """Run a command, and before it what it needs: an upstream is saved, where that is possible, before it is used."""
    if verb is Verb.UPSTREAM_USE:
        site.run(LINES[Verb.UPSTREAM_ADD])
    return site.run(LINES[verb])


def led(acts: tuple[Act, ...]) -> Site:
    site = in_memory({"config.toml": PLAIN.encode(), "auth.json": b'{"OPENAI_API_KEY": "sk"}'})
    for act in acts:
        if callable(act):
            act(site)
        else:
            assert site.run(act).code == 0
    return site


def test_every_state_has_a_way_to_it() -> None:
    """No state is left out below."""
    assert {state for state, _, _ in WAYS} == set(State)
    assert set(LINES) == set(Verb)


PAIRS = list(itertools.product(WAYS, Verb))


@pytest.mark.parametrize(("way", "verb"), PAIRS, ids=[f"{way[1]}-{verb}" for way, verb in PAIRS])
def test_a_pair(way: tuple[State, str, tuple[Act, ...]], verb: Verb) -> None:
    """The listed transition or the listed refusal, and a result that says the state that came of it."""
    state, _, acts = way
    site = led(acts)
    assert site.state() is state
    answer = _run(site, verb)
    after = site.state()
    assert is_listed(verb, state, after, answer), (answer.status, answer.refusal, after)
    assert answer.json.get("state", after) == after


# What may become of a home, in every combination: what is deleted, what becomes of the worker, where the URL leads.
STARTS: dict[str, tuple[Act, ...]] = {
    "installed": (INSTALL,),
    "prepared": (LINES[Verb.PREPARE],),
    "deferred": (INSTALL, LINES[Verb.UNINSTALL_DEFERRED]),
}
RECORDS = {
    "all": (),
    "no manifest": ("manifest",),
    "no settings": ("settings",),
    "no record": ("manifest", "settings"),
    "no record and no backup": ("manifest", "settings", "backups"),
}
WORKERS: dict[str, Act] = {
    "serves": lambda _: None,
    "dies": lambda site: site.computer.keep({}),
    "hangs": lambda site: site.computer.change(hung=True),
    "is of older code": lambda site: site.computer.change(runtime_id="old"),
    "left its port to a stranger": _stranger_takes_the_port,
}
STRIDE = size("DAMAGED_STRIDE", 1, 1)  # on Windows each worker, each URL and each loss is met, but not all pairs
LEADS_TO = ("http://127.0.0.1:8787/v1", *URLS[:2])


def _damaged(site: Site, gone: Iterable[str], url: str) -> Site:
    layout, home = site.home.layout, site.home
    for name in gone:
        folder = layout.backups if name == "backups" else None
        paths = [getattr(layout, name)] if folder is None else [folder / one for one in site.disk.names(folder)]
        for path in paths:
            if site.disk.read(path) is not None:
                home.take(path)
    home.put(layout.config, (site.disk.read(layout.config) or b"").replace(LEADS_TO[0].encode(), url.encode()))
    return site


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize(
    "start", [start if start == "installed" else pytest.param(start, marks=pytest.mark.deep) for start in STARTS]
)
def test_pairs_in_a_damaged_home(start: str, record: str) -> None:
    """Whatever is gone, whoever answers and wherever the provider leads: what is listed, and the true state."""
    whole = led(STARTS[start])
    for worker, url, hooks in [*itertools.product(WORKERS, LEADS_TO, ((), ("hooks",)))][::STRIDE]:
        home = _damaged(whole.twin(), (*RECORDS[record], *hooks), url)
        WORKERS[worker](home)
        state = home.state()
        for verb in Verb:
            site = home.twin()
            answer = _run(site, verb)
            after = site.state()
            case = f"a worker that {worker}, {url}, {hooks}: {verb} in {state}"
            assert is_listed(verb, state, after, answer), (case, answer.status, answer.refusal, after)
            assert answer.json.get("state", after) == after, case


@pytest.mark.parametrize("line", [("status",), ("recover",), ("recover", "--dry-run"), ("uninstall",), ("start",)])
def test_hooks_that_do_not_parse_beside_lost_settings(line: tuple[str, ...]) -> None:
    """Every command answers, and leaves the broken file to its owner."""
    site = led((INSTALL,))
    site.home.put(site.home.layout.hooks, b"[]x")
    site.home.take(site.home.layout.settings)
    site.run(line)
    assert site.disk.read(site.home.layout.hooks) == b"[]x"
