"""Windows only: the user's environment in the registry, junctions, programs without a window."""

from __future__ import annotations

import sys
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
    values: dict[str, str] = {}
    with registry.OpenKey(registry.HKEY_CURRENT_USER, "Environment") as key:
        for index in range(registry.QueryInfoKey(key)[1]):
            name, value, kind = registry.EnumValue(key, index)
            if isinstance(value, str):
                values[name] = registry.ExpandEnvironmentStrings(value) if kind == registry.REG_EXPAND_SZ else value
    return values


def _registry() -> Any:
    if sys.platform == "win32":
        import winreg  # noqa: PLC0415 - exists on Windows only

        return winreg
    return None


def make_junction(target: str, path: str) -> None:
    """Make `path` a junction to the folder `target`, which needs no privilege. Raises OSError."""
    import _winapi  # noqa: PLC0415 - exists on Windows only

    create: Any = _winapi.CreateJunction  # type: ignore[attr-defined]  # there on Windows
    create(target, path)
