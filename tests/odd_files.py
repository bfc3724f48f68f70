"""Things in the place of a file: a folder, a pipe, a device, a socket, a file too large, a link to a folder."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest


def a_folder(path: Path) -> None:
    path.mkdir()
    (path / "mine").write_text("mine")


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_link_to_a_folder(path: Path) -> None:
    path.with_name("folder").mkdir()
    path.symlink_to("folder", target_is_directory=True)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        folder = os.open(path.parent, os.O_RDONLY)  # the name of a socket is short
        try:
            listening.bind(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)


def a_huge_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


ODD_FILES = (
    a_folder,
    pytest.param(a_pipe, marks=pytest.mark.posix("pipes with a name in a folder")),
    pytest.param(a_device, marks=pytest.mark.posix("devices with a name in a folder")),
    pytest.param(a_socket, marks=pytest.mark.posix("sockets with a name in /proc", needs="linux")),
    pytest.param(a_huge_file, marks=pytest.mark.posix("sparse files without a further word")),
    pytest.param(a_link_to_a_folder, marks=pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")),
)
