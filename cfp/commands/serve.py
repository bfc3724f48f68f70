"""Run the proxy in the foreground; its own flags are parsed where it starts, which must be fast."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cfp.errors import CfpError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Name the flags for --help; `cfp.proxy.serve.parse` is what reads them."""
    for flag in ("--provider", "--host", "--port", "--proxy-base", "--upstream-base", "--service-tier"):
        parser.add_argument(flag)
    for flag in ("--service-tier-policy", "--upstream-api-key-env", "--log-dir"):
        parser.add_argument(flag)
    for flag in ("--use-provider-auth-file", "--verbose"):
        parser.add_argument(flag, action="store_true")


def main(argv: Sequence[str]) -> int:
    """Serve until told to stop; return the exit code. Reasons for not starting go to stderr, in a sentence."""
    from cfp.proxy.serve import main as serve  # noqa: PLC0415  the manager's --help needs no worker

    try:
        return serve(argv)
    except CfpError as error:
        from cfp.messages import message  # noqa: PLC0415  only a failed start needs words

        told = message(error.code, error.details)
        sys.stderr.write(f"codex-fast-proxy: {told.sentence} {told.action}\n")
        return error.exit_code
