"""Run the proxy in the foreground; its own flags are parsed where it starts, which must be fast."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cfp.errors import CfpError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


EXAMPLES = (
    (
        "--upstream-base https://relay.example/v1 --port 8787",
        "serve until ^C; the manager's `start` is what keeps it running",
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Name the flags for --help; `cfp.proxy.worker.command_line.parse` is what reads them."""
    for flag, metavar, what in _FLAGS:
        if metavar:
            parser.add_argument(flag, metavar=metavar, help=what)
        else:
            parser.add_argument(flag, action="store_true", help=what)


# fmt: off
_FLAGS = (
    ("--provider", "NAME", "whose saved key is sent, with --use-provider-auth-file"),
    ("--host", "ADDRESS", "loopback address to serve (default: 127.0.0.1)"),
    ("--port", "NUMBER", "port to serve (default: 8787)"),
    ("--proxy-base", "PATH", "path prefix on our side (default: /v1)"),
    ("--upstream-base", "URL", "the provider's URL"),
    ("--service-tier", "TIER", "the tier to inject (default: priority)"),
    ("--service-tier-policy", "POLICY", "auto, inject_missing or preserve"),
    ("--upstream-api-key-env", "NAME", "send the key in this environment variable"),
    ("--use-provider-auth-file", "", "send the key that prepare-chatgpt-login keeps"),
    ("--log-dir", "DIR", "where the request log goes (default: in the Codex home)"),
    ("--verbose", "", "say more on stderr"),
)
# fmt: on


def main(argv: Sequence[str]) -> int:
    """Serve until told to stop; return the exit code. Reasons for not starting go to stderr, in a sentence."""
    from cfp.proxy.worker.command_line import main as serve  # noqa: PLC0415  the manager's --help needs no worker

    try:
        return serve(argv)
    except CfpError as error:
        from cfp.messages import message  # noqa: PLC0415  only a failed start needs words

        told = message(error.code, error.details)
        sys.stderr.write(f"codex-fast-proxy: {told.sentence} {told.action}\n")
        return error.exit_code
