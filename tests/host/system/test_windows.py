"""Behaviour that only Windows has, tested with stand-ins on every system."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cfp.core.facts import PortFact, PortState
from cfp.core.plan.candidate import check_key
from cfp.core.plan.hook import hook_command
from cfp.core.plan.worker import worker_action
from cfp.core.route_report import route_and_auth
from cfp.core.settings import Settings
from cfp.errors import Refused
from cfp.host.provider.keys import CodexFiles, KeyLocation, KeySource, discover_key
from cfp.host.system.skill_link import NATIVE_LINK, LinkType, link, unlink
from cfp.host.system.windows import NO_WINDOW, user_environ
from cfp.host.worker.probe import port_barred
from cfp.messages import message
from tests.facts import facts

SETTINGS = Settings(provider="relay", upstream_base="https://relay.example/v1")


class Registry:
    """The part of winreg that we use."""

    HKEY_CURRENT_USER = "HKCU"
    REG_SZ, REG_EXPAND_SZ, REG_DWORD = 1, 2, 4

    def __init__(self, *values: tuple[str, Any, int]) -> None:
        self._values = values

    @contextmanager
    def OpenKey(self, root: str, name: str) -> Iterator[str]:  # noqa: N802 (the name is winreg's)
        assert ("HKCU", "Environment") == (root, name)
        yield name

    def QueryInfoKey(self, _key: str) -> tuple[int, int, int]:  # noqa: N802 (the name is winreg's)
        return 0, len(self._values), 0

    def EnumValue(self, _key: str, index: int) -> tuple[str, Any, int]:  # noqa: N802 (the name is winreg's)
        return self._values[index]

    def ExpandEnvironmentStrings(self, text: str) -> str:  # noqa: N802 (the name is winreg's)
        return text.replace("%USERPROFILE%", r"C:\Users\me")


def test_the_users_environment() -> None:
    """Texts, expanded where they ask for it; numbers are no variables."""
    registry = Registry(
        ("RELAY_KEY", "k", 1), ("HOME2", r"%USERPROFILE%\x", 2), ("PLAIN", "%USERPROFILE%", 1), ("N", 1, 4)
    )
    expected = {"RELAY_KEY": "k", "HOME2": r"C:\Users\me\x", "PLAIN": "%USERPROFILE%"}
    assert expected == user_environ(registry)


@pytest.mark.posix("a system without a registry")
def test_other_systems_have_none() -> None:
    """No registry is read, and programs start as usual."""
    assert ({}, 0) == (user_environ(), NO_WINDOW)


def test_a_key_set_since_the_shell_began() -> None:
    """Its key is used, counts as available and as persistent, and has its own name in the closed set."""
    files = CodexFiles(config={}, auth=None, dotenv=None, environ={}, user_environ={"RELAY_KEY": "k"})
    key = discover_key(files, "relay", source=KeySource.env("RELAY_KEY"))
    assert key is not None
    assert KeyLocation.WINDOWS_USER_ENV == key.location
    settings = replace(SETTINGS, upstream_api_key_env="RELAY_KEY")
    home = facts(environment=frozenset(), user_environment=frozenset({"RELAY_KEY"}))
    check_key(home, settings)
    block = route_and_auth(home, settings)
    assert (True, True, "windows_user_env", "ready") == (
        block["upstream_api_key_available"],
        block["upstream_api_key_persistent"],
        block["upstream_api_key_source"],
        block["chatgpt_login_hint"]["status"],
    )


@pytest.mark.beyond_wine("links and junctions")
def test_a_junction(tmp_path: Path) -> None:
    """It is made, recognised and removed by its own calls, and the result has its type."""
    calls = []

    def make(target: str, path: str) -> None:
        calls.append(("make", target, path))
        NATIVE_LINK.make(target, path)

    def remove(path: str) -> None:
        calls.append(("remove", path))
        NATIVE_LINK.remove(path)

    junctions = LinkType(kind="junction", make=make, remove=remove)
    repo = tmp_path / "a repo"
    repo.mkdir()
    (repo / "SKILL.md").write_text("x")
    place = tmp_path / "skills" / "codex-fast-proxy"
    for act in (link, link, unlink, unlink):
        assert "junction" == act(str(repo), str(tmp_path / "skills"), {}, junctions).link_type
    assert [("make", str(repo), str(place)), ("remove", str(place))] == calls


def test_the_hook_of_a_windows_home() -> None:
    """PowerShell and cmd both accept its command line; see tests/codex/test_command_line.py."""
    assert not hook_command(facts(), windows=True).startswith(("'", '"'))
    assert hook_command(facts(), windows=False).endswith("--quiet")


def test_a_reserved_port_is_not_a_taken_one() -> None:
    """WinError 10013 comes as EACCES: no program has to end, and the user chooses another port."""
    barred = PortFact(host="127.0.0.1", port=8787, state=PortState.FOREIGN, barred=True, free_port=8790)
    with pytest.raises(Refused, match="port_not_available") as refused:
        worker_action(facts(), SETTINGS, barred)
    action = message("port_not_available", refused.value.details).action
    assert "netsh" in action
    assert "--port 8790" in action
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not port_barred("127.0.0.1", listener.getsockname()[1])
    assert port_barred("192.0.2.1", 8787)  # RFC 5737: nobody's
