"""The block that install, set-upstream and status share (route, tier, key, identity), and warnings about a route."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cfp.codex.auth_json import Login
from cfp.core.facts import Facts
from cfp.core.identities import (
    NEWEST,
    OLDEST,
    Identity,
    ProviderAuth,
    authorization_variable,
    identity_through_proxy,
    names_own_key,
    predicted_identity,
    provider_auth,
    provider_table,
    requires_openai_auth,
)
from cfp.core.keys.flaws import FlawedKey, KeyFlaw, may_be_a_key
from cfp.core.keys.obstacles import KeyObstacle, key_obstacle
from cfp.core.policy import EffectivePolicy, LoginMode, effective_policy, fast_behavior, mode_of_keys
from cfp.core.provider import active_provider, env_key, host_of, is_third_party
from cfp.core.settings import Settings, loopback_port
from cfp.core.state import is_enabled
from cfp.core.verdict.route import profile_urls
from cfp.errors import Refused
from cfp.messages import message
from cfp.messages.chatgpt_login import HINTS, PREPARATIONS, HintCode, PreparationCode
from cfp.messages.identities import FLAWS, IDENTITIES, ROUTE_WARNINGS, ROUTES, RouteWarningCode
from cfp.messages.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteIdentity:
    """The identity that Codex sends, and the one that the provider receives through the proxy.

    third_party  the provider is not OpenAI, which may have its own login
    """

    direct: Identity
    through_proxy: Identity
    third_party: bool

    @property
    def login_reaches_provider(self) -> bool:
        """Whether a third party receives Codex's login through the proxy, or may receive it."""
        return self.third_party and self.through_proxy.may_be_a_login

    @property
    def login_goes_direct(self) -> bool:
        """Whether a third party would receive Codex's login without the proxy, or might receive it."""
        return self.third_party and self.direct.may_be_a_login

    @property
    def message(self) -> Message:
        """The route in a sentence."""
        if self.direct is Identity.CODEX_REFUSES:
            return ROUTES["identity_refused"]
        names = {"direct": IDENTITIES[self.direct], "through_proxy": IDENTITIES[self.through_proxy]}
        return ROUTES["identity_both" if self.direct is self.through_proxy else "identity_split"].filled(names)

    def to_json(self) -> dict[str, Any]:
        """Return the block `identity_on_the_wire` of the results."""
        return {"direct": self.direct, "through_proxy": self.through_proxy, "message": self.message.sentence}


def codex_identity(facts: Facts, provider: str, config: Mapping[str, Any] | None = None) -> Identity:
    """Return the identity that Codex sends to a provider; `config` in place of the present config.toml."""
    return predicted_identity(
        facts.codex_config if config is None else config,
        provider,
        facts.codex_login,
        facts.environment | facts.user_environment,
        facts.codex_version,
    )


def obstacle_of(facts: Facts, provider: str) -> KeyObstacle | None:
    """Return the reason for which Codex has no key for a provider that wants one; None where it needs none."""
    return key_obstacle(
        provider_auth(facts.codex_config, provider, facts.environment | facts.user_environment),
        facts.codex_login,
        requires_openai_auth=requires_openai_auth(facts.codex_config, provider),
        version=facts.codex_version,
    )


def stands_in_the_way(facts: Facts, settings: Settings) -> KeyObstacle | None:
    """Return the obstacle that the route has, too: the proxy's own key mends one for which Codex still starts."""
    is_refusal = codex_identity(facts, settings.provider) is Identity.CODEX_REFUSES
    return None if settings.overrides_auth and not is_refusal else obstacle_of(facts, settings.provider)


def obstacle_details(facts: Facts, provider: str) -> dict[str, str]:
    """Return the values of the placeholders of an obstacle's message."""
    variable = env_key(facts.codex_config, provider) or ""
    return {
        "provider": provider,
        "variable": "its key" if may_be_a_key(variable) else variable,
        "dotenv": str(facts.layout.dotenv),
        "auth_json": str(facts.layout.auth),
        "reason": facts.auth_flaw,
    }


def variables_of_new_programs(facts: Facts, provider: str) -> tuple[str, ...]:
    """Return the variables of the provider's key that Windows keeps for new programs, and that this one lacks."""
    table = provider_table(facts.codex_config, provider)
    names = (table.get("env_key"), authorization_variable(table))
    return tuple(
        name
        for name in names
        if isinstance(name, str) and name in facts.user_environment and name not in facts.environment
    )


def version_matters(facts: Facts) -> bool:
    """Whether the saved provider receives another identity from an older Codex than from the newest one."""
    settings = facts.recorded_settings
    if settings is None:
        return False
    oldest, newest = (
        codex_identity(replace(facts, codex_version=version), settings.provider) for version in (OLDEST, NEWEST)
    )
    return oldest is not newest


def identity_after_chatgpt_login(facts: Facts, provider: str) -> Identity:
    """Return the identity that Codex would send once the user has signed in with ChatGPT."""
    return codex_identity(replace(facts, codex_login=Login.CHATGPT), provider)


def route_identity(facts: Facts, settings: Settings, *, pending: bool = False) -> RouteIdentity:
    """Return the identities of the saved route.

    pending  the running worker serves older settings: what it sends counts
    """
    direct = codex_identity(facts, settings.provider)
    overrides, available = settings.overrides_auth, key_available(facts, settings)
    worker = facts.answering_worker
    if pending and worker is not None and worker.health is not None:
        overrides, available = worker.health.raw.get("upstream_auth") == "override_configured", True
    through_proxy = identity_through_proxy(direct, overrides_auth=overrides)
    return RouteIdentity(
        direct=direct,
        through_proxy=through_proxy if available or direct is Identity.CODEX_REFUSES else Identity.NONE,
        third_party=is_third_party(settings.provider, settings.upstream_base),
    )


def key_available(facts: Facts, settings: Settings) -> bool:
    """Whether the key that the proxy sends is there; True where it passes Codex's on."""
    if settings.upstream_api_key_file:
        return settings.key_entry in facts.provider_keys
    env = settings.upstream_api_key_env
    return env is None or env in facts.environment | facts.user_environment | facts.auth_names


def key_persistent(facts: Facts, settings: Settings) -> bool:
    """Whether that key will be there in a new login session."""
    env = settings.upstream_api_key_env
    if env is None or env in facts.dotenv | facts.user_environment:
        return True
    return env not in facts.environment and env in facts.auth_names


def hint_code(facts: Facts, settings: Settings) -> HintCode:
    """Return the requirement of a ChatGPT login; its closed set of the results lacks `own_key`, which is `ready`."""
    if settings.overrides_auth and key_available(facts, settings):
        return "ready" if key_persistent(facts, settings) else "needs_persistent_env"
    if route_identity(facts, settings).login_reaches_provider:
        return "needs_auth_split"
    own_key = identity_after_chatgpt_login(facts, settings.provider) is Identity.PROVIDER_KEY
    return "own_key" if own_key and not settings.overrides_auth else "optional_setup_available"


def preparation_code(facts: Facts, settings: Settings) -> PreparationCode:
    """Return the state of the provider's key in provider-auth.json; a closed set of the results."""
    if settings.key_entry in facts.provider_keys:
        return "prepared"
    if settings.upstream_api_key_env is not None and key_available(facts, settings):
        return "prepared" if key_persistent(facts, settings) else "needs_persistent_env"
    return "not_prepared" if route_identity(facts, settings).login_goes_direct else "optional"


def policy_login(facts: Facts, settings: Settings) -> LoginMode:
    """Return the mode by which the policy `auto` decides about requests to the provider."""
    names_key = settings.overrides_auth or names_own_key(facts.codex_config, settings.provider)
    return mode_of_keys(facts.login, facts.codex_login, names_key=names_key)


def policy_in_effect(facts: Facts, settings: Settings) -> EffectivePolicy:
    """Return what becomes of a request without a tier."""
    return effective_policy(settings.service_tier_policy, policy_login(facts, settings), opted_out=facts.opted_out)


def route_and_auth(facts: Facts, settings: Settings, *, pending: bool = False) -> dict[str, Any]:
    """Return the shared block, with names and places of keys, never a key.

    pending  the running worker serves older settings: the key of the saved ones is not on the wire yet
    """
    effective = policy_in_effect(facts, settings)
    available = key_available(facts, settings)
    preparation, hint = preparation_code(facts, settings), hint_code(facts, settings)
    text = HINTS[hint].filled(key_details(facts, settings))
    if hint == "own_key":
        hint = "ready"
    elif hint in {"needs_auth_split", "needs_persistent_env"} and is_key_idle(facts, settings):
        text = HINTS["saved_key_unused"].filled(key_details(facts, settings))
    elif pending and hint == "ready":
        hint, text = "needs_auth_split", HINTS["not_loaded_yet"]
    block: dict[str, Any] = {
        "provider": settings.provider,
        "base_url": settings.base_url,
        "upstream": settings.upstream,
        "upstream_base": settings.upstream_base,
        "service_tier": settings.service_tier,
        "service_tier_policy": settings.service_tier_policy,
        "service_tier_effective_policy": effective,
        "fast_behavior": fast_behavior(settings.service_tier_policy, policy_login(facts, settings)),
        "login_mode": facts.login,
        "service_tier_rules": list(settings.service_tier_rules),
        "fast_requests_a_day": settings.fast_requests_a_day,
        "fast_tokens_a_day": settings.fast_tokens_a_day,
        "pass_rate_limits": settings.pass_rate_limits,
        "catalogue": settings.catalogue,
        "upstream_auth": settings.upstream_auth,
        "upstream_api_key_env": settings.upstream_api_key_env,
        "upstream_api_key_file": settings.upstream_api_key_file,
        "upstream_api_key_ref": _reference(settings),
        "upstream_api_key_available": available,
        "upstream_api_key_source": _source(facts, settings) if available else None,
        "identity_on_the_wire": route_identity(facts, settings, pending=pending).to_json(),
        "upstream_api_key_persistent": key_persistent(facts, settings) if settings.overrides_auth else None,
        "chatgpt_login_compatible": (hint == "ready" and available)
        or not is_third_party(settings.provider, settings.upstream_base),
        "provider_auth_preparation": {
            "status": preparation,
            "message": PREPARATIONS[preparation].sentence,
        },
        "chatgpt_login_hint": {
            "status": hint,
            "message": text.sentence,
            "next_user_action": text.action,
        },
    }
    if hint == "ready" and sys.platform == "win32":
        block["chatgpt_login_windows_troubleshooting"] = {
            "trigger": "WinError 10013 while signing in with ChatGPT",
            "commands": ["net stop winnat", "net start winnat"],
        }
    return block


def _reference(settings: Settings) -> str | None:
    if settings.upstream_api_key_file:
        return f"provider_auth_file:{settings.key_entry}"
    return f"env:{settings.upstream_api_key_env}" if settings.upstream_api_key_env else None


def _source(facts: Facts, settings: Settings) -> str | None:
    if settings.upstream_api_key_file:
        return "provider_auth_file"
    if settings.upstream_api_key_env is None:
        return None
    if settings.upstream_api_key_env in facts.environment:
        return "process_env"
    return "windows_user_env" if settings.upstream_api_key_env in facts.user_environment else "auth_json_fallback"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteWarning:
    """A warning: its code, its sentences, and the place of the key that it is about, if it is about one."""

    code: str
    message: Message
    place: str = ""
    flaw: KeyFlaw | None = field(default=None)


def is_unencrypted(url: str) -> bool:
    """Whether requests to the URL cross a network in the clear: plain http to another machine, also a private one."""
    is_plain = url.strip().lower().startswith("http:") and host_of(url) != ""
    return is_plain and loopback_port(url) is None


def route_warnings(facts: Facts, settings: Settings) -> tuple[RouteWarning, ...]:
    """Return the warnings about a route, the most urgent first."""
    warnings = [*key_warnings(facts, settings.provider)]
    obstacle = stands_in_the_way(facts, settings)
    if obstacle is not None and "key_in_place_of_name" not in {warning.code for warning in warnings}:
        text = message(obstacle, obstacle_details(facts, settings.provider))
        warnings.append(RouteWarning(code=obstacle, message=text))
    warnings += profile_warnings(facts, settings)
    if is_unencrypted(settings.upstream_base):
        text = ROUTE_WARNINGS["upstream_unencrypted"].filled({"upstream_base": settings.upstream_base})
        warnings.append(RouteWarning(code="upstream_unencrypted", message=text))
    return tuple(warnings)


def profile_warnings(facts: Facts, settings: Settings) -> list[RouteWarning]:
    """Return a warning for each profile file that has a URL of its own for the proxy's provider."""
    return [
        RouteWarning(code="profile_passes_proxy", message=ROUTE_WARNINGS["profile_passes_proxy"].filled(own.details))
        for own in profile_urls(facts, settings)
    ]


def warning_fields(warnings: Sequence[RouteWarning], codes: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return the result's fields about warnings: `codes` and those of the route, and the sentences of the route's."""
    sentences = [f"{warning.message.sentence} {warning.message.action}" for warning in warnings]
    return {
        "warnings": [*codes, *dict.fromkeys(warning.code for warning in warnings)],
        "warning_messages": sentences,
    }


def key_warnings(facts: Facts, provider: str) -> Iterator[RouteWarning]:
    """Yield a warning for each flawed key of a provider."""
    for key in facts.flawed_keys:
        if key.provider == provider:
            code = _code(key)
            reason = "" if key.flaw is KeyFlaw.KEY_AS_NAME else FLAWS[key.flaw]
            text = ROUTE_WARNINGS[code].filled({"place": key.place, "reason": reason})
            yield RouteWarning(code=code, message=text, place=key.place, flaw=key.flaw)


def unsendable_key(facts: Facts, settings: Settings) -> FlawedKey | None:
    """Return the key that each request through the proxy would carry, and that HTTP cannot; None for none."""
    keys = (key for key in facts.flawed_keys if key.provider == settings.provider and key.is_sent)
    return next((key for key in keys if _code(key) == "key_malformed"), None)


def key_details(facts: Facts, settings: Settings) -> dict[str, str]:
    """Return the values of the placeholders about the provider's key and the ways to it."""
    named = {
        **key_steps(facts, settings.provider),
        "variable": settings.upstream_api_key_env or "",
        "instead": _instead_of_saved_key(facts, settings),
    }
    key = unsendable_key(facts, settings)
    return named if key is None else {**named, "key_place": key.place, "key_flaw": FLAWS[key.flaw]}


def key_steps(facts: Facts, provider: str) -> dict[str, str]:
    """Return what completes the commands that give the proxy a provider's key.

    provider_flag  that of `prepare-chatgpt-login` where it would choose another provider by itself
    key_flag       that of a key which the user enters, where Codex sends none that can be copied
    use_key        the command that lets the proxy send the saved key
    """
    settings = facts.recorded_settings
    usual = settings.provider if settings is not None else active_provider(facts.codex_config)
    flag = "" if provider == usual else f" --provider {shlex.quote(provider)}"
    enabled = settings is not None and settings.provider == provider and is_enabled(facts)
    return {
        "provider_flag": flag,
        "key_flag": "" if _can_be_copied(facts, provider) else " --from-stdin",
        "use_key": f"{'set-upstream' if enabled else f'install --start{flag}'} --use-provider-auth-file",
    }


def _can_be_copied(facts: Facts, provider: str) -> bool:
    """Whether Codex sends the provider a lasting key, and the proxy has the URL that it is for."""
    settings = facts.recorded_settings
    auth = provider_auth(facts.codex_config, provider, facts.environment | facts.user_environment)
    is_key = codex_identity(facts, provider) in {Identity.PROVIDER_KEY, Identity.OPENAI_API_KEY}
    return is_key and auth is not ProviderAuth.COMMAND and (settings is None or settings.upstream is None)


def is_key_idle(facts: Facts, settings: Settings) -> bool:
    """Whether `set-upstream --use-provider-auth-file` would let the proxy send a key that is saved and not in use."""
    return settings.key_entry in facts.provider_keys and not settings.upstream_api_key_file and not settings.upstream


def _instead_of_saved_key(facts: Facts, settings: Settings) -> str:
    if settings.upstream_api_key_env is None:
        return f"it passes on {IDENTITIES[codex_identity(facts, settings.provider)]}, which may meet with a 401"
    lack = "only this process has" if key_available(facts, settings) else "is not set"
    return f"it looks for the variable {settings.upstream_api_key_env}, which {lack}"


def _code(key: FlawedKey) -> RouteWarningCode:
    if key.flaw is KeyFlaw.KEY_AS_NAME:
        return "key_in_place_of_name"
    return "key_doubtful" if key.flaw is KeyFlaw.QUOTES else "key_malformed"


def check_names(facts: Facts, settings: Settings) -> None:
    """Refuse a key that stands where a variable's name belongs; raises Refused(key_in_place_of_name)."""
    for key in facts.flawed_keys:
        if key.provider == settings.provider and key.flaw is KeyFlaw.KEY_AS_NAME:
            raise Refused("key_in_place_of_name", place=key.place)
