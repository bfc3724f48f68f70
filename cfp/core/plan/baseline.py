"""The baseline: config.toml and hooks.json without the changes of an install.

An install builds on it and an uninstall leaves it. Every plan starts from here, so a second install never takes a
file that already points at the proxy for the user's own, and never backs one up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cfp.codex.config_toml import CONFIG_TOML, lookup
from cfp.codex.config_toml import parse as parse_config
from cfp.codex.hook_trust import STATE_KEYS, hook_exists, state_path
from cfp.codex.hooks_document import find_ours
from cfp.codex.hooks_feature import FLAGS
from cfp.codex.hooks_json import HOOKS_JSON
from cfp.codex.hooks_json import edit_for as hooks_edit_for
from cfp.core.facts import Facts, TextFact
from cfp.core.manifest import FileRecord, Manifest
from cfp.core.plan.give_back import GivenBack, Level, give_back
from cfp.core.plan.model_catalog import own_catalog_edits
from cfp.core.plan.own_urls import is_sound, with_own_urls
from cfp.core.provider import providers, url_key
from cfp.core.settings import Settings
from journal.values import ABSENT, KeyEdit, KeyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Both shared files without our changes; `recorded`: by the manifest, rather than by recognition."""

    config: GivenBack
    hooks: GivenBack
    recorded: bool

    @property
    def conflicts(self) -> tuple[KeyPath, ...]:
        return self.config.conflicts + self.hooks.conflicts


def derive_baseline(facts: Facts) -> Baseline:
    """Return the baseline by the manifest where an installation is recorded, else by what can be recognised."""
    manifest = facts.manifest
    if manifest is None or not facts.is_installed:
        return Baseline(config=_unrecorded_config(facts), hooks=_unrecorded_hooks(facts), recorded=False)
    edits, backup = config_edits(facts, manifest), facts.recorded_backup
    if backup is not None and not is_sound(facts, backup, edits):
        backup = None
    config = give_back(
        manifest.config,
        facts.config.data,
        backup,
        before_known=backup is not None or not manifest.config.hash_before,
        edits=edits,
        form=CONFIG_TOML,
    )
    hooks = give_back(
        manifest.hooks,
        facts.hooks.data,
        manifest.hooks_before,
        before_known=manifest.hooks.edits is not None,
        edits=hooks_edits(facts, manifest),
        form=HOOKS_JSON,
    )
    return Baseline(config=config, hooks=hooks, recorded=True)


def config_edits(facts: Facts, manifest: Manifest) -> tuple[KeyEdit, ...]:
    """Return our keys in config.toml; 0.1.0's manifest has none, and they follow from its backup."""
    edits = _recorded_edits(facts, manifest)
    doc = facts.config.doc
    return edits if doc is None else with_own_urls(facts, _follow_providers(doc, edits, manifest.settings))


def _follow_providers(doc: Mapping[str, Any], edits: tuple[KeyEdit, ...], settings: Settings) -> tuple[KeyEdit, ...]:
    """Return the same edits for providers that the user has deleted or renamed since.

    A deleted table has nothing of ours, and half of it must not come back. Our URL under another provider was copied
    there with the rest of its table, and would lead nowhere.
    """
    tables = providers(doc)
    present = tuple(edit for edit in edits if edit.path[0] != "model_providers" or edit.path[1] in tables)
    paths = {edit.path for edit in present}
    copied = (
        KeyEdit(path=url_key(name), before=settings.upstream_base, after=settings.base_url)
        for name, table in tables.items()
        if table.get("base_url") == settings.base_url and url_key(name) not in paths
    )
    catalogs = own_catalog_edits(doc, proxy=settings.base_url, upstream=settings.upstream_base)
    return (*present, *copied, *(edit for edit in catalogs if edit.path not in paths))


def _trust_of_ours(facts: Facts, recorded: tuple[KeyEdit, ...]) -> tuple[KeyEdit, ...]:
    """Return the keys that Codex or the user wrote about our hook, which go with the hook.

    Codex keeps trust by position, so a remaining key would apply to the hook that stands there next: if the user had
    switched ours off, theirs would be off.
    """
    paths = {edit.path for edit in recorded}
    present = {entry.key for entry in facts.hook_entries}
    former = {edit.path[2] for edit in recorded if edit.path[:2] == ("hooks", "state")}
    vacant = {key for key in former - present if not hook_exists(facts.hooks.root, key, str(facts.layout.hooks))}
    return tuple(edit for edit in trust_edits(facts, sorted(present | vacant)) if edit.path not in paths)


def trust_edits(facts: Facts, keys: Iterable[str] | None = None) -> tuple[KeyEdit, ...]:
    """Return the edits that set the trust of hooks as config.toml has it; `keys` None for those of ours."""
    entries = (entry.key for entry in facts.hook_entries) if keys is None else keys
    paths = (state_path(key, name) for key in entries for name in STATE_KEYS)
    values = ((path, lookup(facts.config.root, path)) for path in paths)
    return tuple(KeyEdit(path=path, before=ABSENT, after=value) for path, value in values if value is not ABSENT)


def _recorded_edits(facts: Facts, manifest: Manifest) -> tuple[KeyEdit, ...]:
    if manifest.config.edits is not None:
        return (*manifest.config.edits, *_trust_of_ours(facts, manifest.config.edits))
    settings = manifest.settings
    edits = [KeyEdit(path=url_key(settings.provider), before=settings.upstream_base, after=settings.base_url)]
    doc = facts.config.root
    if facts.backup is not None:
        backup = parse_config(facts.backup)
        edits += [
            KeyEdit(path=path, before=lookup(backup, path), after=lookup(doc, path))
            for path in FLAGS
            if lookup(backup, path) != lookup(doc, path) and lookup(doc, path) is True
        ]
    return (*edits, *trust_edits(facts))


def hooks_edits(facts: Facts, manifest: Manifest) -> tuple[KeyEdit, ...]:
    """Return our group in hooks.json, recognised by its content where the manifest does not name it."""
    if manifest.hooks.edits is not None:
        return manifest.hooks.edits
    return recognised_hooks(facts.hooks)


def _unrecorded_config(facts: Facts) -> GivenBack:
    """Return config.toml without URLs of ours; everything else is the user's."""
    current = facts.config.data
    edits = () if current is None or facts.config.doc is None else with_own_urls(facts, ())
    if not edits:
        return GivenBack(content=current, level=Level.ALREADY)
    return give_back(_NO_RECORD, current, None, before_known=False, edits=edits, form=CONFIG_TOML)


def _unrecorded_hooks(facts: Facts) -> GivenBack:
    edits = recognised_hooks(facts.hooks)
    if not edits:
        return GivenBack(content=facts.hooks.data, level=Level.ALREADY)
    return give_back(_NO_RECORD, facts.hooks.data, None, before_known=False, edits=edits, form=HOOKS_JSON)


def recognised_hooks(hooks: TextFact) -> tuple[KeyEdit, ...]:
    """Return the edit that an install must have made for our group to stand there now."""
    if hooks.doc is None or not find_ours(hooks.doc):
        return ()
    present = hooks_edit_for(hooks.data, ABSENT)
    return (KeyEdit(path=present.path, before=ABSENT, after=present.before),)


_NO_RECORD = FileRecord(hash_before="", hash_after="-", edits=None)
