"""JSON by the interpreter's own scanner alone: `json` imports `re` besides, which costs the hook 8 ms.

The no-op path of the SessionStart hook imports this: nothing but modules that are built into the interpreter.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SPACE = " \t\n\r"


class _Rules:
    """The choices that `json.loads` makes without arguments."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float  # NaN, Infinity and -Infinity


def loads(text: str) -> Any:
    """Return what `json.loads` returns. Raises ValueError for a text that is no JSON or is nested too deeply."""
    try:
        from _json import make_scanner  # noqa: PLC0415  the scanner behind json.loads, a detail of CPython

        scan = make_scanner(_Rules)  # type: ignore[arg-type]  # any object with these attributes
    except (ImportError, AttributeError, TypeError):  # another Python has it otherwise
        from json import loads as load  # noqa: PLC0415  see above

        scan = None
    try:
        if scan is None:
            return load(text)
        start = len(text) - len(text.lstrip(_SPACE))
        value, end = scan(text, start)
    except (StopIteration, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    if text[end:].strip(_SPACE):
        raise ValueError("there is more behind it")
    return value
