"""Every home of the corpus, switched and given back: the bytes before, for each provider that it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from cfp.codex import config_toml, hooks_document
from cfp.codex.text import Unparseable
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.core.plan.uninstall import UninstallRequest, plan_uninstall
from cfp.core.provider import BUILT_IN, RESERVED, provider_url, providers
from cfp.core.unrecorded import find_unrecorded_proxy
from tests.facts import TAKEN, UPSTREAM, after, facts, installed

FIXTURES = Path(__file__).parents[2] / "fixtures"
CONFIGS = sorted([*(FIXTURES / "toml" / "before").glob("*.toml"), *(FIXTURES / "codex_home").rglob("config.toml")])
HOOKS = [None, *sorted((FIXTURES / "hooks" / "before").glob("*.json"))]


def legal(path: Path | None) -> bytes | None:
    """The file's bytes; None where there is none, Codex would refuse it, or a hook of ours is in it already."""
    if path is None:
        return None
    data = path.read_bytes()
    try:
        doc = hooks_document.parse(data)
    except Unparseable:
        return None
    return None if hooks_document.find_ours(doc) else data


def mine(path: Path) -> bool:
    """Whether it is a user's; one that points at a dead proxy is given back as another text than it has."""
    return find_unrecorded_proxy(facts(path.read_bytes())) is None


@pytest.mark.parametrize("path", [*filter(mine, CONFIGS)], ids=lambda path: path.relative_to(FIXTURES).as_posix())
def test_every_byte_comes_back(path: Path) -> None:
    """Custom providers and the built-in one, with a hooks.json of the corpus beside it."""
    text = path.read_bytes()
    doc = config_toml.parse(text)
    hooks = legal(HOOKS[CONFIGS.index(path) % len(HOOKS)])
    for provider in (*(name for name in providers(doc) if name not in RESERVED), BUILT_IN):
        home = facts(text, hooks, codex=TAKEN)
        plan = plan_install(home, RouteRequest(provider=provider, upstream_base=UPSTREAM))
        on = installed(home, plan)
        assert provider_url(on.config.doc, provider) == plan.settings.base_url
        restored = after(on, plan_uninstall(on, UninstallRequest()).changes)
        assert (restored.config.data, restored.hooks.data) == (text, hooks)


def test_the_corpus_is_not_empty() -> None:
    """Dozens of spellings."""
    assert len(CONFIGS) > 60
    assert len(HOOKS) > 5
