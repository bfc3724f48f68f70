"""Windows only: the user's environment in the registry, junctions, programs without a window."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any, Final

# Without it, a console program that a hook starts would open a console window; 0 on other systems.
# It is subprocess.CREATE_NO_WINDOW; the worker does not import that module.
NO_WINDOW: Final[int] = 0x08000000 if sys.platform == "win32" else 0


def user_environ(registry: Any = None) -> dict[str, str]:
    """Return the variables that Windows keeps for new programs of this user (HKCU/Environment); {} elsewhere.

    registry  the module winreg, or one like it; None: the system's own
    """
    registry = registry or _registry()
    if registry is None:
        return {}
    try:
        with registry.OpenKey(registry.HKEY_CURRENT_USER, "Environment") as key:
            listed = [registry.EnumValue(key, index) for index in range(registry.QueryInfoKey(key)[1])]
    except OSError:  # a user without any
        return {}
    return {
        name: registry.ExpandEnvironmentStrings(value) if kind == registry.REG_EXPAND_SZ else value
        for name, value, kind in listed
        if isinstance(value, str)
    }


def subkey_values(path: str, registry: Any = None) -> list[dict[str, Any]]:
    """Return the values of each key below HKCU/`path`; none where it is missing, and on other systems.

    registry  the module winreg, or one like it; None: the system's own
    """
    registry = registry or _registry()
    if registry is None:
        return []
    try:
        with registry.OpenKey(registry.HKEY_CURRENT_USER, path) as key:
            names = [registry.EnumKey(key, index) for index in range(registry.QueryInfoKey(key)[0])]
            return [_values(registry, key, name) for name in names]
    except OSError:
        return []


def _values(registry: Any, parent: Any, name: str) -> dict[str, Any]:
    with registry.OpenKey(parent, name) as key:
        values = (registry.EnumValue(key, index) for index in range(registry.QueryInfoKey(key)[1]))
        return {title: value for title, value, _ in values}


def _registry() -> Any:
    registry: Any = None
    if sys.platform == "win32":
        import winreg  # noqa: PLC0415 - exists on Windows only

        registry = winreg
    return registry


def profile_folder() -> Path | None:
    """Return the user's folder as Windows itself knows it, whatever USERPROFILE says; None on other systems."""
    folder = ""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415  a command that runs no Codex does without it

        # CSIDL_PROFILE, the user of this process, its present place (SHGetFolderPathW)
        buffer = ctypes.create_unicode_buffer(260)
        failed = ctypes.windll.shell32.SHGetFolderPathW(None, 0x28, None, 0, buffer)
        folder = "" if failed else buffer.value
    return Path(folder) if folder else None


def console_obeys_escapes() -> bool:
    """Whether the console behind stdout obeys escape sequences, once asked to; True on other systems."""
    obeys = True
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415  only a page for people needs it

        # STD_OUTPUT_HANDLE, ENABLE_VIRTUAL_TERMINAL_PROCESSING (GetConsoleMode, SetConsoleMode): Windows 10 and newer
        console, mode = ctypes.windll.kernel32.GetStdHandle(-11), ctypes.c_uint32()
        known = ctypes.windll.kernel32.GetConsoleMode(console, ctypes.byref(mode))
        obeys = bool(known and ctypes.windll.kernel32.SetConsoleMode(console, mode.value | 4))
    return obeys


def end_tree(pid: int) -> None:
    """End a process of ours and all that it started: there is no process group to signal, as on POSIX."""
    import psutil  # noqa: PLC0415  only what hangs is ended

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in [*process.children(recursive=True), process]:
            with contextlib.suppress(psutil.Error):
                one.kill()


def make_junction(target: str, path: str) -> None:
    """Make `path` a junction to the folder `target`, which needs no privilege; on Windows only. Raises OSError."""
    if sys.platform == "win32":
        import _winapi  # noqa: PLC0415 - exists on Windows only

        _winapi.CreateJunction(target, path)
