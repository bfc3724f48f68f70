"""A secret shows nowhere but where it is revealed, and texts of others are blanked."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.host.provider.keys import KeyLocation, ProviderKey
from cfp.host.provider.secret import Secret, redact

CANARY = "sk-canary-0123456789abcdef"
VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=60)


def renderings(secret: Secret) -> str:
    """Return the texts that an object can turn into by accident."""
    key = ProviderKey(secret=secret, location=KeyLocation.PROCESS_ENV, name="RELAY_KEY")
    try:
        raise ValueError(secret)  # noqa: TRY301 - a traceback is wanted
    except ValueError as error:
        trace = traceback.TracebackException.from_exception(error, capture_locals=True)
        raised = "".join(trace.format())
    parts = (
        *(repr(secret), str(secret), f"{secret}", f"{secret!r:>10}", "%s" % secret),  # noqa: UP031 - one more way
        *(repr([secret]), repr(key), str(dataclasses.asdict(key)), raised, repr(dir(secret))),
    )
    return "\n".join(parts)


def test_no_text_shows_it() -> None:
    """repr, str, format, containers, dataclasses and tracebacks with their variables."""
    text = renderings(Secret(CANARY))
    assert "***" in text
    assert "canary" not in text


@pytest.mark.parametrize("write", [pickle.dumps, json.dumps, lambda secret: copy.copy(secret).__reduce__()])
def test_it_is_not_serialised(write: object) -> None:
    """Neither a pickle nor JSON can hold it, and the refusal does not quote it."""
    with pytest.raises(TypeError) as caught:
        write(Secret(CANARY))  # type: ignore[operator]  # a table of functions
    assert "canary" not in str(caught.value)


def test_copies_are_the_same_object() -> None:
    """dataclasses.asdict and deepcopy of a value that holds one do not fail."""
    secret = Secret(CANARY)
    assert [secret, secret] == [copy.copy(secret), copy.deepcopy(secret)]


def test_it_has_no_members_to_write() -> None:
    """Nothing can be put on it or found in a __dict__."""
    with pytest.raises(AttributeError):
        Secret(CANARY).other = 1  # type: ignore[attr-defined]  # that is the point
    assert not hasattr(Secret(CANARY), "__dict__")


@given(before=st.text(max_size=30), value=VISIBLE, after=st.text(max_size=30), start=st.integers(0, 60))
def test_no_part_of_eight_signs_survives(before: str, value: str, after: str, start: int) -> None:
    """A provider that quotes the key, or most of it, does not get it into our output."""
    part = value[start : start + 20] or value
    text = redact(f"{before}{value}{after} {part}", [Secret(value)])
    windows = {value[begin : begin + 8] for begin in range(len(value) - 7)}
    assert set() == {window for window in windows if window in text and not set(window) <= {"*"}}


@given(st.text(max_size=200))
def test_what_is_left_is_one_printable_line(text: str) -> None:
    """No control sequence of a provider reaches a terminal."""
    assert redact(text).isprintable()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Incorrect API key provided: sk-abc***xyz.", "Incorrect API key provided: ***"),
        ("header Authorization: Bearer abc.def-ghi, refused", "header Authorization: ***, refused"),
        ("token eyJhbGciOi.eyJzdWIiOi.sig is old", "token *** is old"),
        ("see https://user:pw@host/path?key=v&b=c", "see https://***host/path?***&***"),
        ("a\tb\n\x1b[31mc", "a b [31mc"),
        ("The model `gpt-5` does not exist", "The model `gpt-5` does not exist"),
        ("task-force is risk-free", "task-force is risk-free"),
    ],
)
def test_tokens_of_others_are_blanked_and_words_stay(text: str, expected: str) -> None:
    """A word that looks like a token is blanked, though it is no key of ours; ordinary words stay."""
    assert expected == redact(text)


def test_a_trivial_value_is_no_secret() -> None:
    """`api-version=1` must not blank every digit of a message."""
    assert redact("error 123", [Secret("1"), Secret("")]) == "error 123"
    assert redact("error abcd", [Secret("abcd")]) == "error ***"
