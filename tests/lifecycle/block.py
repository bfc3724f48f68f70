"""A user's folder with its street and two providers that answer: the place where advice is followed to its end."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cfp.codex.hook_trust import trust_key, trusted_hash
from cfp.core.diagnosis import diagnose
from cfp.core.facts import PortFact, PortState
from cfp.layout import Layout
from journal.context import Locks
from tests.end_to_end.harness import KEY, KEY_ENV, api_key_login, chatgpt_login, login_config, relay_config
from tests.end_to_end.listeners import Listener
from tests.homes.acts import Acts
from tests.homes.computer import Worker, parsed
from tests.homes.site import StagedHost
from tests.staged import Stage, Street

PORT = 8787


@dataclass
class Circumstances:
    """The facts of a computer that no file of the home holds.

    occupied  ports of another program; `others`: those of another user's
    lends     a worker can hand its listener over
    health    what the worker's health answer says of its last requests
    """

    occupied: set[int] = field(default_factory=set)
    others: set[int] = field(default_factory=set)
    lends: bool = True
    health: dict[str, Any] = field(default_factory=dict)


class BusyStreet(Street):
    """A street in which other programs, and other users, may have a port."""

    def __init__(self, path: Path, home: Path, circumstances: Circumstances) -> None:
        super().__init__(path, home)
        self.strangers = circumstances.occupied | circumstances.others
        self.lends = circumstances.lends
        self._others = circumstances.others
        self._health = circumstances.health

    def _fact(self, worker: Worker) -> PortFact:
        fact = super()._fact(worker)
        assert fact.health is not None
        return dataclasses.replace(fact, health=parsed({**fact.health.raw, **self._health}))

    def _at_address(self, layout: Layout, host: str, port: int) -> PortFact:
        fact = super()._at_address(layout, host, port)
        return dataclasses.replace(fact, other_user=fact.state is PortState.FOREIGN and port in self._others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block(Stage):
    """A stage whose providers answer: `upstream` is that of config.toml, `other` another one with the same key."""

    upstream: Listener
    other: Listener
    circumstances: Circumstances = field(default_factory=Circumstances)

    @property
    def street(self) -> Street:
        street = BusyStreet(self.root / "street.json", self.home, self.circumstances)
        street.strangers |= {urlsplit(one.base_url).port or 0 for one in (self.upstream, self.other)}
        return street

    def host(self, acts: Acts | None = None, locks: Locks | None = None) -> StagedHost:
        """The machine as one process sees it, whose user enters the provider's key where one is asked for."""
        return dataclasses.replace(Stage.host(self, acts, locks), enter_key=lambda: KEY)

    @property
    def config(self) -> Path:
        return self.home / "config.toml"

    def diagnosis(self) -> str:
        """Return the code of the sentence that `status` says of the home now."""
        host = self.host()
        present = diagnose(host.ask(host.survey()))
        assert self.run("status").json["diagnosis"] == present.to_json()
        return present.message_code or present.code

    # ---- What its user, and other programs, do -------------------------------------------------------------------

    def write(self, name: str, text: str) -> None:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())

    def replace(self, name: str, old: str, new: str) -> None:
        """Change a text of a file that is there."""
        text = (self.home / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def lay_out(self, config: str = "", login: str | None = None) -> None:
        """Make the home: a provider with a key of its own, and an API-key login, where nothing else is named."""
        self.write("config.toml", config or relay_config(self.upstream.base_url))
        self.write("auth.json", api_key_login() if login is None else login)

    def install(self, *flags: str) -> None:
        answer = self.run("install", "--start", *flags)
        assert answer.code == 0, answer.text

    def enable(self) -> None:
        """Lay out the plain home, and install."""
        self.lay_out()
        self.install()

    def enable_with_chatgpt(self) -> None:
        """Install where Codex's ChatGPT login goes to the provider, whose key nobody but the user has."""
        self.lay_out(login_config(self.upstream.base_url), chatgpt_login())
        self.install("--no-verify")

    def lose(self, *names: str) -> None:
        """Delete files and folders of the home."""
        for name in names:
            path = self.home / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def end_worker(self) -> None:
        self.street.keep({})

    def point_elsewhere(self) -> None:
        """Set the URL of the other provider in config.toml."""
        self.replace("config.toml", f"http://127.0.0.1:{PORT}/v1", self.other.base_url)

    def hook_program(self) -> str:
        """Return the program of our hook."""
        document = json.loads((self.home / "hooks.json").read_bytes())
        return str(document["hooks"]["SessionStart"][0]["hooks"][0]["command"].split()[0])

    def rewrite_hook(self, old: str, new: str) -> None:
        """Give our hook another command line, which Codex is told to trust."""
        hooks = self.home / "hooks.json"
        document: dict[str, Any] = json.loads(hooks.read_bytes())
        (group,) = document["hooks"]["SessionStart"]
        (handler,) = group["hooks"]
        former = trusted_hash(handler, None)
        assert old in handler["command"]
        handler["command"] = handler["command"].replace(old, new)
        hooks.write_text(json.dumps(document), encoding="utf-8")
        assert trust_key(str(hooks), 0, 0) in self.config.read_text(encoding="utf-8")
        self.replace("config.toml", former, trusted_hash(handler, None))


@contextmanager
def block(root: Path, **environ: str) -> Iterator[Block]:
    """Make the place, with an empty user's folder; the provider's key is in the environment."""
    with Listener(key=KEY) as upstream, Listener(key=KEY) as other:
        place = Block(root=root, environ={KEY_ENV: KEY, **environ}, upstream=upstream, other=other)
        place.home.parent.mkdir(parents=True)
        yield place
        assert [] == upstream.foreign_identities() + other.foreign_identities()
