"""Legal texts of the files that Codex owns, in every spelling that we know of: text, not values.

config_texts()  -> (bytes of config.toml, id of the provider that it is about)
hooks_texts()   -> bytes of hooks.json
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from cfp.core.settings import Policy, Settings
from cfp.core.tiers.rules import Action, TierRule
from cfp.core.traffic.kinds import Kind

TRUST_KEY = "/home/a b/.codex/hooks.json:session_start:0:0"
OUR_COMMAND = (
    "/usr/bin/env -u PYTHONEXECUTABLE -u __PYVENV_LAUNCHER__ /usr/bin/python3 -I -m codex_fast_proxy autostart "
    "--codex-home /home/a/.codex --quiet"
)
PREDECESSOR_COMMAND = "python3 -m codex_fast_proxy autostart --codex-home /home/a/.codex --quiet"

Draw = st.DrawFn
_NAME_CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\x7f")
PROVIDER_IDS = st.one_of(
    st.sampled_from(
        [
            "relay",
            "my-relay_2",
            "1984",
            "a.b",
            "a b",
            'quo"te',
            "apo'strophe",
            "back\\slash",
            "ключ",
            "名前",
            "#no",
            "[x]",
        ]
    ),
    st.text(_NAME_CHARACTERS, min_size=1, max_size=6),
)
_COMMENTS = st.sampled_from(
    ["", " plain", "[model_providers.fake]", ' base_url = "no"', ' """', " 'one quote", " {[", " ünï", "\ttab"]
)
_PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=8)
_LOOKALIKE = '\n[model_providers.relay]\nbase_url = "no"\n# no comment\n'
_SCALARS = st.sampled_from(
    [
        "true", "false", "0", "-17", "+99", "1_000", "0xDEAD_beef", "0o755", "0b1101", "9223372036854775807",
        "3.14", "-0.0", "6.02e23", "1e-7", "inf", "-inf", "nan", "+nan",
        "1979-05-27", "07:32:00", "00:32:00.999999", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00-07:00",
        "1979-05-27T00:32:00.5", '""', "''", '"""\n"""', "''''''", '"a#b"', "'[x]'", '"\\"]\\\\"', "'C:\\dir\\'",
        '"""a\\\n   b"""', '""""quoted" and ""two"""""', "''''one''''", '"\\u00e9\\U0001F600\\t"',
        f'"""{_LOOKALIKE}"""', f"'''{_LOOKALIKE}'''",
    ]
)  # fmt: skip


def basic(value: str) -> str:
    """Write a TOML basic string."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


@st.composite
def key_spellings(draw: Draw, name: str) -> str:
    """Spell one part of a key in one of the ways that are legal for it."""
    ways = [basic(name)]
    if name and name.isascii() and all(c.isalnum() or c in "-_" for c in name):
        ways += [name, name]
    if "'" not in name and name.isprintable():
        ways.append(f"'{name}'")
    if name:
        ways.append(f'"\\U{ord(name[0]):08x}{basic(name[1:])[1:]}')
    return draw(st.sampled_from(ways))


@st.composite
def string_spellings(draw: Draw, value: str) -> str:
    """Spell a string value with one of the four kinds of TOML strings."""
    ways = [basic(value), f'"""{basic(value)[1:-1]}"""', f'"""\n{basic(value)[1:-1]}"""']
    if "'" not in value and value.isprintable():
        ways += [f"'{value}'", f"'''{value}'''", f"'''\n{value}'''"]
    return draw(st.sampled_from(ways))


class _Writer:
    """Writes TOML with the spacing that was drawn."""

    def __init__(self, draw: Draw, *, newer: bool) -> None:
        self.draw = draw
        self.newer = newer
        self.unused = iter(range(1000))

    def pick(self, *options: str) -> str:
        return self.draw(st.sampled_from(options))

    def flip(self) -> bool:
        return self.draw(st.booleans())

    def path(self, *names: str) -> str:
        dot = self.pick(".", ".", " . ", "\t. ")
        return dot.join(self.draw(key_spellings(name)) for name in names)

    def pair(self, names: tuple[str, ...], value: str) -> str:
        equals = self.pick(" = ", " = ", "=", "  =\t")
        return self.path(*names) + equals + value

    def value(self, depth: int = 2) -> str:
        kind = self.pick("scalar", "scalar", "text", "array", "table") if depth else "scalar"
        if kind == "text":
            return self.draw(string_spellings(self.draw(_PLAIN)))
        if kind == "array":
            return self.array([self.value(depth - 1) for _ in range(self.draw(st.integers(0, 3)))])
        if kind == "table":
            return self.inline([((f"i{n}",), self.value(depth - 1)) for n in range(self.draw(st.integers(0, 2)))])
        return self.draw(_SCALARS)

    def array(self, items: list[str]) -> str:
        if not items:
            return self.pick("[]", "[ ]", "[\n]", "[ # none ]\n]")
        gap = self.pick(", ", ",", ",\n  ", ", # ] \n")
        return f"[{self.pick('', ' ', chr(10))}{gap.join(items)}{self.pick('', ' ', ',', ', # [' + chr(10))}]"

    def inline(self, pairs: list[tuple[tuple[str, ...], str]]) -> str:
        written = [self.pair(names, value) for names, value in pairs]
        if self.newer and self.flip():
            gap = self.pick(",\n  ", ", # no } comment\n  ", ",")
            end = self.pick("", "\n", ",\n", ", # end\n") if written else self.pick("", "\n", " # none\n")
            return "{" + self.pick("", "\n  ", " # {\n") + gap.join(written) + end + "}"
        return "{" + self.pick("", " ") + self.pick(", ", ",", " , ").join(written) + self.pick("", " ", "  ") + "}"

    def extra(self) -> tuple[tuple[str, ...], str]:
        return (f"extra{next(self.unused)}",), self.value()

    def extras(self, most: int = 2) -> list[tuple[tuple[str, ...], str]]:
        return [self.extra() for _ in range(self.draw(st.integers(0, most)))]

    def shuffled(self, items: list[Any]) -> list[Any]:
        return self.draw(st.permutations(items))


Pairs = list[tuple[tuple[str, ...], str]]
Sections = list[tuple[str, Pairs]]


def _table(writer: _Writer, path: tuple[str, ...], pairs: Pairs, root: Pairs, sections: Sections) -> None:
    """Write one table in a layout of choice: header, dotted keys or inline, at the root or below its parent."""
    parent, name = path[:-1], path[-1]
    headers = {header.strip() for header, _ in sections}
    layouts = ["header", "header", "root dotted", "root inline"]
    if parent and not headers:
        layouts += ["parent dotted", "parent inline", "root nested"]
    layout = writer.pick(*layouts)
    if layout == "header":
        sections.append((f"[{writer.pick('', ' ')}{writer.path(*path)}{writer.pick('', ' ')}]", pairs))
    elif layout == "root dotted":
        root += [((*path, *names), value) for names, value in pairs]
    elif layout == "root inline":
        root.append((path, writer.inline(pairs)))
    elif layout == "root nested":
        inner = writer.inline(pairs)
        for step in reversed(path[1:]):
            inner = writer.inline([((step,), inner)])
        root.append((path[:1], inner))
    elif layout == "parent dotted":
        sections.append((f"[{writer.path(*parent)}]", [((name, *names), value) for names, value in pairs]))
    else:
        sections.append((f"[{writer.path(*parent)}]", [((name,), writer.inline(pairs))]))


def _providers(writer: _Writer, provider: str, root: Pairs, sections: Sections) -> None:
    if writer.pick("yes", "yes", "yes", "no") == "no":
        return
    pairs: Pairs = [(("name",), writer.draw(string_spellings("Relay"))), *writer.extras()]
    if writer.flip():
        pairs.append((("base_url",), writer.draw(string_spellings("https://relay.example/v1"))))
    pairs = writer.shuffled(pairs)
    layout = writer.pick("one", "one", "two headers", "sub only", "sub too")
    headers = [(("http_headers", "x-a"), '"1"')]
    if layout == "one":
        _table(writer, ("model_providers", provider), pairs, root, sections)
    elif layout == "two headers":
        sections.append((f"[{writer.path('model_providers', provider)}]", pairs))
        sections.append((f"[{writer.path('model_providers', provider + '2')}]", [*writer.extras()]))
    elif layout == "sub only":
        sections.append((f"[{writer.path('model_providers', provider, 'http_headers')}]", [(("x-a",), '"1"')]))
    else:
        sections.append((f"[{writer.path('model_providers', provider, 'query_params')}]", [(("a b",), '"1"')]))
        sections.append((f"[{writer.path('model_providers', provider)}]", pairs + headers))


def _features(writer: _Writer, root: Pairs, sections: Sections) -> None:
    if writer.flip():
        pairs: Pairs = [((f"extra{next(writer.unused)}",), "true")] if writer.flip() else []
        for name in ("hooks", "codex_hooks"):
            if writer.flip():
                pairs.append(((name,), writer.pick("true", "false")))
        _table(writer, ("features",), writer.shuffled(pairs), root, sections)


def _hooks(writer: _Writer, root: Pairs, sections: Sections) -> None:
    layout = writer.pick("none", "none", "trust", "state only", "inline hooks")
    if layout == "trust":
        pairs: Pairs = [(("trusted_hash",), '"sha256:00"'), (("enabled",), "true")]
        _table(writer, ("hooks", "state", "/x/hooks.json:stop:0:0"), pairs, root, sections)
    elif layout == "state only":
        _table(writer, ("hooks", "state"), [], root, sections)
    elif layout == "inline hooks":
        sections.append(
            (
                f"[[{writer.path('hooks', 'SessionStart')}]]",
                [(("matcher",), '"startup"'), (("hooks",), '[{ type = "command", command = "true" }]')],
            )
        )


def _others(writer: _Writer, sections: Sections) -> None:
    for _ in range(writer.draw(st.integers(0, 2))):
        number = next(writer.unused)
        if writer.flip():
            sections.append((f"[{writer.path('others', f's{number}.x')}]", writer.extras()))
        else:
            block = [(f"[[{writer.path('list' + str(number))}]]", writer.extras(1)) for _ in range(2)]
            sections += block


@st.composite
def config_texts(draw: Draw, *, toml_1_1: bool = False) -> tuple[bytes, str]:
    """Draw a legal config.toml and the id of the provider that it is about, which it need not define.

    toml_1_1  also use what Codex reads and Python's tomllib does not: inline tables of several lines
    """
    writer = _Writer(draw, newer=toml_1_1)
    provider = draw(PROVIDER_IDS)
    root: Pairs = writer.extras()
    sections: Sections = []
    for name, value in (("model_provider", provider), ("openai_base_url", "https://api.example/v1")):
        if writer.pick("no", "no", "yes") == "yes":
            root.append(((name,), draw(string_spellings(value))))
    _providers(writer, provider, root, sections)
    _features(writer, root, sections)
    _hooks(writer, root, sections)
    _others(writer, sections)
    lines = _lines(writer, writer.shuffled(root), 0)
    for header, pairs in writer.shuffled(sections):
        indent = writer.pick("", "", "  ", "\t")
        lines += [*_noise(writer), indent + header + _trailing(writer), *_lines(writer, pairs, len(indent))]
    lines += _noise(writer)
    return _encode(writer, lines), provider


def _lines(writer: _Writer, pairs: Pairs, width: int) -> list[str]:
    lines = []
    for names, value in pairs:
        lines += _noise(writer)
        lines.append(" " * width + writer.pair(names, value) + _trailing(writer))
    return lines


def _noise(writer: _Writer) -> list[str]:
    kind = writer.pick("none", "none", "none", "blank", "spaces", "comment")
    comment = f"{writer.pick('', '  ')}#{writer.draw(_COMMENTS)}" if kind == "comment" else ""
    return {"none": [], "blank": [""], "spaces": ["  "], "comment": [comment]}[kind]


def _trailing(writer: _Writer) -> str:
    return writer.pick("", "", "", " ", "  # why", "#[x]")


def _encode(writer: _Writer, lines: list[str]) -> bytes:
    text = "\n".join(lines) + writer.pick("\n", "\n", "\n", "", "\n\n")
    text = text.replace("\n", "\r\n") if writer.pick("lf", "lf", "crlf") == "crlf" else text
    return (b"\xef\xbb\xbf" if writer.pick("no", "no", "bom") == "bom" else b"") + text.encode()


# --- hooks.json ---------------------------------------------------------------------------------------------

_COMMANDS = st.one_of(
    st.sampled_from(["true", "echo 'a b'", 'say "hé"', "C:\\x\\y.exe", "echo -m codex_fast_proxy_autostart", "日本"]),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=8),
).filter(lambda command: bool(command.strip()))


@st.composite
def foreign_handlers(draw: Draw) -> dict[str, Any]:
    """Draw a command handler of somebody else, with every field that Codex knows."""
    handler: dict[str, Any] = {"type": "command", "command": draw(_COMMANDS)}
    optional = {
        "timeout": st.sampled_from([0, 1, 10, 600, 3600, None]),
        "statusMessage": st.sampled_from([None, "", "Working", '日本 "x" \u0007']),
        "async": st.booleans(),
        "additionalContextLimit": st.sampled_from([None, 0, 1, 5000]),
        "commandWindows": st.sampled_from([None, "cmd /c x"]),
        "unknown": st.sampled_from([None, 1, {"a": []}]),
    }
    for name, values in optional.items():
        if draw(st.booleans()):
            handler[name] = draw(values)
    return handler


@st.composite
def foreign_groups(draw: Draw) -> dict[str, Any]:
    """Draw a SessionStart group of somebody else."""
    group: dict[str, Any] = {"hooks": draw(st.lists(foreign_handlers(), max_size=2))}
    matcher = draw(st.sampled_from(["absent", None, "", "*", "startup", "startup|resume"]))
    if matcher != "absent":
        group = {"matcher": matcher, **group}
    return group


@st.composite
def hooks_texts(draw: Draw, *, ours: bool | None = False) -> bytes:
    """Draw a hooks.json that Codex accepts.

    ours  True: with one hook of ours or the predecessor's somewhere; False: without; None: either
    """
    groups = draw(st.lists(foreign_groups(), max_size=3))
    if ours or (ours is None and draw(st.booleans())):
        _add_ours(draw, groups)
    events: dict[str, Any] = {}
    if draw(st.booleans()):
        events["Stop"] = draw(st.lists(foreign_groups(), max_size=1))
    if groups or draw(st.booleans()):
        events["SessionStart"] = groups
    if draw(st.booleans()):
        events["PreToolUse"] = []
    doc: dict[str, Any] = {"hooks": events} if events or draw(st.booleans()) else {}
    if draw(st.booleans()):
        doc["description"] = draw(st.sampled_from(["mine", 'é "q" {[', ""]))
    if draw(st.booleans()):
        doc = dict(reversed(doc.items()))
    return _json_text(draw, doc)


def _add_ours(draw: Draw, groups: list[dict[str, Any]]) -> None:
    command = draw(st.sampled_from([OUR_COMMAND, PREDECESSOR_COMMAND]))
    handler = {"type": "command", "command": command, "timeout": 10}
    if groups and draw(st.booleans()):
        held = draw(st.sampled_from(groups))["hooks"]
        held.insert(draw(st.integers(0, len(held))), handler)
        return
    group: dict[str, Any] = {"hooks": [handler]}
    if draw(st.booleans()):
        group = {"matcher": "startup|resume", **group}
    groups.insert(draw(st.integers(0, len(groups))), group)


def _json_text(draw: Draw, doc: Any) -> bytes:
    layout = draw(st.sampled_from(["spaces 2", "spaces 4", "tab", "compact", "one line", "wild"]))
    if layout == "wild":
        text = draw(st.sampled_from(["", " ", "\n"])) + _wild(draw, doc)
    else:
        indent = {"spaces 2": 2, "spaces 4": 4, "tab": "\t"}.get(layout)
        separators = (",", ":") if layout == "compact" else None
        text = json.dumps(doc, indent=indent, separators=separators, ensure_ascii=draw(st.booleans()))
    text += draw(st.sampled_from(["", "\n", "\n\n"]))
    return (text.replace("\n", "\r\n") if draw(st.booleans()) else text).encode()


def _wild(draw: Draw, value: Any) -> str:
    """Write JSON with white space anywhere."""

    def gap() -> str:
        return draw(st.sampled_from(["", "", " ", "\n", "\t", "\n    "]))

    if isinstance(value, dict):
        members = [f"{json.dumps(k)}{gap()}:{gap()}{_wild(draw, v)}" for k, v in value.items()]
        return "{" + gap() + f"{gap()},{gap()}".join(members) + gap() + "}"
    if isinstance(value, list):
        return "[" + gap() + f"{gap()},{gap()}".join(_wild(draw, item) for item in value) + gap() + "]"
    return json.dumps(value, ensure_ascii=False)


WORDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=12)


def tier_rules(models: st.SearchStrategy[str] = WORDS) -> st.SearchStrategy[TierRule]:
    """Rules about tiers; `models` are the globs of those that have one."""
    return st.builds(
        TierRule,
        action=st.sampled_from(Action),
        kind=st.none() | st.sampled_from(Kind),
        model=st.none() | models,
    )


@st.composite
def valid_settings(draw: Draw) -> Settings:
    """Settings that pass `validate`."""
    env = draw(st.none() | st.sampled_from(["KEY", "_K9"]))
    return Settings(
        provider=draw(st.text(min_size=1)),
        upstream_base=draw(
            st.sampled_from(["https://relay.example/v1", "http://127.0.0.1:9/v1", "https://[::1]:8443"])
        ),
        host=draw(st.sampled_from(["127.0.0.1", "localhost", "::1"])),
        port=draw(st.integers(1024, 65535).filter(lambda port: port != 8443)),
        proxy_base=draw(st.sampled_from(["/v1", "/a/b"])),
        service_tier=draw(st.sampled_from(["priority", "flex"])),
        service_tier_policy=draw(st.sampled_from(Policy)),
        upstream_api_key_env=env,
        upstream_api_key_file=env is None and draw(st.booleans()),
        upstream_api_key_entry=draw(st.none() | st.sampled_from(["upstream work https://relay.example/v1"])),
        upstream=draw(st.none() | st.sampled_from(["work", "home.2"])),
        pass_rate_limits=draw(st.booleans()),
        fast_requests_a_day=draw(st.none() | st.integers(1, 10**9)),
        fast_tokens_a_day=draw(st.none() | st.integers(1, 10**12)),
        catalogue=draw(st.booleans()),
        service_tier_rules=draw(st.lists(tier_rules().map(lambda rule: rule.text), max_size=3).map(tuple)),
    )
