"""Keys and their destinations, tested by commands: unusual sources, and refusals that repeat no key."""

from __future__ import annotations

import json
import sys

import pytest

from cfp.core.identities import UNREADABLE_IGNORED_SINCE
from tests.end_to_end.harness import KEY, KEY_ENV, Machine, api_key_login, chatgpt_login, relay_config
from tests.real_codex import Version

_PRINTS = json.dumps([sys.executable, ["-c", f"print('{KEY}')"]])[1:-1]
_TOLD = "[model_providers.relay.auth]\ncommand = {}\nargs = {}\n".format(*_PRINTS.split(", ", 1))


LOGIN_KEY = "requires_openai_auth = true\n"


def without_env_key(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("env_key")) + "\n"


def test_a_key_that_a_program_tells(codex: Machine) -> None:
    """`auth.command`: verified with that key, and Codex's own turns carry it through the proxy."""
    codex.write("config.toml", without_env_key(relay_config(codex.upstream.base_url, table=_TOLD)))
    result = codex.install("--service-tier-policy", "inject_missing").json
    assert ("verified", "auth_command") == (
        result["verification"]["status"],
        result["verification"]["api_key_source"],
    )
    turn = codex.turn()
    assert (f"Bearer {KEY}", "priority") == (turn.header("authorization"), turn.json()["service_tier"])
    assert "source_key_short_lived" == codex.cfp("prepare-chatgpt-login").json["code"]


@pytest.mark.parametrize("verb", [["install", "--start"], ["install", "--start", "--dry-run"], ["verify-upstream"]])
def test_an_env_key_in_auth_json_alone(machine: Machine, verb: list[str]) -> None:
    """Codex does not find it there, so no route can work: refused, nothing is sent, and the two places are named."""
    machine.relay()
    machine.write("config.toml", machine.config.read_text().replace(KEY_ENV, "OTHER_KEY"))
    machine.write("auth.json", f'{{"OTHER_KEY": "{KEY}", "OPENAI_API_KEY": "{KEY}"}}')
    assert "codex_key_unset" in {check["code"] for check in machine.cfp("doctor").json["checks"]}
    ran = machine.cfp(*verb)
    if "--dry-run" not in verb:
        assert (2, "codex_key_unset") == (ran.code, ran.json["code"]), ran.transcript
        assert str(machine.home / ".env") in ran.json["error"]
    assert () == machine.upstream.received
    machine.write(".env", f"OTHER_KEY={KEY}\n")
    assert 0 == machine.cfp("verify-upstream").code


def test_another_key_is_no_way_around_an_unset_env_key(codex: Machine) -> None:
    """The real Codex ends each turn without asking anyone, so install refuses with --upstream-api-key-env too."""
    codex.relay()
    codex.environ |= {KEY_ENV: "", "OTHER": KEY}
    before = codex.files()
    ran = codex.cfp("install", "--start", "--port", str(codex.port), "--upstream-api-key-env", "OTHER")
    assert (2, "codex_key_unset") == (ran.code, ran.json["code"]), ran.transcript
    assert KEY_ENV in ran.json["error"]
    assert ((), before) == (codex.upstream.received, codex.files())
    turn = codex.codex_exec()
    assert (1, True, ()) == (turn.code, KEY_ENV in turn.stderr, codex.upstream.received), turn.transcript


_WANTS_LOGIN = "requires_openai_auth = true\n"
_FAILS = "[model_providers.relay.auth]\ncommand = {}\nargs = {}\n".format(
    *json.dumps([sys.executable, ["-c", "print('sk-half-a-key'); raise SystemExit(3)"]])[1:-1].split(", ", 1)
)


@pytest.mark.parametrize(
    ("table", "auth", "code", "words"),
    [
        (_WANTS_LOGIN, f'\ufeff{{"OPENAI_API_KEY": "{KEY}"}}', "auth_json_broken", "byte order mark"),
        (_WANTS_LOGIN, f'{{"OPENAI_API_KEY": "{KEY}",}}', "auth_json_broken", "line 1, column"),
        (_WANTS_LOGIN, "[]", "auth_json_broken", "not a JSON object"),
        (_WANTS_LOGIN, "", "not_signed_in", "nobody is signed in"),
        (_FAILS, "", "auth_command_failed", "exit code 3"),
    ],
    ids=["byte order mark", "comma", "list", "nobody", "command"],
)
def test_no_key_for_a_reason(
    codex: Machine, codex_version: Version, table: str, auth: str, code: str, words: str
) -> None:
    """The reason is named, and it is true: the real Codex sends the provider a turn without a key, or none at all."""
    codex.write("config.toml", without_env_key(relay_config(codex.upstream.base_url, table=table)))
    if auth:
        codex.write("auth.json", auth)
    ran = codex.cfp("install", "--start", "--port", str(codex.port))
    assert (2, code, True) == (ran.code, ran.json["code"], words in ran.json["error"]), ran.transcript
    assert () == codex.upstream.turns  # Codex itself may read the catalogue while it is asked for its word
    assert "half-a-key" not in ran.stdout
    codex.codex_exec()
    is_refused = code == "auth_json_broken" and codex_version < UNREADABLE_IGNORED_SINCE
    assert (set() if is_refused else {None}) == {
        request.header("authorization") for request in codex.upstream.received
    }


@pytest.mark.parametrize("words", [[], ["--source-auth-key", "OPENAI_API_KEY"], ["--apply"]], ids=" ".join)
def test_a_broken_auth_json_has_no_key_to_save(machine: Machine, words: list[str]) -> None:
    """The file is named, and not the name of an entry that nobody could find in it."""
    table = "requires_openai_auth = true\n"
    machine.write("config.toml", without_env_key(relay_config(machine.upstream.base_url, table=table)))
    machine.write("auth.json", f'\ufeff{{"OPENAI_API_KEY": "{KEY}"}}')
    ran = machine.cfp("prepare-chatgpt-login", *words)
    assert (2, "auth_json_broken") == (ran.code, ran.json["code"]), ran.transcript
    assert KEY not in ran.stdout


@pytest.mark.parametrize(
    ("words", "entered", "source"),
    [
        (["--from-stdin"], f"{KEY}\n", "stdin"),
        (["--from-stdin"], f"{KEY}\r\nmore\n", "stdin"),
        (["--from-env", "MY_KEY"], "", "process_env:MY_KEY"),
    ],
)
def test_a_key_that_the_user_has(machine: Machine, words: list[str], entered: str, source: str) -> None:
    """Saved where no file has it, as after a ChatGPT login: no output shows it, and the provider gets it."""
    machine.write("config.toml", without_env_key(relay_config(machine.upstream.base_url, table=LOGIN_KEY)))
    machine.write("auth.json", chatgpt_login())
    machine.environ |= {"MY_KEY": KEY} if "--from-env" in words else {}
    ran = machine.cfp("prepare-chatgpt-login", *words, "--apply", entered=entered)
    assert ("prepared", source) == (ran.json["status"], ran.json["source"]), ran.transcript
    assert KEY not in ran.stdout + ran.stderr
    machine.environ.pop("MY_KEY", None)
    machine.install("--use-provider-auth-file")
    assert f"Bearer {KEY}" == machine.upstream.turns[-1].header("authorization")


@pytest.mark.parametrize(
    ("words", "entered"),
    [(["--from-stdin"], ""), (["--from-stdin"], "\n"), (["--from-stdin"], "  \n"), (["--from-env", "MY_KEY"], "")],
)
def test_no_key_where_one_was_named(machine: Machine, words: list[str], entered: str) -> None:
    """An empty input and a variable that is not set: nothing is saved, and the other places are named."""
    machine.relay()
    before = machine.files()
    ran = machine.cfp("prepare-chatgpt-login", *words, "--apply", entered=entered)
    assert (2, "source_key_unknown") == (ran.code, ran.json["code"]), ran.transcript
    assert before == machine.files()


def test_a_401_without_a_key_says_so(codex: Machine) -> None:
    """Codex sends no key where the table names none; with the key named, the very advice, the install succeeds."""
    codex.write("config.toml", without_env_key(relay_config(codex.upstream.base_url)))
    ran = codex.cfp("install", "--start", "--port", str(codex.port))
    assert (2, "upstream_wants_key") == (ran.code, ran.json["code"]), ran.transcript
    assert "--upstream-api-key-env" in ran.json["next_user_action"]
    codex.install("--upstream-api-key-env", KEY_ENV)
    assert f"Bearer {KEY}" == codex.turn().header("authorization")


def test_a_401_with_a_key_is_about_the_key(machine: Machine) -> None:
    """A wrong key was sent, so it is not called missing; its place is named, and the way to mend it."""
    machine.relay()
    machine.environ[KEY_ENV] = "sk-wrong"
    machine.upstream.keys.add("sk-wrong")  # it may come here
    ran = machine.cfp("install", "--start", "--port", str(machine.port))
    assert (2, "upstream_key_refused") == (ran.code, ran.json["code"]), ran.transcript
    assert "refused the key of the variable RELAY_KEY (401)" in ran.json["error"]
    assert str(machine.home / ".env") in ran.json["next_user_action"]
    machine.environ.pop(KEY_ENV)
    machine.write(".env", "RELAY_KEY=sk-wrong\n")
    assert "RELAY_KEY in .env of the Codex home" in machine.cfp("verify-upstream").json["error"]
    machine.cfp("prepare-chatgpt-login", "--from-stdin", "--apply", entered="sk-wrong\n")
    ran = machine.cfp("verify-upstream", "--use-provider-auth-file")
    assert "the key of provider-auth.json (401)" in ran.json["error"]
    assert "`codex-fast-proxy prepare-chatgpt-login --from-stdin --apply`" in ran.json["next_user_action"]


def test_a_chatgpt_login_is_not_ours_to_send(machine: Machine) -> None:
    """A provider with requires_openai_auth: nothing is sent to verify it, and the result names the next step."""
    table = "requires_openai_auth = true\n"
    machine.write("config.toml", without_env_key(relay_config(machine.upstream.base_url, table=table)))
    machine.write("auth.json", chatgpt_login())
    before = machine.files()
    ran = machine.cfp("install", "--start", "--port", str(machine.port))
    assert (2, "chatgpt_login_not_sent") == (ran.code, ran.json["code"]), ran.transcript
    assert ((), before) == (machine.upstream.received, machine.files())
    assert (
        0
        == machine.cfp("install", "--start", "--port", str(machine.port), "--upstream-api-key-env", "RELAY_KEY").code
    )


@pytest.mark.parametrize(
    ("verb", "typed"),
    [
        ("install", "sk-abcdefghijklmnop"),
        ("verify-upstream", "sk_live_abcdefghij"),
        ("verify-upstream", "9f8e7d6c5b4a39281706"),
        ("set-upstream", "Zx81aQ7b2Kd93LmPq0"),
        ("run", "Zx81aQ7b2Kd93LmPq0"),
    ],
)
def test_a_key_typed_for_a_name(machine: Machine, verb: str, typed: str) -> None:
    """Is refused and not repeated."""
    machine.relay()
    extra = {"install": ["--start"], "run": []}.get(verb, [])
    tail = ["--", "codex"] if verb == "run" else []
    if verb == "run":
        (machine.root / "codex").write_text("#!/bin/sh\n")
        (machine.root / "codex").chmod(0o755)
        machine.environ["PATH"] = f"{machine.root}:/usr/bin:/bin"
    ran = machine.cfp(verb, *extra, "--upstream-api-key-env", typed, *tail)
    assert 2 == ran.code
    assert typed not in ran.stdout + ran.stderr
    if verb != "set-upstream":  # which refuses a home that is not enabled first
        assert "invalid_env_name" == ran.json["code"], ran.transcript


def test_a_name_that_is_not_set_is_named(machine: Machine) -> None:
    """A value that is spelled like a variable's name is taken for one, and the error names it."""
    machine.relay()
    ran = machine.cfp("verify-upstream", "--upstream-api-key-env", "RELAY_KEY_OF_2026")
    assert ("upstream_key_missing", True) == (ran.json["code"], "RELAY_KEY_OF_2026" in ran.json["error"])


@pytest.mark.parametrize(
    "words",
    [
        ["install", "--start", "--upstream-api-key-env", "RELAY_KEY"],
        ["install", "--start", "--upstream-api-key-env", "RELAY_KEY", "--no-verify"],
        ["install", "--start"],
        ["verify-upstream", "--upstream-api-key-env", "RELAY_KEY"],
        ["prepare-chatgpt-login"],
        ["prepare-chatgpt-login", "--apply"],
    ],
    ids=" ".join,
)
def test_a_key_with_a_space(machine: Machine, words: list[str]) -> None:
    """The worker would refuse it with each request, so every command does; nothing is changed or sent."""
    machine.relay()
    machine.environ["RELAY_KEY"] = "sk abc def"
    before = machine.files()
    ran = machine.cfp(*words)
    assert (2, "upstream_key_malformed", False) == (ran.code, ran.json["code"], ran.json["changed"]), ran.transcript
    assert ((), before) == (machine.upstream.received, machine.files())
    assert "abc" not in ran.stdout + ran.stderr


def test_a_key_that_is_not_set_is_a_warning_of_an_install_that_asks_nobody(codex: Machine) -> None:
    """Codex itself refuses to start a turn, with the same variable; once .env has it, a turn passes the proxy."""
    codex.relay()
    codex.environ[KEY_ENV] = ""
    for words in (["--dry-run"], ["--start"]):
        ran = codex.cfp("install", *words, "--no-verify", "--port", str(codex.port))
        assert (0, ["codex_key_unset"]) == (ran.code, ran.json["warnings"]), ran.transcript
        (warning,) = ran.json["warning_messages"]
        assert KEY_ENV in warning
        assert str(codex.home / ".env") in warning
    refused = codex.codex_exec()
    assert (True, True) == (refused.code != 0, KEY_ENV in refused.stderr)
    assert () == codex.upstream.turns
    codex.write(".env", f"{KEY_ENV}={KEY}\n")
    codex.turn()
    assert 1 == len(codex.upstream.turns)


@pytest.mark.parametrize("tail", [[], ["--no-verify"]], ids=["verified", "not verified"])
def test_a_key_with_a_space_for_an_enabled_home(machine: Machine, tail: list[str]) -> None:
    """`set-upstream` refuses it as well."""
    machine.relay()
    machine.install()
    machine.environ["OTHER_KEY"] = "sk abc def"
    before = machine.files()
    ran = machine.cfp("set-upstream", "--upstream-api-key-env", "OTHER_KEY", *tail)
    assert (2, "upstream_key_malformed", False) == (ran.code, ran.json["code"], ran.json["changed"]), ran.transcript
    assert before == machine.files()


def test_status_names_a_key_that_cannot_be_sent(machine: Machine) -> None:
    """An enabled home whose variable has a line break today: Codex would send no key. The split is not concerned."""
    machine.relay()
    machine.environ["OTHER_KEY"] = KEY
    machine.write("auth.json", api_key_login())
    machine.install()
    assert "ready" == machine.cfp("status").json["diagnosis"]["code"]
    machine.environ[KEY_ENV] = "sk-abc\ndef"
    diagnosis = machine.cfp("status").json["diagnosis"]
    assert ("risk", "upstream_key_unsendable") == (diagnosis["level"], diagnosis["code"])
    assert KEY_ENV in diagnosis["message"]
    assert "abc" not in diagnosis["message"]
    assert 0 == machine.cfp("set-upstream", "--upstream-api-key-env", "OTHER_KEY").code
    assert "upstream_key_unsendable" != machine.cfp("status").json["diagnosis"]["code"]
