"""A failed connection has the same words on each system."""

from __future__ import annotations

import errno
import os

import pytest

from cfp.host.provider.socket_errors import words_of


def windows_error(code: int, number: int) -> OSError:
    """An error as asyncio raises it on Windows: its errno is EINVAL for most codes."""
    error = OSError(number, "a sentence in the language of the system")
    error.winerror = code  # type: ignore[attr-defined, misc, unused-ignore]  # there on Windows
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(10061, "x"), "Connection refused"),
        (windows_error(1225, errno.EINVAL), "Connection refused"),
        (windows_error(10054, 10054), "Connection reset by peer"),
        (windows_error(121, errno.EINVAL), "Connection timed out"),
        (windows_error(1, errno.EINVAL), os.strerror(errno.EINVAL)),
        (OSError(errno.ENOMEM, "x"), os.strerror(errno.ENOMEM)),
        (OSError("several addresses"), ""),
    ],
)
def test_the_words(error: OSError, words: str) -> None:
    """By Windows' number where it gives one, else by the errno."""
    assert words == words_of(error)
