"""The catalogue of models that the Codex CLI of this machine has in itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cfp.core.catalog.entries import Entry

Version = tuple[int, ...]

_CLI_SECONDS: Final = 2.0  # for each of two calls; Codex waits five for the catalogue (0.171)


class BundledCatalog:
    """The catalogue of the CLI that PATH leads to; one version is kept.

    The worker's own files may be deleted or replaced while it runs, so what runs the CLI is imported only from the
    files that it was started with.
    """

    def __init__(self, environ: Mapping[str, str], home: Path) -> None:
        self._environ = environ
        self._home = home
        self._version: Version | None = None
        self._entries: Sequence[Entry] = ()
        self._lock = asyncio.Lock()

    async def entries(self, version: Version | None, *, exactly: bool) -> Sequence[Entry] | None:
        """Return the entries for a Codex of this version; None without a CLI, or where it has another version.

        exactly  a CLI of another version will not do
        """
        async with self._lock:  # Codex asks twice at once
            if self._version is None or self._version != version:
                present, entries = await asyncio.to_thread(self._ask, version, exactly=exactly)
                if present is None:
                    return None
                self._version, self._entries = present, entries
        return self._entries if self._version == version or not exactly else None

    def _ask(self, version: Version | None, *, exactly: bool) -> tuple[Version | None, Sequence[Entry]]:
        from cfp.host.worker.code_id import is_unchanged  # noqa: PLC0415  most workers never need the CLI

        try:
            if not is_unchanged():
                return None, ()
            from cfp.errors import Failed  # noqa: PLC0415  as above
            from cfp.host.codex_cli import find_codex  # noqa: PLC0415  as above
        except (ImportError, OSError):
            return None, ()
        try:
            cli = find_codex(self._environ, self._home)
            present = None if cli is None else cli.version(timeout=_CLI_SECONDS)
            if cli is None or (exactly and present != version):
                return None, ()
            return present, cli.bundled_models(timeout=_CLI_SECONDS)
        except (Failed, OSError):
            return None, ()
