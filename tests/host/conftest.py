"""Stand-in workers that no test leaves behind, and loopback servers that answer as told."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest

from cfp.core.settings import Settings
from cfp.host.worker.probe import wait_healthy
from cfp.host.worker.processes import boot_id
from cfp.host.worker.spawn import SpawnedWorker, WorkerSpec, spawn
from cfp.layout import Layout
from journal.values import WorkerRecord
from tests.ports import free_port

STAND_IN = Path(__file__).parent / "stand_in.py"


def sleeper(*arguments: str) -> subprocess.Popen[bytes]:
    """Start a process of ours that is no worker; its program runs already, so its command line is complete."""
    code = "import os, sys; os.write(1, b'.'); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert b"." == process.stdout.read(1)
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def interpreter_with(place: Path, modules: Mapping[str, str]) -> Path:
    """Make an interpreter that finds the standard library, and these modules alone."""
    base = Path(sys.base_prefix)
    if sys.platform == "win32":  # its `._pth` says where it looks
        place.mkdir()
        for file in (*base.glob("*.dll"), base / "python.exe"):
            shutil.copyfile(file, place / file.name)
        version = f"python{sys.version_info[0]}{sys.version_info[1]}"
        (place / f"{version}._pth").write_text(f"{base / 'Lib'}\n{base / 'DLLs'}\n.\n")
        folder, program = place, place / "python.exe"
    else:
        program = place / "bin" / "python"
        program.parent.mkdir(parents=True)
        program.symlink_to(Path(sys.executable).resolve())
        (place / "pyvenv.cfg").write_text(f"home = {base / 'bin'}\n")
        folder = place / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    for name, source in modules.items():
        path = folder.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return program


def stand_in_program(place: Path) -> Path:
    """Make a program that runs the stand-in, whatever module it is asked for."""
    if sys.platform == "win32":
        return interpreter_with(place, {"codex_fast_proxy": STAND_IN.read_text()})
    place.write_text(f"#!{sys.executable} -SE\n{STAND_IN.read_text()}")
    place.chmod(0o700)
    return place


class Workers:
    """Spawns stand-ins in one home; what still runs at the end is killed."""

    def __init__(self, home: Path) -> None:
        self.layout = Layout(home)
        self.layout.worker.mkdir(parents=True)
        self.program = stand_in_program(home.parent / "stand_in")
        self.children: list[SpawnedWorker] = []

    def spec(self, **changes: Any) -> WorkerSpec:
        settings = Settings(
            **{"provider": "relay", "upstream_base": "https://relay.example/v1", "port": free_port()} | changes
        )
        return WorkerSpec(
            settings=settings, codex_home=self.layout.home, python=str(self.program), nonce=secrets.token_hex(16)
        )

    def spawn(self, spec: WorkerSpec, **options: Any) -> SpawnedWorker:
        child = spawn(spec, self.layout, env={**os.environ, "STAND_IN": json.dumps(options)})
        self.children.append(child)
        return child

    def start(self, **options: Any) -> tuple[WorkerSpec, SpawnedWorker, WorkerRecord]:
        """A worker that answers already."""
        spec = self.spec()
        child = self.spawn(spec, **options)
        child.send_go()
        wait_healthy("127.0.0.1", spec.settings.port, options.get("nonce", spec.nonce), 20, child)
        return spec, child, record_of(spec, child)

    def close(self) -> None:
        for child in self.children:
            child._process.kill()  # it may ignore SIGTERM by order
            child._process.wait()
            child.stop()


def record_of(spec: WorkerSpec, child: SpawnedWorker) -> WorkerRecord:
    return WorkerRecord(
        nonce=spec.nonce, port=spec.settings.port, pid=child.pid, started=child.started, boot_id=boot_id()
    )


def tell(spec: WorkerSpec, path: str) -> Any:
    """Ask the stand-in for `path`; its answers are JSON."""
    opener = build_opener(ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{spec.settings.port}{path}", timeout=20) as answer:
        return json.load(answer)


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    home = tmp_path / "home"
    home.mkdir()
    made = Workers(home)
    yield made
    made.close()
