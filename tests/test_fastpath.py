"""The hook's no-op: certain or not at all, and cheap by what it does not import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from cfp import fastpath
from cfp.core.served_settings import COMPARED
from cfp.core.settings import Policy, Settings
from cfp.fastpath import nothing_to_do
from cfp.layout import Layout
from tests.odd_files import ODD_FILES
from tests.systems import as_root


@contextmanager
def worker(answer: dict[str, Any], requests: list[str] | None = None) -> Iterator[int]:
    """Something that answers a health request with this, and notes its path."""

    class Health(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # as the worker, it leaves the connection open

        def do_GET(self) -> None:
            if requests is not None:
                requests.append(self.path)
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def settings_at(port: int) -> Settings:
    return Settings(provider="relay", upstream_base="https://relay.example/v1", port=port)


def furnish(home: Path, settings: Settings) -> Layout:
    layout = Layout(home)
    layout.worker.mkdir(parents=True)
    layout.settings.write_bytes(settings.serialise())
    layout.config.write_text(f'model_provider = "relay"\n[model_providers.relay]\nbase_url = "{settings.base_url}"\n')
    return layout


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[tuple[Layout, dict[str, Any]]]:
    """An enabled home with a worker that serves its settings; the answer can be changed by the test."""
    answer: dict[str, Any] = {"ok": True, "pid": 1, "nonce": "ab"}
    with worker(answer) as port:
        settings = settings_at(port)
        answer |= {**settings.to_json(), "codex_home": str(tmp_path)}
        yield furnish(tmp_path, settings), answer


def needs_nothing(layout: Layout) -> bool:
    return nothing_to_do(["--codex-home", str(layout.home), "--quiet"])


def test_names_are_those_of_the_layout(tmp_path: Path) -> None:
    """They are spelled out again because the import would be too slow."""
    layout = Layout(tmp_path)
    names = (fastpath.SETTINGS, fastpath.CONFIG, fastpath.JOURNAL)
    assert (layout.settings, layout.config, layout.journal) == tuple(tmp_path / name for name in names)
    assert layout.worker == (tmp_path / fastpath.NOTE).parent


def test_an_enabled_home_needs_nothing(serving: tuple[Layout, dict[str, Any]]) -> None:
    """Asked for the first time and, from its note, again."""
    layout, _ = serving
    assert [True, True] == [needs_nothing(layout), needs_nothing(layout)]
    assert (layout.home / fastpath.NOTE).exists()


@pytest.mark.posix("a file's mode")
def test_its_note_is_its_users_alone(serving: tuple[Layout, dict[str, Any]]) -> None:
    """On Windows, the folder's access list says so."""
    layout, _ = serving
    assert needs_nothing(layout)
    assert (layout.home / fastpath.NOTE).stat().st_mode & 0o777 == 0o600


def test_a_config_that_changed_is_read_again(serving: tuple[Layout, dict[str, Any]]) -> None:
    """Also where size and time of change are put back as they were."""
    layout, _ = serving
    assert needs_nothing(layout)
    before = layout.config.stat()
    layout.config.write_text(layout.config.read_text().replace("http://127.0.0.1", "http://127.9.9.1"))
    os.utime(layout.config, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not needs_nothing(layout)


def test_a_config_in_toml_1_1_is_read_too(serving: tuple[Layout, dict[str, Any]]) -> None:
    """Codex reads it, so the hook must not take the long way at every session."""
    layout, _ = serving
    layout.config.write_text(
        f"{layout.config.read_text()}[tui]\nx = {{\n  a = 1,  # newlines and a trailing comma\n}}\n"
    )
    assert needs_nothing(layout)
    layout.config.write_text(f"{layout.config.read_text()}y = {{\n")
    assert not needs_nothing(layout)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", [fastpath.SETTINGS, fastpath.CONFIG, fastpath.NOTE])
@pytest.mark.parametrize("make", ODD_FILES)
def test_no_file_is_waited_for(
    serving: tuple[Layout, dict[str, Any]], make: Callable[[Path], None], name: str
) -> None:
    """A pipe, a device or a huge file in the place of one is not read; a note does without."""
    layout, _ = serving
    (layout.home / name).unlink(missing_ok=True)
    make(layout.home / name)
    assert (name == fastpath.NOTE) == needs_nothing(layout)


@pytest.mark.parametrize("torn", ["", "[", "x" * 10_000])
def test_a_torn_note_is_no_note(serving: tuple[Layout, dict[str, Any]], torn: str) -> None:
    """It is written anew."""
    layout, _ = serving
    (layout.home / fastpath.NOTE).write_text(torn)
    assert needs_nothing(layout)
    assert (layout.home / fastpath.NOTE).read_text() not in {"", torn}


@pytest.mark.parametrize("name", COMPARED)
def test_a_worker_of_other_settings_is_left_to_the_full_command(
    serving: tuple[Layout, dict[str, Any]], name: str
) -> None:
    """Every setting that a worker serves counts."""
    layout, answer = serving
    answer[name] = "other"
    assert not needs_nothing(layout)


@pytest.mark.parametrize("lacks", ["settings", "worker", "both"])
def test_a_switch_that_came_later_is_off_where_it_is_missing(
    serving: tuple[Layout, dict[str, Any]], lacks: str
) -> None:
    """An update adds one: settings.json lacks it until the next install, and the worker until it is replaced."""
    layout, answer = serving
    if lacks != "worker":
        saved = json.loads(layout.settings.read_text())
        del saved["pass_rate_limits"]
        layout.settings.write_text(json.dumps(saved))
    if lacks != "settings":
        del answer["pass_rate_limits"]
    assert needs_nothing(layout)
    answer["pass_rate_limits"] = True
    assert not needs_nothing(layout)


def another_spelling(folder: Path) -> str:
    """Another path of the same folder: a link to it, or with other letters where their case does not matter."""
    if sys.platform == "win32":
        return str(folder).upper()
    link = folder / "link"
    link.symlink_to(folder)
    return str(link)


def test_a_worker_of_another_home_is_left_to_the_full_command(
    serving: tuple[Layout, dict[str, Any]], tmp_path: Path
) -> None:
    """It may serve equal settings: its provider would get this home's key. Another spelling is no other home."""
    layout, answer = serving
    answer["codex_home"] = str(tmp_path.parent)
    assert not needs_nothing(layout)
    answer["codex_home"] = another_spelling(tmp_path)
    assert needs_nothing(layout)
    del answer["codex_home"]  # 0.1.0's worker
    assert not needs_nothing(layout)


def test_what_is_not_certain_is_left_to_the_full_command(serving: tuple[Layout, dict[str, Any]]) -> None:
    """An interrupted command, missing or broken files, another command line."""
    layout, _ = serving
    home = str(layout.home)
    assert not nothing_to_do(["--codex-home", home])
    assert not nothing_to_do(["--codex-home", home, "--quiet", "--verbose-proxy"])
    assert not nothing_to_do([])
    layout.journal.mkdir()
    (layout.journal / "20260102T030405Z-ab.open").write_text("")
    assert not needs_nothing(layout)
    (layout.journal / "20260102T030405Z-ab.open").unlink()
    assert needs_nothing(layout)
    for path in (layout.config, layout.settings):
        text = path.read_text()
        path.write_text("[")
        assert not needs_nothing(layout)
        path.unlink()
        assert not needs_nothing(layout)
        path.write_text(text)
    assert needs_nothing(layout)


def test_nobody_there(tmp_path: Path) -> None:
    """A worker that is gone is what the full command is for."""
    with worker({}) as port:
        pass
    settings = Settings(
        provider="relay", upstream_base="https://relay.example/v1", port=port, service_tier_policy=Policy.AUTO
    )
    assert not needs_nothing(furnish(tmp_path, settings))


# The modules that a no-op may import besides the interpreter's own; every new session waits for them.
ALLOWED = frozenset(
    {
        *("codex_fast_proxy", "cfp", "cfp.__main__", "cfp.fastpath", "cfp.core", "cfp.core.served_settings"),
        *("cfp.light_json", "cfp.socket_owner", "cfp.host", "cfp.host.worker", "cfp.host.worker.health_request"),
        *("cfp.socket_owner._addresses", f"cfp.socket_owner._{'windows' if sys.platform == 'win32' else 'linux'}"),
        *(("ctypes", "ctypes._endian", "_ctypes") if sys.platform == "win32" else ()),
        *("__future__", "_blake2", "_json", "_socket", "struct", "_struct", "select", "time"),
    }
)


def test_a_noop_imports_next_to_nothing(serving: tuple[Layout, dict[str, Any]]) -> None:
    """A few modules of ours and what is built into the interpreter: not even socket, json, re or enum."""
    layout, _ = serving
    words = ["autostart", "--codex-home", str(layout.home), "--quiet"]
    assert needs_nothing(layout)
    loaded = [
        {
            line.rpartition("|")[2].strip()
            for line in subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()
            if line.startswith("import time:")
        }
        for command in (
            [sys.executable, "-I", "-X", "importtime", "-c", "import runpy"],  # for -m
            [sys.executable, "-I", "-X", "importtime", "-m", "codex_fast_proxy", *words],
        )
    ]
    added = loaded[1] - loaded[0]
    assert "cfp.host.worker.health_request" in added
    assert set() == added - ALLOWED


@as_root
@pytest.mark.parametrize("owner", [0, 12345])
def test_no_note_in_another_user_s_home(tmp_path: Path, owner: int) -> None:
    """Root's hook leaves no file of root's there."""
    (tmp_path / fastpath.NOTE).parent.mkdir(parents=True)
    os.chown(tmp_path, owner, owner)
    fastpath._note(str(tmp_path), "x")
    assert (owner == 0) == (tmp_path / fastpath.NOTE).exists()
