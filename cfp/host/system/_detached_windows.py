"""Windows: no window, no ^C of the starter's console, no job of the starter, and no second process in between.

CREATE_NO_WINDOW gives the program a console without a window. DETACHED_PROCESS would give it none, and a program that
it starts would open a window of its own.

python.exe of a virtual environment starts the real python.exe and waits for it: two processes with one command line,
and the process id that the starter sees is not the worker's. So the real one is started, and told by
__PYVENV_LAUNCHER__ for which environment, as that python.exe does (and `multiprocessing`).

Whoever runs the starter in a job that ends with it, such as a terminal or a CI runner, ends the program, too, unless
the job lets its processes break away. Where it does not, the program starts within it all the same.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final

# Those of winbase.h and of subprocess, which has them on Windows only.
CREATE_NEW_PROCESS_GROUP: Final = 0x00000200
CREATE_BREAKAWAY_FROM_JOB: Final = 0x01000000
CREATE_NO_WINDOW: Final = 0x08000000


def ways(
    program: str, environ: Mapping[str, str], interpreters: tuple[str, str] | None = None
) -> tuple[tuple[str | None, Mapping[str, str], int], ...]:
    """Return executable, environment and creation flags of each way to start it, the best first.

    interpreters  the python.exe that runs us as it was called, and the real one; None: those of this process
    """
    called, real = interpreters or (sys.executable, getattr(sys, "_base_executable", sys.executable))
    executable = None
    if program == called and called != real:
        executable, environ = real, {**environ, "__PYVENV_LAUNCHER__": called}
    flags = CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP
    return ((executable, environ, flags | CREATE_BREAKAWAY_FROM_JOB), (executable, environ, flags))
