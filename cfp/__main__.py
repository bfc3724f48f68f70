"""The entry point, which reads the verb before it imports anything heavy.

Two verbs must start fast: the SessionStart hook's `autostart`, since every new session waits for it, and `serve`,
since that hook waits for it. Neither imports the command lines of the other verbs.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Run one command line and return its exit code."""
    words = sys.argv[1:]
    if words[:1] == ["autostart"]:
        from cfp.fastpath import nothing_to_do  # noqa: PLC0415  imports only what a no-op needs

        if nothing_to_do(words[1:]):
            return 0
    if words[:1] == ["serve"] and not {"-h", "--help"} & set(words):
        from cfp.commands.serve import main as serve  # noqa: PLC0415  the worker's start is waited for

        return serve(words[1:])
    from cfp import signals  # noqa: PLC0415  see above

    signals.listen()
    try:
        from cfp.cli import run  # noqa: PLC0415  see above
    except KeyboardInterrupt as interrupt:  # from here on the command line answers signals itself
        from cfp.cli import interrupted  # noqa: PLC0415  only they need it

        return interrupted(words, interrupt)

    return run(words)


if __name__ == "__main__":
    raise SystemExit(main())
