"""A text in each place where a key, or its variable's name, can stand: named there, and shown nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.homes.site import run_on
from tests.scenes import INSTALL
from tests.staged import Stage

SECRET = "sk-proj-Z9y8X7w6V5u4T3"
TEXTS = {
    "plain": SECRET,
    "line break": f"{SECRET}\n{SECRET}",
    "line break behind": f"{SECRET}\n",
    "space": f"{SECRET} {SECRET}",
    "not ASCII": f"{SECRET}ä",
    "byte order mark": f"\ufeff{SECRET}",
    "bearer": f"Bearer {SECRET}",
    "quotes": f'"{SECRET}"',
    "control": f"{SECRET}\x07",
}
TABLE = 'model = "m"\nmodel_provider = "relay"\n[model_providers.relay]\nname = "Relay"\nbase_url = "https://r.example/v1"\n'


def quoted(text: str) -> str:
    return json.dumps(text)


def lay(stage: Stage, place: str, text: str) -> Stage:
    """Write a home with the text in one place."""
    stage.home.mkdir(parents=True, exist_ok=True)
    environ = dict(stage.environ)
    lines = {
        "env_key": f"env_key = {quoted(text)}",
        "variable": 'env_key = "RELAY_KEY"',
        ".env": 'env_key = "RELAY_KEY"',
        "auth.json": "requires_openai_auth = true",
        "bearer token": f"experimental_bearer_token = {quoted(text)}",
        "header": f"http_headers = {{ x-key = {quoted(text)} }}",
        "authorization": f"http_headers = {{ Authorization = {quoted(text)} }}",
        "header's variable": f"env_http_headers = {{ Authorization = {quoted(text)} }}",
        "header by variable": 'env_http_headers = { Authorization = "RELAY_KEY" }',
    }
    (stage.home / "config.toml").write_text(
        TABLE + lines[place].replace("\\u007f", "\\u007F") + "\n", encoding="utf-8"
    )
    if place in {"variable", "header by variable"}:
        environ["RELAY_KEY"] = text
    if place == ".env":
        (stage.home / ".env").write_text("RELAY_KEY='" + text + "'\n", encoding="utf-8")
    if place == "auth.json":
        (stage.home / "auth.json").write_text(json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": text}))
    return Stage(root=stage.root, environ=environ)


PLACES = (
    *("env_key", "variable", ".env", "auth.json", "bearer token", "header", "authorization"),
    *("header's variable", "header by variable"),
)
LINES = (
    ("doctor",),
    ("status",),
    ("install", "--dry-run"),
    ("install", "--prepare-only", "--no-verify"),
    INSTALL,
    ("status", "--format", "text"),
    ("doctor", "--format", "text"),
    ("set-upstream", "--no-verify", "--service-tier-policy", "preserve"),
    ("prepare-chatgpt-login",),
    ("install", "--dry-run", "--upstream-api-key-env", SECRET),
    ("prepare-chatgpt-login", "--source-auth-key", SECRET),
)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("place", PLACES)
def test_no_output_has_it(place: str, text: str, tmp_path: Path) -> None:
    """Neither doctor nor install nor status, nor what they save besides the user's own file."""
    stage = lay(Stage(root=tmp_path / "stage", environ={}), place, text)
    for line in LINES:
        answer = run_on(stage.host(), [*line])
        assert answer.code != 70, answer.out
        assert SECRET not in answer.out + answer.err, line
        assert SECRET not in json.dumps(answer.out), line


@pytest.mark.parametrize("text", [name for name in TEXTS if name != "plain"])
@pytest.mark.parametrize("place", [place for place in PLACES if place not in {"env_key", "header's variable"}])
def test_the_place_is_named(place: str, text: str, tmp_path: Path) -> None:
    """By doctor and by install's warnings; Codex itself drops what it cannot read from .env."""
    if place in {"header", "authorization", "header by variable"} and text in {"space", "quotes", "bearer"}:
        return  # a header may have them
    stage = lay(Stage(root=tmp_path / "stage", environ={}), place, TEXTS[text])
    doctor = run_on(stage.host(), ["doctor"]).json
    check = next(one for one in doctor["checks"] if one["name"] == "key_format")
    named = {
        "variable": "the variable RELAY_KEY",
        ".env": "the variable RELAY_KEY in .env",
        "auth.json": "OPENAI_API_KEY in auth.json",
        "bearer token": "model_providers.relay.experimental_bearer_token",
        "header": "model_providers.relay.http_headers.x-key",
        "authorization": "model_providers.relay.http_headers.Authorization",
        "header by variable": "the variable RELAY_KEY",
    }[place]
    assert named == check["evidence"]["place"]
    assert named in check["detail"]
    assert (text == "quotes") is check["ok"]
    planned = run_on(stage.host(), ["install", "--dry-run", "--no-verify"]).json
    assert check["code"] in planned["warnings"]
    assert any(named in sentence for sentence in planned["warning_messages"])


@pytest.mark.parametrize("place", ["env_key", "header's variable"])
def test_a_key_in_a_name_s_place(place: str, tmp_path: Path) -> None:
    """Refused by install before anything is written, and named by doctor; where the variable exists, it is a name."""
    stage = lay(Stage(root=tmp_path / "stage", environ={}), place, SECRET)
    before = sorted(stage.root.rglob("*"))
    for line in (INSTALL, ("install", "--dry-run"), ("install", "--prepare-only", "--no-verify")):
        assert "key_in_place_of_name" == run_on(stage.host(), [*line]).json["code"]
    assert before == sorted(stage.root.rglob("*"))
    check = next(one for one in run_on(stage.host(), ["doctor"]).json["checks"] if one["name"] == "key_format")
    assert (False, "key_in_place_of_name") == (check["ok"], check["code"])
    named = Stage(root=stage.root, environ={SECRET: "sk-abc"})
    assert "planned" == run_on(named.host(), ["install", "--dry-run"]).json["status"]
