"""`install`: every branch of it, decided from facts; the result is bytes to write and a worker to run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cfp.codex import config_toml, hook_trust, hooks_json
from cfp.core.facts import Facts, TextFact
from cfp.core.lifecycle import State, state_of
from cfp.core.manifest import FileRecord, Manifest, ManifestState, digest
from cfp.core.plan.baseline import Baseline, baseline
from cfp.core.plan.worker import WorkerAction, worker_action
from cfp.core.policy import LoginMode
from cfp.core.provider import BUILT_IN_URL, Target, choose_provider
from cfp.core.settings import DEFAULT_HOST, DEFAULT_PORT, DEFAULT_TIER, Policy, Settings, upstream_url, validate
from cfp.errors import Refused, UsageError
from cfp.layout import DEFAULT_PROXY_BASE, Layout
from journal.values import ABSENT, FileChange, KeyEdit, KeyPath, Unmergeable

HOOK_TIMEOUT_S = 10
BACKUPS_KEPT = 5
_FLAG = ("features", "hooks")
_OLD_FLAG = ("features", "codex_hooks")  # the name before Codex 0.130, which warns about it
_FLAG_RENAMED = (0, 130)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallRequest:
    """What the command line asks for; None means "as saved, else the default"."""

    prepare_only: bool = False
    provider: str | None = None
    activate_provider: bool = False
    host: str | None = None
    port: int | None = None
    proxy_base: str | None = None
    upstream_base: str | None = None
    service_tier: str | None = None
    service_tier_policy: Policy | None = None
    upstream_api_key_env: str | None = None
    use_provider_auth_file: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HookPlan:
    """Our hook as it will stand: `status` is installed, updated or already_installed."""

    status: str
    command: str
    key: str
    trusted_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallPlan:
    """The whole effect of an install.

    changes    in the order of swapping; config.toml last, so that Codex never points at what is not there yet
    prune      backups beyond the newest five, removed after the commit
    changed_route  URL, tier, policy or auth differ from what was saved, or nothing was
    """

    target: Target
    settings: Settings
    changes: tuple[FileChange, ...]
    worker: WorkerAction
    hook: HookPlan | None
    backup_path: Path | None
    prune: tuple[Path, ...]
    changed_route: bool
    warnings: tuple[str, ...]
    from_state: State
    to_state: State


def plan_install(facts: Facts, request: InstallRequest) -> InstallPlan:
    """Decide an install; raises Refused with the code of the first thing that stands in its way."""
    check_readable(facts)
    base = baseline(facts)
    base_doc = config_toml.parse(base.config.content)
    target = choose_provider(base_doc, request.provider, activate=request.activate_provider)
    settings = _settings(facts, request, target)
    check_key(facts, settings)
    from_state = state_of(facts)
    action = WorkerAction.NONE if request.prepare_only else worker_action(facts, settings, facts.candidate)
    changed_route = _route_changed(facts, settings)
    if request.prepare_only:
        return InstallPlan(
            target=target,
            settings=settings,
            changes=(_prepared_settings(facts, settings),),
            worker=action,
            hook=None,
            backup_path=None,
            prune=(),
            changed_route=changed_route,
            warnings=(),
            from_state=from_state,
            to_state=State.PREPARED,
        )
    hooks_after, hook = _plan_hook(facts, base)
    config_edits = _config_edits(facts, base, base_doc, target, settings, hook)
    config_after = _apply_config(base.config.content, config_edits)
    backup = _backup_path(facts, base.config.content)
    manifest = _manifest(facts, base, settings, backup, config_edits, config_after, hooks_after)
    return InstallPlan(
        target=target,
        settings=settings,
        changes=_changes(facts, base, settings, manifest, backup, config_edits, config_after, hooks_after),
        worker=action,
        hook=hook,
        backup_path=backup,
        prune=_prune(facts, backup),
        changed_route=changed_route,
        warnings=_warnings(base_doc, target),
        from_state=from_state,
        to_state=State.ENABLED,
    )


def check_readable(facts: Facts) -> None:
    """Refuse what cannot be edited safely, with the file untouched."""
    if not facts.home_exists:
        raise Refused("codex_home_missing", path=str(facts.layout.home))
    for code, fact, path in (
        ("config_unparseable", facts.config, facts.layout.config),
        ("hooks_unparseable", facts.hooks, facts.layout.hooks),
    ):
        if fact.doc is None and (fact.data is not None or fact.error):
            raise Refused(code, path=str(path), reason=fact.error)
    if facts.manifest_error:
        raise Refused("manifest_invalid", path=str(facts.layout.manifest), reason=facts.manifest_error)
    if facts.settings_error and facts.manifest is None:
        raise Refused("settings_invalid", path=str(facts.layout.settings), reason=facts.settings_error)


def check_key(facts: Facts, settings: Settings) -> None:
    """Refuse an auth override whose key is not there: every request would fail."""
    if settings.upstream_api_key_file and settings.provider not in facts.provider_keys:
        raise Refused("provider_key_missing", provider=settings.provider)
    env = settings.upstream_api_key_env
    if env is not None and env not in facts.environment:
        raise Refused("upstream_key_missing", variable=env)


def _settings(facts: Facts, request: InstallRequest, target: Target) -> Settings:
    if request.upstream_api_key_env is not None and request.use_provider_auth_file:
        raise UsageError("two_auth_sources")
    recorded = facts.settings or (facts.manifest.settings if facts.manifest else None)
    saved = recorded if recorded is not None and recorded.provider == target.provider else None
    asks_auth = request.upstream_api_key_env is not None or request.use_provider_auth_file
    place = recorded or Settings(provider=target.provider, upstream_base=BUILT_IN_URL)
    return validate(
        Settings(
            provider=target.provider,
            upstream_base=_upstream(facts, request, target, saved),
            host=request.host or (place.host if recorded else DEFAULT_HOST),
            port=request.port or (place.port if recorded else DEFAULT_PORT),
            proxy_base=request.proxy_base or (place.proxy_base if recorded else DEFAULT_PROXY_BASE),
            service_tier=request.service_tier or (saved.service_tier if saved else DEFAULT_TIER),
            service_tier_policy=request.service_tier_policy or (saved.service_tier_policy if saved else Policy.AUTO),
            upstream_api_key_env=request.upstream_api_key_env
            if asks_auth or saved is None
            else saved.upstream_api_key_env,
            upstream_api_key_file=request.use_provider_auth_file
            if asks_auth or saved is None
            else saved.upstream_api_key_file,
        )
    )


def _upstream(facts: Facts, request: InstallRequest, target: Target, saved: Settings | None) -> str:
    """The provider's URL: asked for, else saved by an install that holds, else what config.toml says."""
    if request.upstream_base is not None:
        return upstream_url(request.upstream_base)
    installed = facts.manifest is not None and facts.manifest.state is ManifestState.INSTALLED
    if saved is not None and installed:
        return saved.upstream_base
    own = saved.base_url if saved else None
    if target.url is not None and target.url != own:
        return upstream_url(target.url)
    if saved is not None:
        return saved.upstream_base
    if not target.built_in:
        raise Refused("upstream_unknown", provider=target.provider)
    if facts.login in {LoginMode.CHATGPT, LoginMode.MIXED}:
        raise Refused("built_in_with_chatgpt_login")
    return BUILT_IN_URL


def _route_changed(facts: Facts, settings: Settings) -> bool:
    saved = facts.settings
    enabled = facts.manifest is not None and facts.manifest.state is ManifestState.INSTALLED
    if saved is None or not enabled:
        return True
    return replace(saved, host=settings.host, port=settings.port, proxy_base=settings.proxy_base) != settings


def hook_command(facts: Facts) -> str:
    """The command line of our SessionStart hook.

    `-P` because Codex runs hooks in the session's folder: without it a `json.py` there would be imported.
    """
    return shlex.join(
        [
            facts.runtime.python,
            "-P",
            "-m",
            "codex_fast_proxy",
            "autostart",
            "--codex-home",
            str(facts.layout.home),
            "--quiet",
        ]
    )


def _plan_hook(facts: Facts, base: Baseline) -> tuple[bytes, HookPlan]:
    """Return hooks.json as it should be; a hook of ours that already says the right thing keeps its place."""
    command = hook_command(facts)
    present = hooks_json.find_ours(facts.hooks.doc) if facts.hooks.doc is not None else ()
    right = [at for at in present if at.command == command and at.timeout == HOOK_TIMEOUT_S and at.matcher is None]
    if right and facts.hooks.data is not None and len(present) == 1:
        after, status = facts.hooks.data, "already_installed"
    else:
        group = hooks_json.group(command, HOOK_TIMEOUT_S)
        edit = hooks_json.edit_for(base.hooks.content, group)
        after = hooks_json.HOOKS_JSON.apply(base.hooks.content, (edit,))
        status = "updated" if present else "installed"
    position = hooks_json.position_after(after)
    if position is None:
        raise Refused("file_not_editable", reason="the hook did not come out where it was put")
    handler = hooks_json.parse(after)["hooks"]["SessionStart"][position[0]]["hooks"][position[1]]
    return after, HookPlan(
        status=status,
        command=command,
        key=hook_trust.trust_key(str(facts.layout.hooks), *position),
        trusted_hash=hook_trust.trusted_hash(handler, None),
    )


def _config_edits(
    facts: Facts, base: Baseline, doc: Mapping[str, Any], target: Target, settings: Settings, hook: HookPlan
) -> tuple[KeyEdit, ...]:
    wanted: list[tuple[KeyPath, Any]] = [(target.url_key, settings.base_url)]
    if target.activate:
        wanted.append((("model_provider",), target.provider))
    if config_toml.lookup(doc, _FLAG) is not True:
        wanted.append((_FLAG, True))
    old_codex = facts.codex_version is None or facts.codex_version < _FLAG_RENAMED
    if old_codex and config_toml.lookup(doc, _OLD_FLAG) is not True:
        wanted.append((_OLD_FLAG, True))
    trust_path = ("hooks", "state", hook.key, "trusted_hash")
    if config_toml.lookup(doc, trust_path) != hook.trusted_hash:
        wanted.append((trust_path, hook.trusted_hash))
    return tuple(config_toml.edit_for(base.config.content, path, after) for path, after in wanted)


def _apply_config(content: bytes | None, edits: tuple[KeyEdit, ...]) -> bytes:
    try:
        return config_toml.CONFIG_TOML.apply(content, edits)
    except Unmergeable as error:
        raise Refused("file_not_editable", reason=str(error)) from error


def _backup_path(facts: Facts, content: bytes | None) -> Path | None:
    """Where the user's config is kept: the backup there is, where it holds these very bytes, else a new one."""
    if content is None:
        return None
    if facts.manifest is not None and facts.manifest.backup_path and facts.backup == content:
        return Path(facts.manifest.backup_path)
    return facts.layout.backup(facts.now.strftime("%Y%m%dT%H%M%S%fZ"))


def _is_kept(facts: Facts, backup: Path) -> bool:
    return facts.manifest is not None and facts.manifest.backup_path == str(backup)


def _prune(facts: Facts, backup: Path | None) -> tuple[Path, ...]:
    if backup is None or _is_kept(facts, backup):
        return ()
    return tuple(facts.layout.backups / name for name in facts.backups[: -(BACKUPS_KEPT - 1)])


def _manifest(
    facts: Facts,
    base: Baseline,
    settings: Settings,
    backup: Path | None,
    config_edits: tuple[KeyEdit, ...],
    config_after: bytes,
    hooks_after: bytes,
) -> Manifest:
    hooks_edit = hooks_json.edit_for(hooks_after, ABSENT)
    return Manifest(
        version=facts.runtime.version,
        state=ManifestState.INSTALLED,
        installed_at=facts.manifest.installed_at
        if facts.manifest and facts.manifest.state is ManifestState.INSTALLED
        else facts.now.isoformat(),
        config_path=str(facts.layout.config),
        backup_path=str(backup) if backup else None,
        hooks_path=str(facts.layout.hooks),
        hooks_before=base.hooks.content,
        config=FileRecord(
            hash_before=digest(base.config.content), hash_after=digest(config_after), edits=config_edits
        ),
        hooks=FileRecord(
            hash_before=digest(base.hooks.content),
            hash_after=digest(hooks_after),
            edits=(KeyEdit(path=hooks_edit.path, before=ABSENT, after=hooks_edit.before),),
        ),
        settings=settings,
    )


def _changes(
    facts: Facts,
    base: Baseline,
    settings: Settings,
    manifest: Manifest,
    backup: Path | None,
    config_edits: tuple[KeyEdit, ...],
    config_after: bytes,
    hooks_after: bytes,
) -> tuple[FileChange, ...]:
    layout: Layout = facts.layout
    rows = [_prepared_settings(facts, settings)]
    if backup is not None and not _is_kept(facts, backup):
        rows.append(FileChange(path=backup, before=None, after=base.config.content, secret=True))
    manifest_before = facts.manifest_data
    rows += [
        FileChange(path=layout.manifest, before=manifest_before, after=manifest.serialise(), secret=True),
        FileChange(
            path=layout.hooks,
            before=facts.hooks.data,
            after=hooks_after,
            secret=True,
            format="hooks_json",
            edits=current_edits(manifest.hooks.edits or (), facts.hooks),
        ),
        FileChange(
            path=layout.config,
            before=facts.config.data,
            after=config_after,
            secret=True,
            format="config_toml",
            edits=tuple(config_toml.edit_for(facts.config.data, edit.path, edit.after) for edit in config_edits),
        ),
    ]
    return tuple(rows)


def current_edits(edits: tuple[KeyEdit, ...], hooks: TextFact) -> tuple[KeyEdit, ...]:
    """The same edits told against the file as it is now, which is what a rollback goes back to."""
    return tuple(hooks_json.edit_for(hooks.data, edit.after) for edit in edits)


def _prepared_settings(facts: Facts, settings: Settings) -> FileChange:
    return FileChange(path=facts.layout.settings, before=facts.settings_data, after=settings.serialise())


def _warnings(doc: Mapping[str, Any], target: Target) -> tuple[str, ...]:
    found = []
    if config_toml.lookup(doc, _FLAG) is False or config_toml.lookup(doc, _OLD_FLAG) is False:
        found.append("hooks_opt_out_overridden")
    if doc.get("service_tier") == "default":
        found.append("service_tier_opt_out_kept")
    if target.activate:
        found.append("history_is_filed_by_provider")
    elif not target.active:
        found.append("provider_not_active")
    return tuple(found)
