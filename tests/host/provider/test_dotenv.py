"""$CODEX_HOME/.env, read as the real Codex reads it."""

from __future__ import annotations

import json
import os
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cfp.host.provider.dotenv import parse_dotenv

ENVIRON = {"FROM_ENV": "outer", "ENVV": "env", "K1": "from the environment"}

# One line each; the value is what Codex 0.169 put into a header for it, None where it put none (a value that does
# not parse, or is empty).
LINES = {
    "plain": "plain",
    " spaced": "spaced",
    "  spaced\t ": "spaced",
    "'single $ENVV \\n #x'": "single $ENVV \\n #x",
    '"double \\"q\\" #x \\\\ \\$ENVV"': 'double "q" #x \\ $ENVV',
    "val #comment": "val",
    "val#nocomment": "val#nocomment",
    "tab\t#c": "tab",
    "#empty": None,
    "": None,
    '""': None,
    '"${ENVV}-x"': "env-x",
    "$ENVV": "env",
    "pre$ENVV.post": "preenv.post",
    '"$ENVV"': None,  # the sign that ends a name is taken as it is: the quote stays open
    "$ENVV x": "env x",
    "$UNDEF-x": "-x",
    "${FROM_ENV}": "outer",
    "$FROM_ENV": "_ENV",  # a bare name has letters and digits only
    "${ENVV": None,
    "x$": "x",
    '"x$"': None,
    "sk-abc$def": "sk-abc",
    "sk-a=b==": "sk-a=b==",
    "a b": None,
    "\"a\"b'c'": "abc",
    "a\\ b": "a b",
    "a\\qb": None,
    '"a\tb" # c': "a\tb",
    "'it''s'": "its",
    "'a' b": None,
}
FILES = [
    # comments may hold quotes; quotes may span lines; an unclosed one reaches the end of the file
    (b"# don't\nK1=v1\nK2=v2 # isn't\nK3=v3\n", {"K1": "v1", "K2": "v2", "K3": "v3"}),
    (b'K1="a\nb"\nK2=v2\n', {"K1": "a\nb", "K2": "v2"}),
    (b"K2=v2\nK1='abc\nK3=v3\n", {"K2": "v2"}),
    (b"K1=v1\r\nK2=\"v2\"\r\nK3='v3' \r\n", {"K1": "v1", "K2": "v2", "K3": "v3"}),
    (b"\xef\xbb\xbfK1=v1\nK2=v2\n", {"K2": "v2"}),
    (b"K1=v1\nK2=\xff\nK3=v3\n", {"K1": "v1", "K3": "v3"}),
    (
        b"K1=v1\nK1=v2\nexport=5\nexport K3=v3\nK.4=x\n4K=5\n_K=6",
        {"K1": "v2", "export": "5", "K3": "v3", "K.4": "x", "_K": "6"},
    ),
    (b"CODEX_X=1\ncodex_y=2\nCodex_z=3\nCODEXX=4\n", {"CODEXX": "4"}),
    (b"K1=file\nK2=${K1}\n", {"K1": "file", "K2": "file"}),
    (b"no assignment\nK: colon\n=x\nK2 = v2", {"K2": "v2"}),
    (b"", {}),
]


@pytest.mark.parametrize(("text", "expected"), LINES.items())
def test_each_spelling_of_a_value(text: str, expected: str | None) -> None:
    """A value is unquoted, unescaped and substituted exactly as Codex does it."""
    assert (expected or "") == parse_dotenv(f"KEY={text}\n".encode(), ENVIRON).get("KEY", "")


@pytest.mark.parametrize(("data", "expected"), FILES)
def test_whole_files(data: bytes, expected: dict[str, str]) -> None:
    """A line that does not parse costs itself only, names of Codex's own are ignored."""
    assert expected == parse_dotenv(data, ENVIRON)


def test_no_file_sets_nothing() -> None:
    """Most homes have none."""
    assert parse_dotenv(None, ENVIRON) == {}


@given(
    st.dictionaries(
        st.from_regex(r"[A-BD-Z_][A-Z0-9_]{0,8}", fullmatch=True), st.text("abc$ '\"\\#=\t\n{}", max_size=12)
    )
)
def test_what_is_quoted_comes_back(values: dict[str, str]) -> None:
    """Any value has a spelling, in double quotes with four signs escaped, that reads back as it was."""
    escaped = {
        name: value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("\n", "\\n")
        for name, value in values.items()
    }
    data = "".join(f'export {name}="{value}" # said\n' for name, value in escaped.items()).encode()
    assert values == parse_dotenv(data, {})


@given(st.binary(max_size=120))
@example(b"K='\\")
@example(b"K=\\")
@example(b"K=$")
@example(b"K=${")
@example(b'"' * 100)
@example(b" #" * 50 + b"'")
def test_no_bytes_make_it_raise(data: bytes) -> None:
    """A broken file is a file with fewer values; and reading it twice says the same."""
    assert parse_dotenv(data, ENVIRON) == parse_dotenv(data, ENVIRON)


def test_a_large_file_of_quotes_is_read_in_linear_time() -> None:
    """No pattern backtracks over the whole file again and again."""
    assert set(parse_dotenv(b"K='\\'" * 50_000, {})) == {"K"}
    assert parse_dotenv(b"A=1\n" + b' "' * 100_001, {}) == {"A": "1"}


class _Recorder(BaseHTTPRequestHandler):
    seen: ClassVar[dict[str, str]]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        type(self).seen.update({name.lower(): value for name, value in self.headers.items()})
        self.send_response(400)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST  # noqa: N815 - the stdlib's name

    def log_message(self, *args: object) -> None:
        pass


def test_the_table_is_what_the_real_codex_does(codex_cli: Path, codex_home: Path) -> None:
    """Codex is asked for every spelling of the table: env_http_headers shows what its variables hold."""

    class Recorder(_Recorder):
        seen: ClassVar[dict[str, str]] = {}

    names = [f"V{number}X" for number in range(len(LINES))]
    spelled = "".join(f"{name}={text}\n" for name, text in zip(names, LINES, strict=True))
    (codex_home / ".env").write_bytes(f"ENVV=env\n{spelled}".encode())
    headers = ", ".join(f'"X-{name}" = "{name}"' for name in names)
    with ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server:
        Thread(target=server.serve_forever).start()
        url = json.dumps(f"http://127.0.0.1:{server.server_port}/v1")
        (codex_home / "config.toml").write_text(
            'model = "gpt-5"\nmodel_provider = "recorder"\n[model_providers.recorder]\nname = "recorder"\n'
            f'base_url = {url}\nwire_api = "responses"\nenv_http_headers = {{ {headers} }}\n'
        )
        subprocess.run(
            [codex_cli, "exec", "--skip-git-repo-check", "hello"],
            cwd=codex_home,
            env={**os.environ, "FROM_ENV": "outer"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )
        server.shutdown()
    shown = {text: Recorder.seen.get(f"x-{name}".lower()) for name, text in zip(names, LINES, strict=True)}
    assert LINES == shown
