"""Start of a program that outlives its starter: without its console, its streams, or its session or process group."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO

if sys.platform == "win32":
    from cfp.host.system._detached_windows import ways
else:
    from cfp.host.system._detached_posix import ways


class Detached(subprocess.Popen[bytes]):
    """A child that outlives its parent by design: its object may be dropped without a ResourceWarning."""

    def __del__(self) -> None:
        pass


def start(
    words: Sequence[str], *, stdout: IO[bytes], stderr: IO[bytes], cwd: str, env: Mapping[str, str]
) -> Detached:
    """Start a program with a pipe as its standard input; it inherits no other handle or descriptor of ours.

    Raises OSError where it cannot be started.
    """
    refusal = OSError()
    for executable, environ, flags in ways(words[0], env):
        try:
            return Detached(
                words,
                executable=executable,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
                close_fds=True,  # on Windows, with these streams: a list of the three handles that are inherited
                cwd=cwd,
                env=environ,
                start_new_session=os.name == "posix",
                creationflags=flags,
            )
        except PermissionError as error:  # the next way asks for less
            refusal = error
    raise refusal
