"""config.toml: our keys in, our keys out, and not a byte more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cfp.codex.compare import equivalent
from cfp.codex.config_toml import CONFIG_TOML, edit_for, lookup, parse, spelling
from cfp.codex.toml_syntax import scan
from journal.values import ABSENT, KeyEdit, KeyPath, Unmergeable
from tests.strategies import TRUST_KEY, config_texts, string_spellings

PROXY = "http://127.0.0.1:8787/v1"
CONFIGS = config_texts(toml_1_1=True)


def own_values(provider: str) -> dict[KeyPath, Any]:
    """Return a value for every own key; an install sets only some of them."""
    return {
        ("model_providers", provider, "base_url"): PROXY,
        ("model_provider",): provider,
        ("openai_base_url",): PROXY,
        ("features", "hooks"): True,
        ("features", "codex_hooks"): True,
        ("hooks", "state", TRUST_KEY, "trusted_hash"): "sha256:11",
        ("hooks", "state", TRUST_KEY, "enabled"): True,
    }


def install_edits(data: bytes | None, provider: str) -> list[KeyEdit]:
    return [edit_for(data, path, value) for path, value in own_values(provider).items()]


def changed(doc: dict[str, Any], path: KeyPath, value: Any) -> dict[str, Any]:
    """Return the document with one key set, or removed with the tables that this leaves empty."""
    head, rest = path[0], path[1:]
    inner = changed(doc.get(head, {}), rest, value) if rest else value
    others = {name: other for name, other in doc.items() if name != head}
    return others if inner is ABSENT or inner == {} else {**others, head: inner}


def without_empty(value: Any) -> Any:
    """Return the value without empty tables, which mean nothing in config.toml."""
    if not isinstance(value, dict):
        return value
    inner = {name: without_empty(member) for name, member in value.items()}
    return {name: member for name, member in inner.items() if member != {}}


def as_codex_rewrites(data: bytes) -> bytes:
    """Return the file as Codex writes it after an edit: LF, no byte order mark."""
    return data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")


def assert_restores(data: bytes, edits: list[KeyEdit], drifted: bytes, expected: bytes) -> None:
    merged = CONFIG_TOML.restore(drifted, data, edits)
    assert merged.content == expected
    assert merged.conflicts == ()


@given(CONFIGS)
def test_apply_means_the_declared_change_and_nothing_else(case: tuple[bytes, str]) -> None:
    """No legal text is refused, and the result differs from it in our keys only."""
    data, provider = case
    edits = install_edits(data, provider)
    expected = parse(data)
    for edit in edits:
        expected = changed(expected, edit.path, edit.after)
    assert equivalent(without_empty(parse(CONFIG_TOML.apply(data, edits))), without_empty(expected))


@given(CONFIGS, st.integers(0, 6))
def test_one_edit_takes_away_no_more_than_the_old_value(case: tuple[bytes, str], which: int) -> None:
    """Setting a key keeps everything before and after it, byte by byte; only the value's old spelling goes."""
    data, provider = case
    edit = install_edits(data, provider)[which]
    after = CONFIG_TOML.apply(data, [edit])
    old = (edit.before_spelling or "").encode()
    head = common_prefix(data, after)
    tail = common_prefix(data[head:][::-1], after[head:][::-1])
    assert len(data) - head - tail <= len(old)
    assert data[head : len(data) - tail] in old


def common_prefix(left: bytes, right: bytes) -> int:
    return next(
        (at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right))
    )


@given(CONFIGS)
def test_restore_gives_back_the_bytes_of_an_untouched_file(case: tuple[bytes, str]) -> None:
    """Apply and restore are inverse to the byte."""
    data, provider = case
    edits = install_edits(data, provider)
    assert_restores(data, edits, CONFIG_TOML.apply(data, edits), data)


@given(CONFIGS, st.sampled_from([b"\n# later\n", b"\n\n[later]\nx = 1\n", b'\n[[later]]\nx = """\n[features]\n"""']))
def test_restore_keeps_what_others_appended(case: tuple[bytes, str], later: bytes) -> None:
    """Key by key, the text comes back as it was before us, with what others put behind it."""
    data, provider = case
    edits = install_edits(data, provider)
    assert_restores(data, edits, CONFIG_TOML.apply(data, edits) + later, data + later)


@given(CONFIGS)
def test_restore_keeps_what_others_put_first(case: tuple[bytes, str]) -> None:
    """A root key that others put before everything else stays."""
    data, provider = case
    edits = install_edits(data, provider)

    def edited(text: bytes) -> bytes:
        bom = b"\xef\xbb\xbf" if text.startswith(b"\xef\xbb\xbf") else b""
        return bom + b"first = 1" + newline(data).encode() + text[len(bom) :]

    assert_restores(data, edits, edited(CONFIG_TOML.apply(data, edits)), edited(data))


@given(CONFIGS)
def test_restore_survives_a_rewrite_by_codex(case: tuple[bytes, str]) -> None:
    """New line endings, no byte order mark and a table more stay; our keys go back in their spelling."""
    data, provider = case
    edits = install_edits(data, provider)
    later = b"\n[projects.'/p']\ntrust_level = 'trusted'\n"
    drifted = as_codex_rewrites(CONFIG_TOML.apply(data, edits)) + later
    assert_restores(data, edits, drifted, as_codex_rewrites(data) + later)


def line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end - text[:end].endswith("\r")


def owner_edits(data: bytes, provider: str, what: str, which: int) -> bytes:
    """One edit of the file's owner, counted in what stands there with our keys and without them."""
    own = own_values(provider)
    bom = data[:3] if data.startswith(b"\xef\xbb\xbf") else b""
    text = data[len(bom) :].decode()
    sections = [held for held in scan(text)[1:] if TRUST_KEY not in held.path]
    entries = [
        entry
        for held in scan(text)
        for entry in held.entries
        if not any(path[: len(entry.path)] == entry.path for path in own)
    ]
    if what == "key" and sections:
        at = line_end(text, sections[which % len(sections)].header[1])
        text = f"{text[:at]}{newline(data)}mine = [ # ]{newline(data)}]{text[at:]}"
    elif what == "comment" and entries:
        start = text.rfind("\n", 0, entries[which % len(entries)].start) + 1
        text = f"{text[:start]}# [mine]{newline(data)}{text[start:]}"
    elif what == "trailing comment" and entries:
        at = line_end(text, entries[which % len(entries)].end)
        text = f"{text[:at]} # mine{text[at:]}"
    elif what == "removal" and entries:
        entry = entries[which % len(entries)]
        text = text[: entry.start] + "# gone" + text[line_end(text, entry.end) :]
    return bom + text.encode()


@given(CONFIGS, st.sampled_from(["key", "comment", "trailing comment", "removal"]), st.integers(0, 20))
def test_restore_keeps_what_the_owner_edited(case: tuple[bytes, str], what: str, which: int) -> None:
    """Edit, then restore, is restore, then edit: to the byte, wherever in the text the owner wrote."""
    data, provider = case
    edits = install_edits(data, provider)
    installed = CONFIG_TOML.apply(data, edits)
    drifted, expected = (owner_edits(text, provider, what, which) for text in (installed, data))
    assume(owner_places(data) == owner_places(installed))
    assert_restores(data, edits, drifted, expected)


def owner_places(data: bytes) -> list[Any]:
    """Return the places that `owner_edits` counts; an install into the owner's own table may add a header there."""
    sections = [section for section in scan(data.decode("utf-8-sig")) if TRUST_KEY not in section.path]
    return [section.path for section in sections]


@given(st.text(), st.text(), st.sampled_from([b"", b"[hooks]\n", b"hooks = {}\n", b"[hooks]\nstate = {}\n"]))
def test_any_key_and_any_text_can_be_set(key: str, value: str, data: bytes) -> None:
    """Names and values are escaped as TOML asks for, whatever characters they hold."""
    path = ("hooks", "state", key, "trusted_hash")
    edit = edit_for(data, path, value)
    after = CONFIG_TOML.apply(data, [edit])
    assert lookup(parse(after), path) == value
    assert CONFIG_TOML.restore(after + b"# later\n", data, [edit]).content == data + b"# later\n"


@given(CONFIGS)
def test_restore_is_idempotent(case: tuple[bytes, str]) -> None:
    """Restoring a restored text changes nothing and finds no conflict."""
    data, provider = case
    edits = install_edits(data, provider)
    drifted = CONFIG_TOML.apply(data, edits) + b"\n# later\n"
    once = CONFIG_TOML.restore(drifted, data, edits).content
    assert once is not None
    assert_restores(data, edits, once, once)


@given(CONFIGS, st.integers(0, 6), string_spellings("https://somebody.else/v1"))
def test_a_key_that_others_changed_is_a_conflict(case: tuple[bytes, str], which: int, theirs: str) -> None:
    """Their value stays, is listed, and our other keys still go back."""
    data, provider = case
    edits = install_edits(data, provider)
    disputed = edits[which]
    other = "https://somebody.else/v1"
    foreign = KeyEdit(path=disputed.path, before=ABSENT, after=other)
    drifted = CONFIG_TOML.apply(CONFIG_TOML.apply(data, edits), [foreign])
    merged = CONFIG_TOML.restore(drifted, data, edits)
    assert merged.conflicts == (disputed.path,)
    assert merged.content is not None
    expected = changed(parse(data), disputed.path, other)
    assert equivalent(without_empty(parse(merged.content)), without_empty(expected))


@given(CONFIGS, st.integers(0, 6))
def test_a_key_that_others_deleted(case: tuple[bytes, str], which: int) -> None:
    """A conflict where there was a value before us, as it should be where there was none."""
    data, provider = case
    edits = install_edits(data, provider)
    gone = edits[which]
    drifted = CONFIG_TOML.apply(
        CONFIG_TOML.apply(data, edits) + b"\n# later\n", [KeyEdit(path=gone.path, before=gone.after, after=ABSENT)]
    )
    merged = CONFIG_TOML.restore(drifted, data, edits)
    assert merged.conflicts == ((gone.path,) if gone.before is not ABSENT else ())


@given(CONFIGS)
def test_a_deleted_key_comes_back_in_its_spelling(case: tuple[bytes, str]) -> None:
    """An uninstall that is rolled back: keys that it took out stand there again as they were written."""
    data, provider = case
    installed = CONFIG_TOML.apply(data, install_edits(data, provider))
    edits = [edit_for(installed, path, ABSENT) for path in own_values(provider)]
    removed = CONFIG_TOML.apply(installed, edits)
    assert all(lookup(parse(removed), edit.path) is ABSENT for edit in edits)
    merged = CONFIG_TOML.restore(removed + b"\n# later\n", installed, edits)
    assert merged.conflicts == ()
    assert merged.content is not None
    assert equivalent(without_empty(parse(merged.content)), without_empty(parse(installed)))
    assert [spelling(merged.content, e.path) for e in edits] == [
        None if e.before_spelling is None else e.before_spelling.replace("\r\n", newline(merged.content))
        for e in edits
    ]


def newline(data: bytes) -> str:
    return "\r\n" if b"\r\n" in data else "\n"


@pytest.mark.parametrize(
    "lie",
    [
        '"https://evil/v1"',
        '"https://x/v1"\nevil = 1',
        '"https://x/v1"\n[evil]',
        "'https://x/v1",
        "",
        "true",
        '"\ud800"',
    ],
)
def test_a_spelling_that_means_something_else_is_refused(lie: str) -> None:
    """The text is proven to mean the declared change, so a record that was tampered with writes nothing else."""
    data = b"[model_providers.x]\nbase_url = 'https://x/v1'\n"
    path = ("model_providers", "x", "base_url")
    edit = KeyEdit(path=path, before="https://x/v1", after=PROXY, before_spelling=lie or "# nothing")
    with pytest.raises(Unmergeable):
        CONFIG_TOML.restore(CONFIG_TOML.apply(data, [edit]) + b"# later\n", data, [edit])


@pytest.mark.parametrize("value", ["\ud800", None, [], {}, b"x"])
def test_only_plain_values_are_written(value: Any) -> None:
    """A value that TOML cannot hold at a leaf is refused, not stringified."""
    with pytest.raises(Unmergeable):
        CONFIG_TOML.apply(b"", [KeyEdit(path=("model_provider",), before=ABSENT, after=value)])


def test_a_key_that_somebody_added_to_our_table_keeps_the_table() -> None:
    """A table of ours with something of theirs in it stays, with just that."""
    edits = [edit_for(b"", ("features", "hooks"), True)]
    drifted = CONFIG_TOML.apply(b"", edits).replace(b"[features]\n", b"[features]\nweb_search = true\n")
    assert CONFIG_TOML.restore(drifted, b"", edits).content == b"[features]\nweb_search = true\n"


def test_a_trust_table_goes_with_its_last_key_and_no_other_table_does() -> None:
    """A trust entry is ours by its name; an empty table of any other name may be its owner's."""
    data = b'[features]\nhooks = true\n\n[hooks.state."k"]\ntrusted_hash = "sha256:00"\n'
    edits = [
        edit_for(data, path, ABSENT) for path in (("hooks", "state", "k", "trusted_hash"), ("features", "hooks"))
    ]
    assert CONFIG_TOML.apply(data, edits) == b"[features]\n"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("{ a = 1, # mine\n hooks = true }", "{ a = 1, # mine\n  }"),
        ("{ a = 1, # mine\n hooks = true, }", "{ a = 1, # mine\n  }"),
        ("{ hooks = true, # mine\n a = 1 }", "{  # mine\n a = 1 }"),
        ("{ hooks = true # mine\n , a = 1 }", "{  # mine\n  a = 1 }"),
        ("{ hooks = true, }", "{  }"),
        ("{ hooks = true, a = 1, }", "{ a = 1, }"),
        ("{ a = 1, hooks = true, b = 2 }", "{ a = 1, b = 2 }"),
    ],
)
def test_comments_and_commas_around_our_key_in_an_inline_table(now: str, expected: str) -> None:
    """The owner's text around our key stays, and the commas come out right."""
    edits = [edit_for(b"features = { a = 1 }", ("features", "hooks"), True)]
    merged = CONFIG_TOML.restore(f"features = {now}".encode(), b"features = { a = 1 }", edits)
    assert merged.content == f"features = {expected}".encode()


def test_a_comment_on_our_line_stays() -> None:
    """A comment behind our key, or behind the header of our table, belongs to its writer."""
    edits = [edit_for(b"x = 1\n", ("features", "hooks"), True)]
    drifted = b"x = 1\n\n[features] # why\nhooks = true # who\n"
    assert CONFIG_TOML.restore(drifted, b"x = 1\n", edits).content == b"x = 1\n# why\n# who\n"


def test_an_image_that_does_not_parse_tells_nothing() -> None:
    """Restoring needs the current text only; without a readable image, an empty table of ours goes."""
    edits = [edit_for(None, ("features", "hooks"), True)]
    assert CONFIG_TOML.restore(b"[features]\nhooks = true\n", b"[", edits).content == b""


def test_a_file_that_was_not_there_goes_again() -> None:
    """If there was no config.toml, none is left, except with entries that the owner has added since."""
    edits = install_edits(None, "relay")
    after = CONFIG_TOML.apply(None, edits)
    assert CONFIG_TOML.restore(after, None, edits).content is None
    assert CONFIG_TOML.restore(after + b"[mine]\n", None, edits).content == b"[mine]\n"


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (b"features = true\n", ("features", "hooks")),
        (b"[[features]]\n", ("features", "hooks")),
        (b"[model_provider]\n", ("model_provider",)),
        (b"features = { hooks = [] }\n", ("features", "hooks")),
        (b"features.hooks = 1979-05-27\n", ("features", "hooks")),
    ],
)
def test_a_text_of_another_shape_is_refused(data: bytes, path: KeyPath) -> None:
    """A table where a value belongs, or a value where a table does: refused, whoever asks."""
    with pytest.raises(Unmergeable):
        CONFIG_TOML.apply(data, [edit_for(data, path, True)])
