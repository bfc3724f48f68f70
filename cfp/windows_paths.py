r"""The spellings of a path on Windows: the prefix `\\?\`, short names, and servers in place of drives."""

from __future__ import annotations

import os
from typing import Final

# Programs that do not ask for more get paths of 259 characters (MAX_PATH, with its closing zero).
LONGEST_PATH: Final = 259
_VERBATIM: Final = "\\\\?\\"
_VERBATIM_UNC: Final = "\\\\?\\UNC\\"
_WSL_SERVERS: Final = frozenset({"wsl$", "wsl.localhost"})


def plain(path: str) -> str:
    r"""Return the path without the prefix that switches Windows' own reading of it off, as Codex shows it.

    `\\?\C:\x` is `C:\x`, and `\\?\UNC\server\share` is `\\server\share`; any other path stays as it is.
    """
    if path[: len(_VERBATIM_UNC)].upper() == _VERBATIM_UNC:
        return "\\\\" + path[len(_VERBATIM_UNC) :]
    if path.startswith(_VERBATIM) and path[5:6] == ":":
        return path[len(_VERBATIM) :]
    return path


def server_of(path: str) -> str:
    r"""Return the machine that a UNC path names, in lower case; "" for a path of this machine's drives.

    `\\.\` and `\\?\` name devices of this machine.
    """
    text = plain(path).replace("/", "\\")
    if not text.startswith("\\\\"):
        return ""
    server = text[2:].partition("\\")[0].lower()
    return "" if server in {".", "?"} else server


def is_of_wsl(path: str) -> bool:
    """Whether the path leads into a Linux of WSL, whose files Windows reaches as those of a server."""
    return server_of(path) in _WSL_SERVERS


def real_path_of_windows(path: str | os.PathLike[str]) -> str:
    """Return the path without links, drives of `subst`, short names, and letter case of its own.

    A path that Windows cannot resolve, since it is too long, is only made absolute.
    """
    text = plain(os.fspath(path))
    try:
        return plain(os.path.realpath(text))
    except OSError:
        return os.path.abspath(text)  # noqa: PTH100  a text, as realpath returns


def quoted_for_windows(path: str) -> str:
    """Return the path as one word for cmd and PowerShell; one with a dollar or backtick, for PowerShell alone.

    cmd replaces %NAME% even between quotes, and nothing but another folder helps there.
    """
    if "$" in path or "`" in path:
        return "'" + path.replace("'", "''") + "'"
    return f'"{path}"'
