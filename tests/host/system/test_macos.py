"""Behaviour that only macOS has, held by the contract of its headers: none of it ran there."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from cfp.host.doctor_facts import read_doctor_facts
from cfp.host.home import Host
from cfp.host.system import macos
from cfp.host.worker import _portable
from tests.facts import facts


class Socket:
    """A connected Unix socket of macOS: <sys/un.h> says LOCAL_PEERCRED at level 0 gives struct xucred."""

    def __init__(self, uid: int, *, version: int = 0, size: int = 76) -> None:
        groups = (20, *[0] * 15)
        self._xucred = struct.pack("=IIhxx16I", version, uid, 1, *groups)[:size]

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert (0, 1) == (level, option)
        assert size >= 76, "a smaller buffer is refused"
        return self._xucred


@pytest.mark.parametrize("uid", [0, 501, 2**32 - 2])
def test_the_peer_is_the_user_of_the_credentials(uid: int) -> None:
    """The second word of struct xucred is the effective user id, unsigned."""
    assert uid == macos.peer_uid(Socket(uid))


@pytest.mark.parametrize("connection", [Socket(501, version=1), Socket(501, size=4), Socket(501, size=0)])
def test_what_it_does_not_know_is_no_user(connection: Socket) -> None:
    """Another version of the structure, or an answer that is cut off, is an error, and never somebody's id."""
    with pytest.raises(OSError, match=r"user|version"):
        macos.peer_uid(connection)


class OrdinaryUser:
    """psutil as an ordinary user of macOS sees it: no system-wide table, and the sockets of own processes only."""

    class Foreign:
        pid = 1

        def net_connections(self, kind: str) -> list[object]:
            raise psutil.AccessDenied(self.pid)

    class Own:
        pid = os.getpid()

        def net_connections(self, kind: str) -> list[object]:
            address = SimpleNamespace(ip="127.0.0.1", port=8787)
            return [SimpleNamespace(status=psutil.CONN_LISTEN, laddr=address, family=socket.AF_INET)]

    def net_connections(self, kind: str) -> list[object]:
        raise psutil.AccessDenied

    def process_iter(self) -> Iterator[object]:
        yield from (self.Foreign(), self.Own())


def test_an_ordinary_user_sees_the_owner_of_his_own_port() -> None:
    """Each own process is asked where the table of all is root's; another user's port has no owner to name."""
    owner = _portable.listener(8787, OrdinaryUser())
    assert owner is not None
    assert os.getpid() == owner[0]
    assert _portable.listener(8788, OrdinaryUser()) is None


def test_launchd_has_what_it_was_given() -> None:
    """A name counts where launchctl prints a value; one that it does not know, or cannot say, does not."""
    answers = {"GIVEN": b"value\n", "MISSING": b""}

    def ask(name: str) -> bytes:
        if name not in answers:
            raise OSError("launchctl is not there")
        return answers[name]

    assert {"GIVEN"} == macos.launchd_variables(["GIVEN", "MISSING", "OTHER"], ask)


@pytest.mark.parametrize(
    ("platform_name", "app_has"),
    [("linux", None), ("darwin", frozenset({"IN_FILE", "OF_USER"})), ("win32", frozenset({"IN_FILE", "OF_USER"}))],
)
def test_the_app_has_no_variable_of_a_shell(
    tmp_path: Path, platform_name: str, app_has: frozenset[str] | None
) -> None:
    """On macOS and Windows it has those of .env and of the user; elsewhere there is no such App."""
    environment = frozenset({"RELAY_KEY", "IN_FILE"})
    home = facts(environment=environment, dotenv=frozenset({"IN_FILE"}), user_environment=frozenset({"OF_USER"}))
    host = Host.find(str(tmp_path), {}, "python")
    assert app_has == read_doctor_facts(host, home, platform_name=platform_name).app_variables
