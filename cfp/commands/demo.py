"""Try every step in a temporary Codex home with an embedded provider; needs no network and leaves nothing.

Where a step fails, the folder stays, with what the step's detail names in it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from cfp.commands.command import Command
from cfp.demo.home import KEY, DemoHome
from cfp.demo.provider import DemoProvider
from cfp.demo.story import Story, StoryStep
from cfp.demo.websocket import WebSocketResponder
from cfp.host.home import Host
from cfp.result import Result

EXAMPLES = (
    ("", "takes a few seconds and prints each step on stderr"),
    ("--keep", "keep the folder, so that you can look at it"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    keep: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder")


def run(args: Args, host: Host) -> Result:
    """Tell the story; ticks go to stderr as it goes on."""
    began = time.monotonic()
    root = Path(tempfile.mkdtemp(prefix="codex-fast-proxy-demo-"))
    passed = False
    try:
        speaker = WebSocketResponder()
        with DemoProvider(key=KEY, switch=speaker) as upstream:
            codex = shutil.which("codex", path=host.environ.get("PATH"))
            home = DemoHome(root)
            program = Path(codex) if codex else None
            steps = Story(home=home, upstream=upstream, speaker=speaker, codex=program, tell=_tell).run()
        passed = all(step.ok for step in steps)
    finally:
        if passed and not args.keep:
            shutil.rmtree(root, ignore_errors=True)
    return Result(
        status="passed" if passed else "failed",
        exit_code=0 if passed else 2,
        fields={
            "steps": [asdict(step) for step in steps],
            "real_codex": codex is not None,
            "seconds": round(time.monotonic() - began, 1),
            "folder": str(root) if args.keep or not passed else None,
        },
    )


def _tell(step: StoryStep) -> None:
    tick = "✓" if step.ok else "✗"
    text = f"  {tick} {step.name}{': ' + step.detail if step.detail else ''}\n"
    sys.stderr.buffer.write(text.encode())
    sys.stderr.flush()


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    needs_home=False,
)
