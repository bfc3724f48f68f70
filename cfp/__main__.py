"""The exit code of `main()`; looks at the verb before it imports anything heavy."""

from __future__ import annotations


def main() -> int:
    """Run one command line and return its exit code."""
    from cfp.cli import run  # noqa: PLC0415  the hook's fast path must not pay for it

    return run()


if __name__ == "__main__":
    raise SystemExit(main())
