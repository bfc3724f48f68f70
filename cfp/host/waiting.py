"""The waits of a command, reported while they last, and the line on stderr that shows them to a person."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final, Protocol, TextIO, TypeAlias

from cfp.signals import uninterrupted

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live


class Wait(Protocol):
    """One wait, from its begin to its end."""

    def now(self, words: str) -> None:
        """Say what the command does from now on."""


# Takes words for what the command does ("waiting for …"), and the seconds after which it gives up, or None.
Waiting: TypeAlias = Callable[[str, float | None], AbstractContextManager[Wait]]


class _Unseen:
    def now(self, words: str) -> None:
        """Show nothing."""


@contextmanager
def unseen(_words: str, _limit: float | None) -> Iterator[Wait]:
    """Show nothing of a wait: for programs, and for pipes."""
    yield _Unseen()


_DELAY_S: Final = 0.3  # what is faster needs no line
_TIMES_A_SECOND: Final = 8
_SPINNER: Final = 2  # columns before the words


class _Line:
    """A wait: its words, its limit in seconds, and when it began."""

    def __init__(self, words: str, limit: float | None, began: float) -> None:
        self.words = words
        self.limit = limit
        self.began = began

    def now(self, words: str) -> None:
        """Show other words in the same line; the seconds go on."""
        self.words = words

    def text(self, now: float, width: int) -> str:
        """Return the words, as many as fit before the seconds."""
        limit = "" if self.limit is None else f" of {self.limit:.0f} s"
        seconds = f" ({int(now - self.began)} s{limit})"
        room = max(0, width - len(seconds))
        words = self.words if len(self.words) <= room else f"{self.words[: max(0, room - 1)]}…"
        return words + seconds


class WaitingLine:
    """Shows the innermost of the waits that last. The line is gone, and the cursor back, when the last one ends.

    stream   the terminal
    environ  NO_COLOR and TERM count
    """

    def __init__(
        self,
        stream: TextIO,
        environ: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.monotonic,
        delay: float = _DELAY_S,
    ) -> None:
        self._stream = stream
        self._environ = environ
        self._clock = clock
        self._delay = delay
        self._lines: list[_Line] = []
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._live: Live | None = None

    @contextmanager
    def __call__(self, words: str, limit: float | None) -> Iterator[Wait]:
        """Show a wait for as long as the block runs."""
        line = _Line(words, limit, self._clock())
        with self._lock:
            self._lines.append(line)
            if self._timer is None:
                self._timer = threading.Timer(self._delay, self._begin)
                self._timer.daemon = True
                self._timer.start()
        try:
            yield line
        finally:
            self._lines.remove(line)
            if not self._lines:
                self.close()

    def close(self) -> None:
        """Take the line away. May be called again."""
        with uninterrupted(), self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._live is not None:
                self._live.stop()
                self._live = None

    def _begin(self) -> None:
        """Show the line, in the timer's thread; its imports take 100 ms that a fast command does not pay."""
        from rich.console import Console  # noqa: PLC0415  see above
        from rich.live import Live  # noqa: PLC0415  see above
        from rich.spinner import Spinner  # noqa: PLC0415  see above
        from rich.text import Text  # noqa: PLC0415  see above

        spinner = Spinner("dots")
        console = Console(file=self._stream, no_color=bool(self._environ.get("NO_COLOR")))

        def shown() -> RenderableType:
            for line in self._lines[-1:]:
                text = line.text(self._clock(), console.width - _SPINNER)
                spinner.update(text=Text(text, no_wrap=True, overflow="ellipsis"))
            return spinner

        with self._lock:
            if threading.current_thread() is not self._timer or not self._lines:
                return  # its wait has ended; the next one has a timer of its own
            self._live = Live(
                get_renderable=shown,
                console=console,
                transient=True,
                refresh_per_second=_TIMES_A_SECOND,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
            console.show_cursor()  # which rich hides: it must be there after ^Z, or a kill, too
