"""Runs one turn of the real Codex in a temporary home, whose only provider is a capture; no user file is read."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cfp.host.system.scratch import scratch
from cfp.host.system.windows import NO_WINDOW
from cfp.layout import Layout
from cfp.variables import OF_WINDOWS

if sys.platform == "win32":
    from cfp.bench._ending_windows import end_tree
else:
    from cfp.bench._ending_posix import end_tree

PHRASE_ENV: Final = "CODEX_FAST_PROXY_BENCHMARK"

# The variables of the user's environment that find programs, set the language or belong to Windows. The prefixes
# belong to version managers, whose `codex` is a script that looks for the real one.
_KEPT: Final = frozenset(
    {
        *("PATH", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "USER", "LOGNAME", "SHELL"),
        *OF_WINDOWS,
    }
)
_KEPT_PREFIXES: Final = ("LC_", "VOLTA_", "ASDF_", "MISE_", "NVM_", "FNM_")


def config_text(*, base_url: str, model: str, effort: str | None, timeout: float) -> str:
    """Return the throw-away config.toml.

    Codex retries nothing: a retry would count as a slow response. `unbounded_connection_retries` off lets Codex
    (0.150 and later) end by itself where the capture is gone.
    """
    reasoning = "" if effort is None else f"model_reasoning_effort = {_text(effort)}\n"
    return (
        f"model = {_text(model)}\n"
        f"{reasoning}"
        'model_provider = "benchmark"\n'
        'approval_policy = "never"\n'
        'sandbox_mode = "read-only"\n'
        "check_for_update_on_startup = false\n"
        "\n"
        "[analytics]\n"
        "enabled = false\n"
        "\n"
        "[features]\n"
        "unbounded_connection_retries = false\n"
        "\n"
        "[model_providers.benchmark]\n"
        'name = "Benchmark"\n'
        f"base_url = {_text(base_url)}\n"
        f"env_key = {_text(PHRASE_ENV)}\n"
        'wire_api = "responses"\n'
        "request_max_retries = 0\n"
        "stream_max_retries = 0\n"
        f"stream_idle_timeout_ms = {round(timeout * 1000)}\n"
    )


def _text(value: str) -> str:
    """Return a TOML basic string; JSON's escapes are legal there, except for DEL and lone surrogates."""
    return json.dumps(value.encode("utf-8", "replace").decode(), ensure_ascii=False).replace("\x7f", "\\u007F")


def environment(environ: Mapping[str, str], *, home: Path, origin: str, pass_phrase: str) -> dict[str, str]:
    """Return Codex's environment. The capture is its proxy, so that it refuses all traffic but the turn."""
    kept = {
        name: value
        for name, value in environ.items()
        if name.upper() in _KEPT or name.upper().startswith(_KEPT_PREFIXES)
    }
    own = {
        "HOME": str(home.parent),
        "USERPROFILE": str(home.parent),
        "CODEX_HOME": str(home),
        "HTTPS_PROXY": origin,
        "NO_PROXY": "127.0.0.1,localhost",
        PHRASE_ENV: pass_phrase,
    }
    return {**kept, **own}


async def codex_exec(
    program: Path, prompt: str, *, config: str, environ: Mapping[str, str], origin: str, pass_phrase: str
) -> int:
    """Run `codex exec` to its end and return its exit code; cancelling ends it and its children.

    Its output is not read, since it holds the response. Raises OSError where it cannot be started.
    """
    with scratch("benchmark", environ) as folder:
        layout = Layout(folder / "home")
        work = folder / "work"
        layout.home.mkdir()
        work.mkdir()
        layout.config.write_text(config, encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *(str(program), "exec", "--skip-git-repo-check", "--color", "never", "-"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=work,
            env=environment(environ, home=layout.home, origin=origin, pass_phrase=pass_phrase),
            start_new_session=True,  # ^C is for us; we end it ourselves
            creationflags=NO_WINDOW,
        )
        try:
            await process.communicate(prompt.encode())
        finally:
            if process.returncode is None:
                end_tree(process.pid)
                await process.wait()
    return process.returncode or 0
