"""The no-op answer of `autostart --quiet`: stdlib only, no lock, no log.

Codex waits for this at every new session. It answers "nothing to do" only where that is certain: settings are
saved, config.toml points at the proxy, and a worker of this home and of our user serves those settings. Anything else
is left to the full command. File names are those of `layout`, which is too heavy to import here; a test holds them
together.

Parsing config.toml costs most, so the fingerprint of a config.toml that points at the proxy is written to a note.
The note is a cache only: where it is missing, torn or of other content, config.toml is parsed again. The fingerprint
is that of the content, since Windows has no time of change that a program cannot set back.
"""

from __future__ import annotations

import os
import sys
from stat import S_ISREG

from cfp.light_json import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

SETTINGS = "codex-fast-proxy-state/settings.json"
CONFIG = "config.toml"
NOTE = "codex-fast-proxy-state/state/fast_proxy.config-seen"
JOURNAL = "codex-fast-proxy-journal"
_LARGEST = 1 << 20
_NOTE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NONBLOCK", 0)  # a pipe has no reader
PROBE = "CODEX_FAST_PROXY_PROBE"  # set by `doctor --probe`: the file with which the hook says that it has run


def nothing_to_do(arguments: Sequence[str]) -> bool:
    """Return True where the hook has nothing to do; False where the full command must look."""
    home = _home(arguments)
    if home is None:
        return False
    if PROBE in os.environ:
        _answer_probe(os.environ[PROBE])
        return True
    try:
        settings = _settings(home)
        return _points_here(home, settings) and not _interrupted(home) and _serves(home, settings)
    except (ImportError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _answer_probe(path: str) -> None:
    """Make the file; one that is there stays as it is."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError:
        return


def sends_to_a_stranger(arguments: Sequence[str]) -> bool:
    """Return True where Codex sends this session to the saved address and no worker of this home answers there.

    The question of last resort, where the full command has failed: False wherever a file leaves it open.
    """
    home = _home(arguments)
    if home is None:
        return False
    try:
        settings = _settings(home)
        config = _config(home)
        active = _document(config).get("model_provider", "openai")
        if active != settings["provider"] or _url(config, active) != settings["base_url"]:
            return False
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    try:
        return _own_health(home, settings) is None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return True


def _home(arguments: Sequence[str]) -> str | None:
    """Return the home of exactly the command line that we install; None for any other, which takes the long way."""
    match list(arguments):
        case ["--codex-home", home, "--quiet"]:
            return home
        case _:
            return None


def _settings(home: str) -> Any:
    return loads(_read(f"{home}/{SETTINGS}").decode())


def _points_here(home: str, settings: dict[str, Any]) -> bool:
    config = _config(home)
    fingerprint = _fingerprint(config, settings)
    if _noted(home) == fingerprint:
        return True
    points = bool(_url(config, settings["provider"]) == settings["base_url"])
    if points:
        _note(home, fingerprint)
    return points


def _config(home: str) -> bytes:
    return _read(f"{home}/{CONFIG}")


def _read(path: str) -> bytes:
    """Return a file's bytes; raises OSError for what is no file or too large: it may take for ever to read."""
    status = os.stat(path)  # noqa: PTH116  pathlib costs 5 ms
    if not S_ISREG(status.st_mode) or status.st_size > _LARGEST:
        raise OSError(path)
    with open(path, "rb") as file:  # noqa: PTH123  the same
        return file.read()


def _fingerprint(config: bytes, settings: dict[str, Any]) -> str:
    """Return a text that changes with the content of config.toml, provider and URL."""
    from _blake2 import blake2b  # noqa: PLC0415  hashlib loads OpenSSL, which costs 4 ms

    return repr((blake2b(config).hexdigest(), settings["provider"], settings["base_url"]))


def _url(config: bytes, provider: str) -> Any:
    doc = _document(config)
    return doc["openai_base_url"] if provider == "openai" else doc["model_providers"][provider]["base_url"]


def _document(config: bytes) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  8 ms, only where config.toml is new

    text = config.removeprefix(b"\xef\xbb\xbf").decode()
    try:
        return tomllib.loads(text)
    except ValueError:
        from cfp.codex import toml_reader  # noqa: PLC0415  for TOML 1.1, which Codex reads and tomllib does not

        return toml_reader.loads(text)


def _noted(home: str) -> str:
    try:
        return _read(f"{home}/{NOTE}").decode()
    except (OSError, ValueError):
        return ""


def _note(home: str, fingerprint: str) -> None:
    """Write the fingerprint for the next session; a note that cannot be written costs that one 8 ms.

    Another user than the home's owner, such as root, writes none: the file would belong to them.
    """
    try:
        if sys.platform != "win32" and os.stat(home).st_uid != os.geteuid():  # noqa: PTH116  pathlib costs 5 ms
            return
        descriptor = os.open(f"{home}/{NOTE}", _NOTE_FLAGS, 0o600)
    except OSError:
        return
    try:
        os.write(descriptor, fingerprint.encode())
    except OSError:
        return
    finally:
        os.close(descriptor)


def _interrupted(home: str) -> bool:
    try:
        return any(name.endswith(".open") for name in os.listdir(f"{home}/{JOURNAL}"))
    except FileNotFoundError:
        return False


def _serves(home: str, settings: dict[str, Any]) -> bool:
    """Whether a worker of our user and of this home serves the settings: another home's may have taken the port."""
    from cfp.core.served_settings import serves  # noqa: PLC0415  after the cheaper checks

    health = _own_health(home, settings)
    return health is not None and serves(health, settings) and not _has_to_warn(health)


def _has_to_warn(health: dict[str, Any]) -> bool:
    """Whether the user may have to hear of something: the newest request failed, or the provider's key is missing."""
    traffic = health.get("last_requests")
    return bool(traffic and traffic["trouble"]) or health.get("upstream_api_key_available") is False


def _own_health(home: str, settings: dict[str, Any]) -> dict[str, Any] | None:
    from cfp.host.worker.health_request import read_health  # noqa: PLC0415  after the cheaper checks

    health = read_health(settings["host"], settings["port"], 1.0)
    return health if health is not None and _is_same_folder(health["codex_home"], home) else None


def _is_same_folder(one: str, other: str) -> bool:
    return one == other or os.path.realpath(one) == os.path.realpath(other)
