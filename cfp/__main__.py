"""The entry point, which reads the verb before it imports anything heavy.

Two verbs must start fast: the SessionStart hook's `autostart`, since every new session waits for it, and `serve`,
since that hook waits for it. Neither imports the command lines of the other verbs.

Until `search_own_folders_only` has run, nothing is imported but modules that are built into the interpreter: not even
`__future__`, which a folder may hold, too.
"""

import os
import site
import sys


def search_own_folders_only() -> None:
    """Take the folders of PYTHONPATH and the current folder off the module search path.

    A person starts this program in the folder of a project, with `python -m` or with a PYTHONPATH whose empty entry
    means that folder. The interpreter's own folders and the one that holds this program stay, whoever names them.
    Where PYTHONPATH names that one, its other absolute entries stay, too: they may hold our dependencies.
    """
    if sys.flags.isolated:
        return
    home = _absolute(os.path.join(os.path.dirname(__file__), os.pardir))  # noqa: PTH118, PTH120  pathlib is not built in
    own = {home, *map(_absolute, site.getsitepackages())}
    if site.ENABLE_USER_SITE:
        own.add(_absolute(site.getusersitepackages()))
    library = _absolute(os.path.dirname(os.__file__))  # noqa: PTH120  see above
    named = [] if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if home in map(_absolute, named):
        named = [entry for entry in named if not os.path.isabs(entry)]  # noqa: PTH117  see above
    foreign = {_absolute(entry) for entry in ("", *named)} - own
    sys.path[:] = [
        entry
        for entry in sys.path
        if (path := _absolute(entry)) not in foreign or path == library or path.startswith(library + os.sep)
    ]
    if sys.pycache_prefix and not os.path.isabs(sys.pycache_prefix):  # noqa: PTH117  see above
        sys.pycache_prefix = None  # compiled modules of that folder would be run


def _absolute(entry: str) -> str:
    try:
        return os.path.normcase(os.path.abspath(entry))  # noqa: PTH100  see above
    except OSError:  # the current folder was deleted
        return entry


def main() -> int:
    """Run one command line and return its exit code."""
    search_own_folders_only()
    words = sys.argv[1:]
    if words[:1] == ["autostart"]:
        from cfp.fastpath import nothing_to_do  # noqa: PLC0415  imports only what a no-op needs

        if nothing_to_do(words[1:]):
            return 0
        if "--quiet" in words:
            from cfp.hook_process import run_hook  # noqa: PLC0415  see above

            return run_hook(words)
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
