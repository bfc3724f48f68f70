"""The correction of our hook's trust, where Codex reads it back under another key or hash."""

from __future__ import annotations

from dataclasses import replace

from cfp.codex import config_toml, hook_trust
from cfp.core.facts import Facts
from cfp.core.manifest import digest
from cfp.core.plan.changes import config_change, manifest_change
from cfp.errors import Refused
from journal.values import FileChange


def plan_trust(facts: Facts, key: str, trusted_hash: str) -> tuple[FileChange, ...]:
    """Return the changes that make Codex trust the hook under `key`, recorded for the uninstall."""
    manifest = facts.manifest
    if manifest is None or manifest.config.edits is None:
        raise Refused("not_enabled")
    path = hook_trust.state_path(key, "trusted_hash")
    edit = config_toml.edit_for(facts.config.data, path, trusted_hash)
    after = config_toml.CONFIG_TOML.apply(facts.config.data, (edit,))
    former = next((own for own in manifest.config.edits if own.path == path), None)
    recorded = replace(former, after=trusted_hash) if former else edit
    edits = (*(own for own in manifest.config.edits if own.path != path), recorded)
    config = replace(manifest.config, hash_after=digest(after), edits=edits)
    return manifest_change(facts, replace(manifest, config=config)), config_change(facts, after, (edit,))
