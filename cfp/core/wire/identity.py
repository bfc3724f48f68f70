"""The identity that Codex sends to a provider of this home, and the one that the provider receives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cfp.codex.auth_json import Login
from cfp.core.facts import Facts
from cfp.core.identities import (
    NEWEST,
    OLDEST,
    Identity,
    authorization_variable,
    identity_through_proxy,
    predicted_identity,
    provider_auth,
    provider_table,
    requires_openai_auth,
)
from cfp.core.keys.flaws import may_be_a_key
from cfp.core.keys.obstacles import KeyObstacle, key_obstacle
from cfp.core.provider import env_key, is_third_party
from cfp.core.settings import Settings
from cfp.core.wire.key import key_available
from cfp.messages.identities import IDENTITIES, ROUTES
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
