"""hooks.json: our group in and out, and nobody else's hook ever moves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cfp.codex.hooks_document import PATH, find_ours, group, parse
from cfp.codex.hooks_json import HOOKS_JSON, TOMBSTONE_LEFT, edit_for, position_after
from cfp.codex.text import Unparseable
from journal.values import ABSENT, KeyEdit, Merged, Unmergeable
from tests.strategies import OUR_COMMAND, PREDECESSOR_COMMAND, foreign_groups, hooks_texts

OURS = group(OUR_COMMAND)
SESSION_START = ("hooks", "SessionStart")


def groups_of(data: bytes) -> list[dict[str, Any]]:
    return parse(data).get("hooks", {}).get("SessionStart", [])


def others(data: bytes) -> dict[tuple[int, int], Any]:
    """Everybody else's hooks by the position under which Codex trusts them, with their matcher."""
    mine = {(at.group, at.handler) for at in find_ours(parse(data))}
    return {
        (g, h): (held.get("matcher"), handler)
        for g, held in enumerate(groups_of(data))
        for h, handler in enumerate(held["hooks"])
        if (g, h) not in mine and handler != {"type": "command", "command": ""}
    }


def with_group_behind(data: bytes, theirs: dict[str, Any]) -> bytes:
    """Edit the file as another installer does: load, append, dump."""
    doc = json.loads(data)
    doc.setdefault("hooks", {}).setdefault("SessionStart", []).append(theirs)
    return json.dumps(doc, indent=2, ensure_ascii=False).encode()


@given(hooks_texts(ours=None))
def test_apply_leaves_one_hook_of_ours_and_moves_nobody(data: bytes) -> None:
    """Whatever stood there, ours runs what we asked for, and every other hook keeps its position."""
    after = HOOKS_JSON.apply(data, [edit_for(data, OURS)])
    assert [at.command for at in find_ours(parse(after))] == [OUR_COMMAND]
    assert others(after) == others(data)
    assert position_after(after) is not None


@given(hooks_texts())
def test_apply_appends_last_and_keeps_every_byte_around_it(data: bytes) -> None:
    """A first install inserts one run of text and takes nothing away but white space in an empty list."""
    after = HOOKS_JSON.apply(data, [edit_for(data, OURS)])
    assert groups_of(after) == [*groups_of(data), OURS]
    head = next((at for at, (a, b) in enumerate(zip(data, after, strict=False)) if a != b), len(data))
    tail = next((at for at, (a, b) in enumerate(zip(data[head:][::-1], after[::-1], strict=False)) if a != b), None)
    left = data[head : len(data) - (len(data) - head if tail is None else tail)]
    assert left.strip() == b""


@given(hooks_texts(ours=None))
def test_apply_twice_changes_nothing_more(data: bytes) -> None:
    """The second install finds its own group and leaves the text alone."""
    after = HOOKS_JSON.apply(data, [edit_for(data, OURS)])
    assert HOOKS_JSON.apply(after, [edit_for(after, OURS)]) == after


@given(hooks_texts(ours=None))
def test_restore_gives_back_the_bytes_of_an_untouched_file(data: bytes) -> None:
    """Apply and restore are inverse to the byte, for a first install and for a takeover."""
    edits = [edit_for(data, OURS)]
    assert HOOKS_JSON.restore(HOOKS_JSON.apply(data, edits), data, edits) == Merged(content=data)


@given(hooks_texts())
def test_restore_keeps_white_space_that_others_added(data: bytes) -> None:
    """In a text that others have changed, splicing restores every other byte."""
    edits = [edit_for(data, OURS)]
    assert HOOKS_JSON.restore(b"\n" + HOOKS_JSON.apply(data, edits), data, edits) == Merged(content=b"\n" + data)


@given(hooks_texts(ours=True))
def test_restore_of_a_takeover_gives_the_predecessors_hook_back(data: bytes) -> None:
    """The group that stood in our place comes back in its own spelling."""
    edits = [edit_for(data, OURS)]
    assert HOOKS_JSON.restore(b"\n" + HOOKS_JSON.apply(data, edits), data, edits) == Merged(content=b"\n" + data)


@given(hooks_texts(), foreign_groups())
def test_a_group_behind_ours_keeps_its_position(data: bytes, theirs: dict[str, Any]) -> None:
    """If somebody appended after us, a tombstone stays in our place, and the notes say so."""
    assume(theirs != {"hooks": []})
    edits = [edit_for(data, OURS)]
    drifted = with_group_behind(HOOKS_JSON.apply(data, edits), theirs)
    merged = HOOKS_JSON.restore(drifted, data, edits)
    assert merged.content is not None
    assert merged.notes == (TOMBSTONE_LEFT,)
    assert groups_of(merged.content) == [*groups_of(data), {"hooks": []}, theirs]


@given(hooks_texts())
def test_a_tombstone_that_nothing_follows_goes(data: bytes) -> None:
    """A tombstone that appeared after our image before is ours: it goes with our group once both are last."""
    edits = [edit_for(data, OURS)]
    tombstoned = with_group_behind(data, {"hooks": []})
    drifted = HOOKS_JSON.apply(tombstoned, edits)
    merged = HOOKS_JSON.restore(drifted, data, edits)
    assert merged.content is not None
    assert groups_of(merged.content) == groups_of(data)
    assert merged.notes == ()


@given(st.sampled_from([1, 2, 3]))
def test_a_tombstone_that_was_there_before_stays(count: int) -> None:
    """An empty group in the image before our install may be the user's own."""
    data = json.dumps({"hooks": {"SessionStart": [{"hooks": []}] * count}}).encode()
    edits = [edit_for(data, OURS)]
    assert HOOKS_JSON.restore(HOOKS_JSON.apply(data, edits) + b"\n", data, edits) == Merged(content=data + b"\n")


@given(hooks_texts(ours=True))
def test_removal_moves_nobody(data: bytes) -> None:
    """Taking our hook out of any place, a shared group too, leaves everybody else where they were."""
    after = HOOKS_JSON.apply(data, [edit_for(data, ABSENT)])
    assert find_ours(parse(after)) == ()
    assert others(after) == others(data)


@given(hooks_texts(ours=True))
def test_a_removal_is_undone(data: bytes) -> None:
    """An uninstall that is rolled back puts our hook where it was, even in a text that has changed meanwhile."""
    edits = [edit_for(data, ABSENT)]
    removed = HOOKS_JSON.apply(data, edits)
    assert HOOKS_JSON.restore(removed, data, edits) == Merged(content=data)
    merged = HOOKS_JSON.restore(removed + b"\n", data, edits)
    assert merged.content is not None
    assert find_ours(parse(merged.content)) == find_ours(parse(data))
    assert others(merged.content) == others(data)


@given(hooks_texts())
def test_restore_is_idempotent(data: bytes) -> None:
    """A restored text is left alone."""
    edits = [edit_for(data, OURS)]
    once = HOOKS_JSON.restore(HOOKS_JSON.apply(data, edits) + b"\n", data, edits).content
    assert once is not None
    assert HOOKS_JSON.restore(once, data, edits) == Merged(content=once)


@given(hooks_texts())
def test_a_hook_of_ours_that_was_edited_stays(data: bytes) -> None:
    """Other words around our command are the user's: a conflict."""
    edits = [edit_for(data, OURS)]
    drifted = HOOKS_JSON.apply(data, edits).replace(b"--quiet", b"--quiet && date")
    assert HOOKS_JSON.restore(drifted, data, edits) == Merged(content=drifted, conflicts=(PATH,))


@given(hooks_texts(), st.sampled_from(["timeout", "matcher", "both"]))
def test_a_hook_of_ours_with_another_timeout_or_matcher_goes(data: bytes, what: str) -> None:
    """Our command is unchanged, and the timeout or matcher of a hook that is removed has no use."""
    edits = [edit_for(data, OURS)]
    doc = json.loads(HOOKS_JSON.apply(data, edits))
    ours = doc["hooks"]["SessionStart"][-1]
    if what != "timeout":
        ours["matcher"] = "startup"
    if what != "matcher":
        ours["hooks"][0]["timeout"] = 99
    merged = HOOKS_JSON.restore(json.dumps(doc).encode(), data, edits)
    assert merged.conflicts == ()
    assert merged.content is not None
    assert parse(merged.content) == json.loads(data)


def test_a_group_that_others_joined_keeps_them() -> None:
    """A handler added behind ours, in our own group, keeps its position by a handler that does nothing."""
    edits = [edit_for(b"{}", OURS)]
    doc = json.loads(HOOKS_JSON.apply(b"{}", edits))
    theirs = {"type": "command", "command": "theirs"}
    doc["hooks"]["SessionStart"][0]["hooks"].append(theirs)
    merged = HOOKS_JSON.restore(json.dumps(doc).encode(), b"{}", edits)
    assert merged.notes == (TOMBSTONE_LEFT,)
    assert merged.content is not None
    assert groups_of(merged.content) == [{"hooks": [{"type": "command", "command": ""}, theirs]}]


def test_a_removal_at_the_end_leaves_no_tombstone() -> None:
    """If nothing follows our group, no tombstone is left."""
    data = json.dumps({"hooks": {"SessionStart": [{"hooks": []}, OURS]}}).encode()
    assert groups_of(HOOKS_JSON.apply(data, [edit_for(data, ABSENT)])) == [{"hooks": []}]


def test_a_neighbour_that_its_owner_took_out_stays_out() -> None:
    """Giving a predecessor's hook back to a group that it shared does not bring its old neighbours back."""
    theirs = {"type": "command", "command": "theirs"}
    shared = {"matcher": "startup", "hooks": [theirs, *group(PREDECESSOR_COMMAND)["hooks"]]}
    data = json.dumps({"hooks": {"SessionStart": [shared]}}).encode()
    edits = [edit_for(data, OURS)]
    doc = json.loads(HOOKS_JSON.apply(data, edits))
    del doc["hooks"]["SessionStart"][0]["hooks"][0]
    merged = HOOKS_JSON.restore(json.dumps(doc).encode(), data, edits)
    assert merged.content is not None
    assert groups_of(merged.content) == [{"matcher": "startup", "hooks": group(PREDECESSOR_COMMAND)["hooks"]}]


def test_a_file_that_was_not_there_goes_again() -> None:
    """If there was no hooks.json, none is left, unless its owner has written into it since."""
    edits = [edit_for(None, OURS)]
    after = HOOKS_JSON.apply(None, edits)
    assert HOOKS_JSON.restore(after, None, edits) == Merged(content=None)
    assert HOOKS_JSON.restore(after + b"\n", None, edits) == Merged(content=None)
    behind = after.replace(b"    ]\n  }", b'    ],\n    "Stop": []\n  }')
    assert HOOKS_JSON.restore(behind, None, edits) == Merged(content=b'{\n  "hooks": {\n    "Stop": []\n  }\n}\n')
    mine = b'{"description": "mine", ' + after[1:]
    merged = HOOKS_JSON.restore(mine, None, edits)
    assert json.loads(merged.content or b"") == {"description": "mine"}


def test_a_hook_that_its_owner_took_out_stays_out() -> None:
    """Ours gone already: nothing to do where there was none before, a conflict where a predecessor's was."""
    assert HOOKS_JSON.restore(b"{}", b"{}\n", [edit_for(b"{}\n", OURS)]) == Merged(content=b"{}")
    data = HOOKS_JSON.apply(None, [edit_for(None, group(PREDECESSOR_COMMAND))])
    assert HOOKS_JSON.restore(b"{}", data, [edit_for(data, OURS)]) == Merged(content=b"{}", conflicts=(PATH,))


def test_duplicates_of_ours_come_down_to_one() -> None:
    """A predecessor's hook beside ours: one is left, and a group between them keeps its position."""
    theirs = {"hooks": [{"type": "command", "command": "theirs"}]}
    doc = {"hooks": {"SessionStart": [group(PREDECESSOR_COMMAND), theirs, group(OUR_COMMAND), theirs]}}
    data = json.dumps(doc).encode()
    after = HOOKS_JSON.apply(data, [edit_for(data, OURS)])
    assert groups_of(after) == [OURS, theirs, {"hooks": []}, theirs]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "expecting value"),
        (b" \n", "expecting value"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"\xff", "UTF-8"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"hooks": null}', "its `hooks` is not"),
        (b'{"hooks": []}', "its `hooks` is not"),
        (b'{"hooks": {"SessionStart": null}}', "SessionStart"),
        (b'{"hooks": {"SessionStart": [null]}}', "SessionStart"),
        (b'{"hooks": {"SessionStart": [{"hooks": null}]}}', "SessionStart"),
        (b'{"hooks": {"SessionStart": [{"matcher": 1}]}}', "SessionStart"),
        (b'{"version": 1, "hooks": {}}', "root key"),
        (b'{"hooks": {}, "hooks": {}}', "twice"),
        (b'{"hooks": {"SessionStart": [], "SessionStart": []}}', "twice"),
        (b'{"hooks": {}, }', "double quotes|trailing comma"),  # before and since Python 3.13
        (b'{"description": NaN}', "NaN"),
        (b'{"hooks": {} } // no', "extra data"),
    ],
)
def test_what_codex_would_not_read_is_refused(data: bytes, reason: str) -> None:
    """The reason is named, for reading and for editing."""
    with pytest.raises(Unparseable, match=reason):
        parse(data)
    with pytest.raises(Unmergeable, match=reason):
        HOOKS_JSON.apply(data, [KeyEdit(path=PATH, before=ABSENT, after=OURS)])


@pytest.mark.parametrize(
    ("command", "ours"),
    [
        (OUR_COMMAND, True),
        (PREDECESSOR_COMMAND, True),
        ('"C:\\Program Files\\Python\\python.exe" -m codex_fast_proxy autostart', True),
        ("python -m codex_fast_proxy status", False),
        ("python -m codex_fast_proxy_autostart", False),
        ("python -m codex_fast_proxy.autostart", False),
        ("python -m other autostart", False),
        ("python -m codex_fast_proxy autostarter", False),
        ("autostart", False),
    ],
)
def test_ours_is_told_by_its_command(*, command: str, ours: bool) -> None:
    """Only the module and the verb count, not the interpreter or the options."""
    doc = {"hooks": {"SessionStart": [group(command)]}}
    assert bool(find_ours(doc)) is ours


def test_an_image_that_does_not_parse_tells_nothing() -> None:
    """Restoring needs the current text only."""
    edits = [edit_for(None, OURS)]
    assert HOOKS_JSON.restore(HOOKS_JSON.apply(None, edits), b"{", edits) == Merged(content=b"{}\n")


def test_a_spelling_that_means_something_else_is_refused() -> None:
    """Giving a group back is proven to change no other hook, so a record that was tampered with adds none."""
    data = HOOKS_JSON.apply(None, [edit_for(None, group(PREDECESSOR_COMMAND))])
    edit = edit_for(data, OURS)
    lie = '{"hooks": [{"type": "command", "command": "evil"}]}'
    tampered = KeyEdit(path=PATH, before=edit.before, after=edit.after, before_spelling=lie)
    with pytest.raises(Unmergeable):
        HOOKS_JSON.restore(HOOKS_JSON.apply(data, [edit]) + b"\n", data, [tampered])


@pytest.mark.parametrize("data", [b'{"description": ' + b"[" * 100_000, b'{"hooks": {"X": ' + b"9" * 5000 + b"}}"])
def test_hostile_texts_are_refused(data: bytes) -> None:
    """Too deep or too long: the same kind of error."""
    with pytest.raises(Unparseable):
        parse(data)
