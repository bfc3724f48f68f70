"""`python -m codex_fast_proxy`: the name that hooks and scripts call; everything is in `cfp`."""

from cfp.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main())
