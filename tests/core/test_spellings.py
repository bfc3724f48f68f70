"""An uninstall that is undone although others wrote meanwhile: our keys stand again letter by letter."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import assume, given

from cfp.codex import config_toml
from cfp.codex.config_toml import CONFIG_TOML, spelling
from cfp.codex.hooks_document import find_ours, parse
from cfp.codex.hooks_json import HOOKS_JSON
from cfp.codex.hooks_text import append_group, group_items, spelled
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.core.plan.set_upstream import plan_set_upstream
from cfp.core.plan.uninstall import UninstallRequest, plan_uninstall
from cfp.core.provider import provider_url
from cfp.errors import CfpError
from journal.values import FileChange
from tests.facts import CONFIG, UPSTREAM, Facts, after, facts, installed, text_fact, worker_of
from tests.strategies import config_texts, hooks_texts

SOMEBODYS = {"hooks": [{"type": "command", "command": "notify-send hello"}]}


def taken_out(on: Facts) -> dict[str, FileChange]:
    """The changes of an uninstall, by file name."""
    return {change.path.name: change for change in plan_uninstall(on, UninstallRequest()).changes}


@given(config_texts())
def test_config_keys_come_back_as_they_were_spelled(case: tuple[bytes, str]) -> None:
    """Whoever rewrote our URL in other quotes finds it in those."""
    text, provider = case
    home = facts(text)
    try:
        on = installed(home, plan_install(home, RouteRequest(provider=provider, upstream_base=UPSTREAM)))
    except CfpError:
        assume(False)
    url = provider_url(on.config.doc, provider)
    rewritten = on.config.data.replace(json.dumps(url).encode(), f"'{url}'".encode())
    on = replace(on, config=text_fact(rewritten, config_toml.parse))
    change = taken_out(on)["config.toml"]
    meanwhile = change.after + b"\n[foreign]\nx = 1\n"
    merged = CONFIG_TOML.restore(meanwhile, change.before, change.edits)
    assert () == merged.conflicts
    paths = [edit.path for edit in change.edits]
    assert [spelling(rewritten, path) for path in paths] == [spelling(merged.content, path) for path in paths]
    assert url == provider_url(config_toml.parse(merged.content), provider)


@given(hooks_texts(ours=True))
def test_our_hook_comes_back_as_it_was_spelled(text: bytes) -> None:
    """And where Codex trusts it: in its own place, though somebody appended a hook of theirs."""
    home = facts(hooks=text)
    (at, *more) = find_ours(home.hooks.doc)
    assume(not more)
    change = taken_out(home)["hooks.json"]
    assume(change.after is not None)
    meanwhile = append_group(change.after.decode("utf-8"), SOMEBODYS).encode()
    merged = HOOKS_JSON.restore(meanwhile, change.before, change.edits)
    assert () == merged.conflicts
    again = find_ours(parse(merged.content))
    assert [(at.command, at.handler)] == [(handler.command, handler.handler) for handler in again]
    before, now = text.decode("utf-8"), merged.content.decode("utf-8")
    if len(parse(text)["hooks"]["SessionStart"][at.group]["hooks"]) == 1:
        assert spelled(before, group_items(before)[at.group]) == spelled(now, group_items(now)[again[0].group])


@pytest.mark.parametrize("drifted", [False, True])
def test_a_way_there_and_back_keeps_the_quotes(*, drifted: bool) -> None:
    """Another URL and then the old one again: an uninstall gives back the user's letters, whoever wrote meanwhile."""
    text = CONFIG.replace(f'"{UPSTREAM}"'.encode(), f"'{UPSTREAM}'  # mine".encode())
    on = installed(facts(text), plan_install(facts(text), RouteRequest()))
    for number, url in enumerate(("https://other.example/v1", UPSTREAM)):
        on = replace(on, now=on.now + timedelta(days=number + 1))
        plan = plan_set_upstream(on, RouteRequest(upstream_base=url), restart=False)
        on = after(on, plan.changes, worker_of(plan.settings))
    more = b"\n[mine]\nx = 1\n" if drifted else b""
    on = replace(on, config=text_fact(on.config.data + more, config_toml.parse))
    assert text + more == taken_out(on)["config.toml"].after
