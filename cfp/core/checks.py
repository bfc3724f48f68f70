"""`doctor`: sixteen named checks, each a pure question to the facts, with what mends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cfp.codex.hooks_feature import hook_flags, hooks_enabled
from cfp.core.diagnosis import cuts, diagnose
from cfp.core.facts import Facts
from cfp.core.plan.hook import hook_command
from cfp.core.plan.repair import lost, plan_recovery
from cfp.core.plan.worker import hangs
from cfp.core.policy import EffectivePolicy, LoginMode, effective_policy
from cfp.core.provider import BUILT_IN, active_provider, choose_provider, provider_url
from cfp.core.route_report import key_available, key_persistent
from cfp.core.state import Hook, Pointing, Proxy, hook, pointing, proxy, settings_pending
from cfp.core.unrecorded import running
from cfp.errors import Refused
from cfp.messages import CLI, message

_WEBSOCKET: Final = {
    "served": " It serves WebSocket.",
    "not_served": " It serves no WebSocket: the proxy says so at once, and Codex goes on over HTTP.",
    "untried": " Codex has not asked it for WebSocket yet.",
}
PROXY_VARIABLES: Final = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorFacts:
    """What doctor looks at beside the home.

    proxies      proxy variables that Codex will see, where loopback is not in NO_PROXY
    profiles     other *.config.toml files of the home that name a provider or a URL of their own
    managed      files of the administrator that name a provider or a URL: they win over config.toml
    hooks_bar    the administrator's file that keeps our hook from running, "" where none does
    keyring      Codex may keep its login outside auth.json
    cli_login    what the CLI says of the login, None where it was not asked
    model        the model that config.toml names, "" for none
    model_tiers  what Codex's catalog says of that model: () for no tier, None where it was not asked or not listed
    read_back    Codex's own verdict on our hook: trusted, modified, untrusted, missing, or "" where it was not asked
    """

    python: str
    proxies: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    managed: tuple[str, ...] = ()
    hooks_bar: str = ""
    keyring: bool = False
    cli_login: LoginMode | None = None
    model: str = ""
    model_tiers: tuple[str, ...] | None = None
    read_back: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One verdict: `code` is ok or says what is wrong, `fix` is the command or act that mends it.

    An advisory verdict (`ok` True with another code) never makes doctor fail.
    """

    name: str
    ok: bool
    code: str = "ok"
    detail: str = ""
    fix: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ok": self.ok,
            "code": self.code,
            "detail": self.detail,
            "fix": self.fix or None,
            "evidence": dict(self.evidence),
        }


Question = Callable[[Facts, DoctorFacts], Check]


def run_checks(facts: Facts, machine: DoctorFacts, provider: str | None) -> tuple[Check, ...]:
    """Ask all sixteen, in the order of the contract."""
    asked = _Asked(provider)
    return (
        _python(facts, machine),
        _codex_config(facts),
        asked.active_provider(facts, machine),
        asked.provider_base_url(facts),
        _runtime_source(facts),
        _login_mode(facts, machine),
        _proxy_settings(facts, machine),
        _config_points_to_proxy(facts),
        _upstream_saved(facts),
        _service_tier_policy(facts, machine),
        _upstream_auth(facts),
        _proxy_health(facts),
        _proxy_pending_restart(facts),
        _proxy_runtime(facts),
        _hooks_enabled(facts, machine),
        _startup_hook(facts, machine),
    )


def _good(name: str, detail: str, **evidence: Any) -> Check:
    return Check(name=name, ok=True, detail=detail, evidence=evidence)


def _advice(name: str, code: str, detail: str, fix: str, **evidence: Any) -> Check:
    return Check(name=name, ok=True, code=code, detail=detail, fix=fix, evidence=evidence)


def _bad(name: str, code: str, detail: str, fix: str, **evidence: Any) -> Check:
    return Check(name=name, ok=False, code=code, detail=detail, fix=fix, evidence=evidence)


def _installed(facts: Facts) -> bool:
    return facts.settings is not None and pointing(facts) is Pointing.PROXIED


def _python(facts: Facts, machine: DoctorFacts) -> Check:
    return _good("python", f"Python {machine.python} at {facts.runtime.python}", executable=facts.runtime.python)


def _codex_config(facts: Facts) -> Check:
    name, path = "codex_config", str(facts.layout.config)
    if facts.interrupted:
        told = message("diagnosis.interrupted")
        return _bad(name, "interrupted", told.sentence, told.action, transactions=list(facts.interrupted))
    if plan_recovery(facts) is not None:
        told = message("diagnosis.unrecorded")
        return _bad(name, "unrecorded", told.sentence, told.action)
    if lost(facts) is not None:
        told = message("diagnosis.unrecorded_and_lost")
        return _bad(name, "proxy_unrecorded", told.sentence, told.action)
    if not facts.home_exists:
        at = running(facts)
        code = "codex_home_missing" if at is None else "codex_home_deleted"
        told = message(code, {"path": str(facts.layout.home), "pid": at.pid if at else None})
        return _bad(name, code, told.sentence, told.action)
    if facts.config.data is None and not facts.config.error:
        return _good(name, f"There is no {path}; Codex uses its defaults.", codex_home=str(facts.layout.home))
    if facts.config.doc is None:
        told = message("config_unparseable", {"path": path, "reason": facts.config.error})
        return _bad(name, "config_unparseable", told.sentence, told.action)
    return _good(name, f"{path} is valid TOML.", codex_home=str(facts.layout.home))


@dataclass(frozen=True, slots=True)
class _Asked:
    """The two checks that --provider steers."""

    provider: str | None

    def active_provider(self, facts: Facts, machine: DoctorFacts) -> Check:
        name = "active_provider"
        doc = facts.config.root
        try:
            target = choose_provider(doc, self.provider)
        except Refused as error:
            told = message(error.code, error.details)
            return _bad(name, error.code, told.sentence, told.action)
        if machine.managed:
            return _advice(
                name,
                "managed_config_may_bypass",
                f"The administrator's {', '.join(machine.managed)} names a provider and wins over config.toml.",
                "Ask the administrator.",
                provider=target.provider,
            )
        if machine.profiles:
            return _advice(
                name,
                "profile_may_bypass",
                f"Profile files set a provider or URL of their own: {', '.join(machine.profiles)}.",
                "Start Codex without these profiles: no --profile, and no `profile` in config.toml.",
                provider=target.provider,
            )
        return _good(name, f"Codex uses the provider {target.provider}.", provider=target.provider)

    def provider_base_url(self, facts: Facts) -> Check:
        name = "provider_base_url"
        doc = facts.config.root
        provider = self.provider or active_provider(doc) or ""
        url = provider_url(doc, provider)
        if url is None and provider != BUILT_IN:
            told = message("upstream_unknown", {"provider": provider})
            return _bad(name, "upstream_unknown", told.sentence, told.action)
        return _good(name, f"Its URL is {_shown(url)}." if url else "It uses OpenAI's own URL.", url=_shown(url))


def _shown(url: str | None) -> str | None:
    """A URL without user information, query and fragment."""
    if url is None:
        return None
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return scheme + mark + authority.rpartition("@")[2] + slash + path.split("?")[0].split("#")[0]


def _runtime_source(facts: Facts) -> Check:
    runtime = facts.runtime
    name = "runtime_source"
    if facts.codex_version is None:
        return _advice(
            name,
            "codex_cli_missing",
            f"codex-fast-proxy {runtime.version} runs from {runtime.package}; no Codex CLI answers on PATH.",
            "Nothing, where only the Codex App is used.",
            runtime_id=runtime.runtime_id,
        )
    version = ".".join(map(str, facts.codex_version))
    detail = f"codex-fast-proxy {runtime.version} runs from {runtime.package}; the Codex CLI is {version}."
    return _good(name, detail, runtime_id=runtime.runtime_id, codex_version=version)


def _login_mode(facts: Facts, machine: DoctorFacts) -> Check:
    name = "login_mode"
    if facts.login is not LoginMode.UNKNOWN:
        return _good(name, f"Codex is signed in by {facts.login}.", login_mode=facts.login)
    told = message("diagnosis.fast_policy_unknown")
    if machine.cli_login not in {None, LoginMode.UNKNOWN}:
        detail = (
            f"The Codex CLI says {machine.cli_login}, but not in auth.json, where the proxy looks for each request: "
            "the policy auto leaves requests alone."
        )
        return _advice(
            name, "login_in_keyring", detail, told.action, login_mode=facts.login, codex_says=machine.cli_login
        )
    hidden = "No login is visible in auth.json; it may be in the keyring."
    detail = hidden if machine.keyring else "Nobody is signed in."
    return _advice(name, "login_unknown", detail, told.action, login_mode=facts.login)


def _proxy_settings(facts: Facts, machine: DoctorFacts) -> Check:
    name = "proxy_settings"
    if facts.settings_error or facts.manifest_error:
        reason = facts.settings_error or facts.manifest_error
        told = message("settings_invalid", {"reason": reason})
        return _bad(name, "settings_invalid", told.sentence, told.action)
    if facts.settings is None:
        return _not_enabled(name, facts)
    if machine.proxies:
        return _advice(
            name,
            "loopback_through_proxy",
            f"{', '.join(machine.proxies)} is set and NO_PROXY does not name 127.0.0.1: Codex would send "
            "our requests there.",
            f"Add NO_PROXY=127.0.0.1,localhost to the environment or to {facts.layout.dotenv}.",
        )
    return _good(name, f"Settings are saved for {facts.settings.provider}.", base_url=facts.settings.base_url)


def _config_points_to_proxy(facts: Facts) -> Check:
    name = "config_points_to_proxy"
    if pointing(facts) is Pointing.PROXIED:
        return _good(name, "config.toml points at the proxy.")
    if not facts.is_installed:
        return _not_enabled(name, facts)
    told = message("diagnosis.config_not_proxy")
    return _bad(name, "config_not_proxy", told.sentence, told.action)


def _not_enabled(name: str, facts: Facts) -> Check:
    """In the words of `status`: an uninstall that is not done yet has another next command than a home without us."""
    found = diagnose(facts)
    told = message(f"diagnosis.{found.told if found.code == 'not_enabled' and found.told else 'not_enabled'}")
    return _bad(name, "not_enabled", told.sentence, told.action)


def _upstream_saved(facts: Facts) -> Check:
    name = "upstream_saved"
    if facts.settings is None:
        told = message("settings_missing")
        return _bad(name, "settings_missing", told.sentence, told.action)
    base, health = facts.settings.upstream_base, facts.worker.health if facts.worker is not None else None
    known = health.upstream_websocket or None if health is not None and health.upstream_base == base else None
    detail = f"Requests go to {base}.{_WEBSOCKET.get(known or '', '')}"
    return _good(name, detail, upstream_base=base, websocket=known)


def _service_tier_policy(facts: Facts, machine: DoctorFacts) -> Check:
    name = "service_tier_policy"
    if facts.settings is None:
        told = message("settings_missing")
        return _bad(name, "settings_missing", told.sentence, told.action)
    policy = facts.settings.service_tier_policy
    effective = effective_policy(policy, facts.login, opted_out=facts.opted_out)
    detail = f"The policy is {policy}, which now means {effective}."
    if facts.opted_out:
        detail += ' config.toml says service_tier = "default", which auto honours.'
    lacks_tier = machine.model_tiers is not None and facts.settings.service_tier not in machine.model_tiers
    if lacks_tier and effective is EffectivePolicy.PRESERVE:
        return _advice(
            name,
            "model_without_tier",
            f"{detail} Codex leaves the tier out for {machine.model}, whose catalog entry does not advertise it.",
            f"Choose another model, or `{CLI} set-upstream --service-tier-policy inject_missing`.",
            policy=policy,
            effective=effective,
            model=machine.model,
        )
    return _good(name, detail, policy=policy, effective=effective, opted_out=facts.opted_out)


def _upstream_auth(facts: Facts) -> Check:
    name, settings = "upstream_auth", facts.settings
    if settings is None:
        return _good(name, "No key of the provider is configured.")
    diagnosis = diagnose(facts)
    if not key_available(facts, settings) or diagnosis.code == "chatgpt_auth_preserved":
        code = "upstream_auth_missing" if not key_available(facts, settings) else diagnosis.code
        told = message(f"diagnosis.{code}")
        return _bad(name, code, told.sentence, told.action)
    if not key_persistent(facts, settings):
        told = message("diagnosis.upstream_auth_not_persistent")
        return _advice(name, "upstream_auth_not_persistent", told.sentence, told.action)
    how = "its own key" if settings.overrides_auth else "whatever Codex sends"
    return _good(name, f"The provider gets {how}.", override=settings.overrides_auth)


def _proxy_health(facts: Facts) -> Check:
    name, state = "proxy_health", proxy(facts)
    if state in {Proxy.HEALTHY, Proxy.STALE} and facts.worker is not None:
        return _good(name, f"It answers at {facts.worker.host}:{facts.worker.port}.", pid=facts.worker.pid)
    if hangs(facts, facts.worker) and facts.stray is not None:
        told = message("worker_hangs", {"pid": facts.stray.pid})
        return _bad(name, "worker_hangs", told.sentence, told.action)
    if state is Proxy.FOREIGN and facts.worker is not None:
        at = {"host": facts.worker.host, "port": facts.worker.port, "owner": facts.worker.owner}
        code = "port_not_available" if facts.worker.barred else "port_in_use"
        told = message(code, at)
        return _bad(name, code, told.sentence, told.action, **at)
    if not _installed(facts):
        return _good(name, "None runs, and none is needed.")
    told = message("diagnosis.proxy_stopped")
    return _bad(name, "proxy_stopped", told.sentence, told.action)


def _cut(facts: Facts) -> str:
    return "_cut" if cuts(facts, "runtime_stale") else ""


def _proxy_pending_restart(facts: Facts) -> Check:
    name = "proxy_pending_restart"
    if settings_pending(facts):
        told = message(f"diagnosis.settings_pending_restart{_cut(facts)}")
        return _bad(name, "settings_pending_restart", told.sentence, told.action)
    running = facts.worker is not None and facts.worker.health is not None
    return _good(name, "The running proxy serves the saved settings." if running else "None runs.")


def _proxy_runtime(facts: Facts) -> Check:
    name = "proxy_runtime"
    worker = facts.own_worker
    if worker is None:
        return _good(name, "None runs.")
    health = worker.health
    running = health.runtime_id or None if health is not None else None
    if running != facts.runtime.runtime_id:
        told = message(f"diagnosis.runtime_stale{_cut(facts)}")
        return _bad(name, "runtime_stale", told.sentence, told.action, running=running)
    return _good(name, "The running proxy is the installed code.", runtime_id=running)


def _hooks_enabled(facts: Facts, machine: DoctorFacts) -> Check:
    name = "hooks_enabled"
    if machine.hooks_bar:
        detail = f"The administrator's {machine.hooks_bar} keeps hooks of users from running."
        return _advice(name, "hooks_disabled_by_policy", detail, f"Run `{CLI} start` yourself after a reboot.")
    flags = hook_flags(facts.config.root)
    if not hooks_enabled(facts.config.root):
        detail = "config.toml switches hooks off, so Codex will not start the proxy."
        fix = f"Run `{CLI} install --start`, or set features.hooks = true."
        return _bad(name, "hooks_disabled", detail, fix, **flags)
    return _good(name, "Codex runs hooks.", **flags)


def _startup_hook(facts: Facts, machine: DoctorFacts) -> Check:
    name = "startup_hook"
    if not _installed(facts):
        return _good(name, "None is needed.")
    entries = [entry.to_json() for entry in facts.hook_entries]
    told = message("diagnosis.startup_hook_not_ready")
    if hook(facts) is not Hook.TRUSTED:
        code = {Hook.ABSENT: "startup_hook_missing", Hook.UNTRUSTED: "startup_hook_untrusted"}[hook(facts)]
        return _bad(name, code, told.sentence, told.action, hooks=entries)
    if machine.read_back and machine.read_back != "trusted":
        return _bad(name, "startup_hook_untrusted", told.sentence, told.action, codex_says=machine.read_back)
    if facts.hook_entries[0].position.command != hook_command(facts):
        detail = "The hook starts another installation of codex-fast-proxy than this one."
        return _advice(name, "startup_hook_elsewhere", detail, f"Run `{CLI} install --start` to use this one.")
    return _good(name, "Codex will start a missing proxy.", hooks=entries, codex_says=machine.read_back or None)
