"""Run the proxy in the foreground; its own flags are parsed where it starts, which must be fast."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cfp.commands.command import ForegroundCommand
from cfp.errors import CfpError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


EXAMPLES = (
    (
        "--upstream-base https://relay.example/v1 --port 8787",
        "serve until ^C; `start` runs it in the background",
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Name the flags for --help; `cfp.proxy.worker.command_line.parse` is what reads them."""
    from cfp.core.served_settings import SERVED_SETTINGS, SWITCH  # noqa: PLC0415  only --help needs them

    for setting in SERVED_SETTINGS:
        if setting.kind == SWITCH:
            parser.add_argument(setting.flag, action="store_true", help=setting.help)
        else:
            parser.add_argument(setting.flag, metavar=setting.metavar, help=setting.help)
    parser.add_argument(
        "--log-dir", metavar="DIR", help="the folder for the request log (default: in the Codex home)"
    )
    parser.add_argument("--verbose", action="store_true", help="log more to stderr")


def main(argv: Sequence[str]) -> int:
    """Serve until a signal stops it; return the exit code. Errors of the start go to stderr."""
    from cfp.proxy.worker.command_line import main as serve  # noqa: PLC0415  the manager's --help needs no worker

    try:
        return serve(argv)
    except CfpError as error:
        from cfp.messages import message  # noqa: PLC0415  only a failed start needs words

        text = message(error.code, error.details)
        sys.stderr.write(f"codex-fast-proxy: {text.sentence} {text.action}\n")
        return error.exit_code


COMMAND = ForegroundCommand(
    doc=__doc__,
    examples=EXAMPLES,
    add_arguments=add_arguments,
    output="Runs until SIGTERM or SIGINT has drained it; prints nothing on stdout.",
    has_format=False,
    main=main,
)
