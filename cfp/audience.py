"""The reader of an answer: a person at a terminal, who gets a page, or a program, which gets JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cfp.errors import UsageError

JSON: Final = "json"
TEXT: Final = "text"
AUTO: Final = "auto"
FORMATS: Final = (AUTO, JSON, TEXT)
VARIABLE: Final = "CFP_FORMAT"

# A variable that a coding agent sets for the commands that it runs; beside it, the source of that. What a person sets
# (AIDER_MODEL), or an editor gives to each of its terminals (CURSOR_TRACE_ID, REPL_ID), is no such variable.
AGENTS: Final[Mapping[str, str]] = {
    "CODEX_THREAD_ID": "measured with Codex 0.130 to 0.171, for each command of a session, on a pseudo-terminal too",
    "CODEX_CI": "measured, too: the tool exec_command",
    "CODEX_SANDBOX_NETWORK_DISABLED": "measured, too: the sandbox without network",
    "CODEX_SANDBOX": "github.com/openai/codex, codex-rs/core/src/spawn.rs: the sandbox of macOS",
    "CLAUDECODE": "code.claude.com/docs/en/env-vars",
    "GEMINI_CLI": "geminicli.com/docs/tools/shell",
    "OPENCODE": "github.com/anomalyco/opencode, packages/opencode/src/index.ts",
    "CLINE_ACTIVE": "github.com/cline/cline, src/hosts/vscode/terminal/VscodeTerminalRegistry.ts",
    "CURSOR_AGENT": "github.com/cli/cli, internal/agents/detect.go",
    "COPILOT_CLI": "github.com/cli/cli, internal/agents/detect.go",
    "AUGMENT_AGENT": "github.com/cli/cli, internal/agents/detect.go",
    "ANTIGRAVITY_AGENT": "github.com/cli/cli, internal/agents/detect.go",
    "AGENT": "ampcode.com/manual; OpenCode sets it, too",
    "AI_AGENT": "github.com/vercel/vercel, packages/detect-agent: proposed for every agent",
}


def is_agents(environ: Mapping[str, str]) -> bool:
    """Whether an agent runs this command, as far as its environment says."""
    return any(environ.get(variable) for variable in AGENTS)


def format_for(flag: str | None, environ: Mapping[str, str], *, terminal: bool) -> str:
    """Return `text` or `json`: by the flag, else by CFP_FORMAT, else `text` for a person at a terminal.

    A flag or variable that names no format decides nothing here; that is refused elsewhere.
    """
    for named in (flag, environ.get(VARIABLE)):
        if named in {JSON, TEXT}:
            return named
    return TEXT if terminal and not is_agents(environ) else JSON


def shows_progress(flag: str | None, environ: Mapping[str, str], *, terminal: bool) -> bool:
    """Whether stderr shows what a command waits for: to a person at a terminal who has not asked for JSON.

    terminal  whether stderr is one; one that is dumb cannot move its cursor
    """
    return terminal and environ.get("TERM") != "dumb" and format_for(flag, environ, terminal=True) == TEXT


def check_variable(flag: str | None, environ: Mapping[str, str]) -> None:
    """Raise UsageError for a CFP_FORMAT that names no format, where no flag decides."""
    named = environ.get(VARIABLE)
    if named and named not in FORMATS and flag in {None, AUTO}:
        raise UsageError("usage", reason=f"{VARIABLE} must be one of {', '.join(FORMATS)}, not {named!r}")
