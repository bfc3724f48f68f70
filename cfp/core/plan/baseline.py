"""The user's files without us: what an install builds on and what an uninstall leaves.

Every plan starts from here, so a second install never takes a file that already points at the proxy for the
user's own (and never backs one up).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cfp.codex import hook_trust
from cfp.codex.config_toml import CONFIG_TOML, lookup
from cfp.codex.config_toml import parse as parse_config
from cfp.codex.hook_trust import stands
from cfp.codex.hooks_feature import FLAGS
from cfp.codex.hooks_json import HOOKS_JSON, find_ours
from cfp.codex.hooks_json import edit_for as hooks_edit_for
from cfp.core.facts import Facts, TextFact
from cfp.core.manifest import FileRecord, Manifest
from cfp.core.plan.give_back import GivenBack, Level, give_back
from cfp.core.provider import providers, url_key
from cfp.core.settings import Settings
from journal.values import ABSENT, KeyEdit, KeyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Both shared files as they should be without us, and how each was arrived at."""

    config: GivenBack
    hooks: GivenBack
    recorded: bool

    @property
    def conflicts(self) -> tuple[KeyPath, ...]:
        return self.config.conflicts + self.hooks.conflicts


def baseline(facts: Facts) -> Baseline:
    """Work out the files without us, from the manifest where there is one, else from what can be recognised."""
    manifest = facts.manifest
    if manifest is None or not facts.is_installed:
        return Baseline(config=_unrecorded_config(facts), hooks=_unrecorded_hooks(facts), recorded=False)
    config = give_back(
        manifest.config,
        facts.config.data,
        facts.recorded_backup,
        before_known=facts.recorded_backup is not None or not manifest.config.hash_before,
        edits=config_edits(facts, manifest),
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
    """Our keys in config.toml; for a predecessor's record, derived by comparing with its backup."""
    edits = _recorded_edits(facts, manifest)
    doc = facts.config.doc
    return edits if doc is None else _followed(doc, edits, manifest.settings)


def _followed(doc: Mapping[str, Any], edits: tuple[KeyEdit, ...], settings: Settings) -> tuple[KeyEdit, ...]:
    """The same keys where the user has moved them: a provider that was deleted, or goes by another name now.

    A table that is gone has nothing of ours, and half of it must not come back. Our URL under another provider was
    carried there with the rest of its table, and would lead nowhere.
    """
    known = providers(doc)
    kept = tuple(edit for edit in edits if edit.path[0] != "model_providers" or edit.path[1] in known)
    ours = {edit.path for edit in kept}
    carried = (
        KeyEdit(path=url_key(name), before=settings.upstream_base, after=settings.base_url)
        for name, table in known.items()
        if table.get("base_url") == settings.base_url and url_key(name) not in ours
    )
    return (*kept, *carried)


def _trust_of_ours(facts: Facts, recorded: tuple[KeyEdit, ...]) -> tuple[KeyEdit, ...]:
    """What Codex or the user wrote about our hook: it goes with the hook.

    Codex keeps trust by position, so a leftover would speak of whatever hook stands there next: one that the user
    switched off for ours would be off for theirs.
    """
    known = {edit.path for edit in recorded}
    now = {entry.key for entry in facts.hook_entries}
    then = {edit.path[2] for edit in recorded if edit.path[:2] == ("hooks", "state")}
    vacant = {key for key in then - now if not stands(facts.hooks.root, key, str(facts.layout.hooks))}
    paths = (hook_trust.state_path(key, leaf) for key in sorted(now | vacant) for leaf in ("trusted_hash", "enabled"))
    return tuple(
        KeyEdit(path=path, before=ABSENT, after=value)
        for path in paths
        if path not in known and (value := lookup(facts.config.root, path)) is not ABSENT
    )


def _recorded_edits(facts: Facts, manifest: Manifest) -> tuple[KeyEdit, ...]:
    if manifest.config.edits is not None:
        return (*manifest.config.edits, *_trust_of_ours(facts, manifest.config.edits))
    settings = manifest.settings
    edits = [KeyEdit(path=url_key(settings.provider), before=settings.upstream_base, after=settings.base_url)]
    doc = facts.config.root
    before = parse_config(facts.backup) if facts.backup is not None else None
    if before is not None:
        edits += [
            KeyEdit(path=path, before=lookup(before, path), after=lookup(doc, path))
            for path in FLAGS
            if lookup(before, path) != lookup(doc, path) and lookup(doc, path) is True
        ]
    edits += [
        KeyEdit(path=("hooks", "state", entry.key, leaf), before=ABSENT, after=lookup(doc, path))
        for entry in facts.hook_entries
        for leaf in ("trusted_hash", "enabled")
        if lookup(doc, path := ("hooks", "state", entry.key, leaf)) is not ABSENT
    ]
    return tuple(edits)


def hooks_edits(facts: Facts, manifest: Manifest) -> tuple[KeyEdit, ...]:
    """Our group in hooks.json, recognised by content where the record does not name it."""
    if manifest.hooks.edits is not None:
        return manifest.hooks.edits
    return recognised_hooks(facts.hooks)


def _unrecorded_config(facts: Facts) -> GivenBack:
    """Without a record, a URL that equals our saved base_url is ours; everything else is the user's."""
    settings = facts.settings
    current = facts.config.data
    if settings is None or current is None or facts.config.doc is None:
        return GivenBack(content=current, level=Level.ALREADY)
    edit = KeyEdit(path=url_key(settings.provider), before=settings.upstream_base, after=settings.base_url)
    if lookup(facts.config.doc, edit.path) != edit.after:
        return GivenBack(content=current, level=Level.ALREADY)
    return give_back(_NO_RECORD, current, None, before_known=False, edits=(edit,), form=CONFIG_TOML)


def _unrecorded_hooks(facts: Facts) -> GivenBack:
    edits = recognised_hooks(facts.hooks)
    if not edits:
        return GivenBack(content=facts.hooks.data, level=Level.ALREADY)
    return give_back(_NO_RECORD, facts.hooks.data, None, before_known=False, edits=edits, form=HOOKS_JSON)


def recognised_hooks(hooks: TextFact) -> tuple[KeyEdit, ...]:
    """The edit that some install must have made for our group to stand there now."""
    if hooks.doc is None or not find_ours(hooks.doc):
        return ()
    present = hooks_edit_for(hooks.data, ABSENT)
    return (KeyEdit(path=present.path, before=ABSENT, after=present.before),)


_NO_RECORD = FileRecord(hash_before="", hash_after="-", edits=None)
