"""The side-path request that comes before any switch: one real streaming turn of the candidate route."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from cfp.commands.failed_routes import explained
from cfp.core.facts import Facts
from cfp.core.policy import EffectivePolicy
from cfp.core.provider import BUILT_IN
from cfp.core.route_report import RouteWarning, policy_in_effect
from cfp.core.settings import Settings
from cfp.core.tiers.names import FLEX, PRIORITY, canonical
from cfp.core.tiers.records import REFUSAL_STATUSES
from cfp.core.tiers.verdict import TierJudgement, judge_tier
from cfp.core.wire.identity import obstacle_details, stands_in_the_way
from cfp.core.wire.steps import key_steps
from cfp.errors import CfpError, Failed, Refused
from cfp.host.home import Host
from cfp.host.provider import keys, verification
from cfp.host.provider.codex_client import NEWEST_KNOWN, CodexClient
from cfp.host.provider.outbound import outbound_environ
from cfp.host.provider.request_extras import request_extras
from cfp.host.session_version import version_of_home
from cfp.host.system import windows
from cfp.host.tier_records import learn_from
from cfp.messages import ErrorCode
from cfp.messages.diagnoses import DIAGNOSES

DEFAULT_TIMEOUT_S = 60.0


def candidate_request(host: Host, facts: Facts, settings: Settings) -> verification.VerificationRequest:
    """Return the request that tries the route, unsent.

    Raises Refused(model_unknown, or the codes of `candidate_key`), Failed(upstream_key_malformed).
    """
    doc = facts.codex_config
    obstacle = stands_in_the_way(facts, settings)
    if obstacle is not None:
        raise Refused(obstacle, **obstacle_details(facts, settings.provider))
    key = candidate_key(host, facts, settings)
    if key is not None:
        keys.checked_bearer(key, settings.upstream_base, verbatim=not settings.overrides_auth)
    return verification.VerificationRequest(
        provider=settings.provider,
        upstream_base=settings.upstream_base,
        model=candidate_model(host, doc),
        service_tier=_tier(facts, doc, settings),
        adds_tier=_own_tier(doc) is None,
        key=key,
        extras=request_extras(doc, settings.provider, host.disk.read(host.layout.dotenv), host.environ),
        overrides=settings.overrides_auth,
        client=codex_client(host, facts, settings.provider),
    )


def codex_client(host: Host, facts: Facts, provider: str) -> CodexClient:
    """Return the Codex of this machine: by its CLI, else by the home's own files, else the newest one known."""
    version = facts.codex_version or host.codex_version or version_of_home(host.layout, host.disk)
    return CodexClient(version=version or NEWEST_KNOWN, built_in=provider == BUILT_IN)


def verify_candidate(host: Host, facts: Facts, settings: Settings, timeout: float) -> dict[str, Any]:
    """Try the route and return the field `verification`.

    Raises Failed(upstream_…), and the errors of `candidate_request`.
    """
    return send(host, facts, candidate_request(host, facts, settings), timeout)


def send(host: Host, facts: Facts, request: verification.VerificationRequest, timeout: float) -> dict[str, Any]:
    """Send the request and return the field `verification`; raises Failed(upstream_…).

    A provider that refuses our tier is tried without it, since the worker would do the same for each turn.
    """
    environ = outbound_environ(host.environ, host.disk.read(host.layout.dotenv))
    from cfp.proxy.attempt import verify  # noqa: PLC0415  most commands send no request

    netloc = urlsplit(request.upstream_base).netloc
    words = f"waiting for {netloc} to answer one small request"
    try:
        with host.waiting(words, timeout):
            return verify(request, timeout, environ=environ).to_json()
    except Failed as error:
        failure = error
    if request.adds_tier and failure.details.get("status") in REFUSAL_STATUSES:
        with suppress(Failed), host.waiting(f"{words}, without the tier", timeout):
            bare = verify(replace(request, service_tier=None), timeout, environ=environ)
            return replace(bare, service_tier_request=request.service_tier, service_tier_refused=True).to_json()
    with host.waiting(f"looking for the cause at {netloc}", None):
        cause = explained(failure, request, facts, codex_files(host, facts.codex_config), environ)
    raise cause from failure


def remember(host: Host, facts: Facts, verification: Mapping[str, Any]) -> TierJudgement | None:
    """Replace what is remembered of the upstream's tiers by this verification; return the verdict.

    None, where it was skipped or the request had no tier. Another user's home is not written to.
    """
    if verification["status"] != "verified":
        return None
    path = None if facts.ownership.is_of_another else host.layout.tier_records
    record = learn_from(verification, path, facts.now.timestamp())
    return None if record is None else judge_tier(record.model, record.tier, record)


def tier_warnings(verification: Mapping[str, Any]) -> tuple[RouteWarning, ...]:
    """Return the warning of a provider that refuses the tier; none for any other verification."""
    if not verification["service_tier_refused"]:
        return ()
    details = {"tier": verification["service_tier_request"], "models": verification["model"]}
    return (RouteWarning(code="tier_refused", message=DIAGNOSES["tier_refused"].filled(details)),)


def skipped_verification(host: Host, facts: Facts, settings: Settings) -> dict[str, Any]:
    """Return the field `verification` without a request.

    Raises Failed(upstream_key_malformed) where the worker would refuse to send the key that the user named.
    """
    if settings.overrides_auth:
        key = _discover(host, facts.codex_config, settings)
        if key is not None:
            keys.checked_bearer(key, settings.upstream_base)
    request = verification.VerificationRequest(
        provider=settings.provider, upstream_base=settings.upstream_base, model="", service_tier=None, key=None
    )
    return verification.skipped(request).to_json()


def candidate_model(host: Host, doc: Mapping[str, Any], *, unknown: ErrorCode = "model_unknown") -> str:
    """Return the model of config.toml, else Codex's default; raises Refused(`unknown`) without either."""
    model = doc.get("model")
    if isinstance(model, str) and model:
        return model
    try:
        default_model = host.codex.default_model() if host.codex else None
    except CfpError:
        default_model = None
    if default_model is None:
        raise Refused(unknown)
    return default_model


def _tier(facts: Facts, doc: Mapping[str, Any], settings: Settings) -> str | None:
    """Return the tier that would be sent: Codex's own choice, else the one that the policy adds."""
    chosen = _own_tier(doc)
    if chosen is not None:
        return chosen
    effective = policy_in_effect(facts, settings)
    return settings.service_tier if effective is EffectivePolicy.INJECT_MISSING else None


def _own_tier(doc: Mapping[str, Any]) -> str | None:
    """Return the tier that Codex sends by the user's own choice, by its name on the wire; None for none."""
    chosen = doc.get("service_tier")
    name = canonical(chosen) if isinstance(chosen, str) else None
    return name if name in {PRIORITY, FLEX} else None


def candidate_key(
    host: Host, facts: Facts, settings: Settings, *, unknown: ErrorCode = "key_unknown"
) -> keys.ProviderKey | None:
    """Return the key that this route would send; None where it sends none.

    Raises Refused: `unknown`, chatgpt_login_not_sent, saved_key_unused, a `KeyObstacle`; Failed(auth_command_failed).
    """
    doc = facts.codex_config
    key = _discover(host, doc, settings)
    if key is not None:
        return key
    provider, named, files = settings.provider, settings.overrides_auth, codex_files(host, doc)
    steps = key_steps(facts, provider)
    if not named and keys.sends_login(files, provider):
        saved = provider in facts.provider_keys
        raise Refused("saved_key_unused" if saved else "chatgpt_login_not_sent", provider=provider, **steps)
    obstacle = stands_in_the_way(facts, settings)
    if obstacle is not None:
        raise Refused(obstacle, **obstacle_details(facts, provider))
    if named or keys.sends_key(files, provider):
        raise Refused(unknown, provider=provider, **steps)
    return None


def codex_files(host: Host, doc: Mapping[str, Any]) -> keys.CodexFiles:
    """Read the contents by which Codex chooses an identity; `doc` is config.toml."""
    return keys.CodexFiles(
        config=doc,
        auth=host.disk.read(host.layout.auth),
        dotenv=host.disk.read(host.layout.dotenv),
        environ=host.environ,
        user_environ=windows.user_environ(),
    )


def _discover(host: Host, doc: Mapping[str, Any], settings: Settings) -> keys.ProviderKey | None:
    source = None
    if settings.upstream_api_key_file:
        source = keys.KeySource.provider_auth_file(settings.upstream_api_key_entry)
    elif settings.upstream_api_key_env is not None:
        source = keys.KeySource.env(settings.upstream_api_key_env)
    return keys.discover_key(
        codex_files(host, doc),
        settings.provider,
        host.disk.read(host.layout.provider_auth),
        source=source,
    )
