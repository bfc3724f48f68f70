"""Checks of the requests to the provider: its URL, the tier, the key."""

from __future__ import annotations

from cfp.core.checks.check import CheckResult, DoctorFacts, advice, failure, success
from cfp.core.diagnosis import message_code_for
from cfp.core.facts import Facts
from cfp.core.fast.verdicts import refused_models, tier_verdicts
from cfp.core.identities import Identity
from cfp.core.plan.model_catalog import catalog_details, catalog_url, is_proxied, passed_by
from cfp.core.policy import EffectivePolicy
from cfp.core.provider import active_provider, env_key, host_of, provider_url
from cfp.core.route_report import is_unencrypted, key_warnings, policy_in_effect
from cfp.core.settings import Settings
from cfp.core.state import is_enabled, uses_proxy
from cfp.core.tiers.verdict import TierVerdict
from cfp.core.verdict.route import place_of_tier
from cfp.core.wire.identity import (
    codex_identity,
    obstacle_details,
    obstacle_of,
    route_identity,
    stands_in_the_way,
    variables_of_new_programs,
)
from cfp.core.wire.key import key_available, key_persistent
from cfp.core.wire.steps import key_details
from cfp.messages import Message, message
from cfp.messages.diagnoses import DIAGNOSES, DiagnosisCode
from cfp.messages.doctor import FINDINGS, OPTED_OUT, PASSES, WEBSOCKET
from cfp.messages.identities import IDENTITIES, ROUTE_WARNINGS, ROUTES


def upstream_saved(facts: Facts, _: DoctorFacts) -> CheckResult:
    """Name the provider's URL, and whether it serves WebSocket where the worker knows."""
    if facts.settings is None:
        return _without_settings(facts)
    base, health = facts.settings.upstream_base, None if facts.worker is None else facts.worker.health
    websocket = health.upstream_websocket or None if health is not None and health.upstream_base == base else None
    upstream = PASSES["upstream"].filled({"upstream_base": base}).sentence
    text = Message(upstream + WEBSOCKET.get(websocket or "", ""))
    return success(text, upstream_base=base, websocket=websocket)


def _without_settings(facts: Facts) -> CheckResult:
    """Return the result where no settings are saved, which only an installation needs."""
    if is_enabled(facts):
        return failure("settings_missing", message("settings_missing"))
    return success(PASSES["not_enabled"])


def provider_answers(_: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Check that the provider answers a turn, where the command line asks for that."""
    error, answer = surroundings.online_error, surroundings.online
    if error is not None:
        return failure(error.code, message(error.code, error.details))
    if answer is None:
        return success(PASSES["provider_not_asked"])
    if answer["service_tier_refused"]:
        details = {"tier": answer["service_tier_request"], "models": answer["model"]}
        return advice("tier_refused", DIAGNOSES["tier_refused"].filled(details), **answer)
    return success(PASSES["provider_answers"].filled(answer), **answer)


def tier_served(facts: Facts, _: DoctorFacts) -> CheckResult:
    """Check that the provider neither refuses nor ignores the tier, as far as there is evidence."""
    settings = facts.settings
    verdicts = () if settings is None else tier_verdicts(facts, settings)
    evidence = {"tier_verdicts": [one.to_json() for one in verdicts]}
    if settings is not None and (models := refused_models(facts, settings)):
        text = DIAGNOSES["tier_refused"].filled({"tier": settings.service_tier, "models": models})
        return advice("tier_refused", text, **evidence)
    sentences = " ".join(one.message for one in verdicts)
    if any(one.verdict is TierVerdict.IGNORED for one in verdicts):
        return advice("tier_ignored", FINDINGS["tier_ignored"].filled({"message": sentences}), **evidence)
    return success(Message(sentences) if sentences else PASSES["tier_unknown"], **evidence)


def upstream_encryption(facts: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Check that the key and the prompts cross no network in the clear."""
    provider = _provider(facts, surroundings)
    saved = facts.settings is not None and facts.settings.provider == provider
    url = facts.settings.upstream_base if facts.settings and saved else provider_url(facts.codex_config, provider)
    if url is None or not is_unencrypted(url):
        return success(PASSES["upstream_encrypted"])
    host = host_of(url)
    text = ROUTE_WARNINGS["upstream_unencrypted"].filled({"upstream_base": f"http://{host}"})
    return advice("upstream_unencrypted", text, host=host)


def key_format(facts: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Check that the provider's key can be sent, and that no key stands where a variable's name belongs."""
    for warning in key_warnings(facts, _provider(facts, surroundings)):
        judge = advice if warning.code == "key_doubtful" else failure
        return judge(warning.code, warning.message, place=warning.place, flaw=warning.flaw)
    return success(PASSES["key_format"])


def _provider(facts: Facts, surroundings: DoctorFacts) -> str:
    saved = facts.settings.provider if facts.settings else None
    return surroundings.provider or saved or active_provider(facts.codex_config) or ""


def service_tier_policy(facts: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Name the policy and its effect, and check that Codex may send the tier by itself where the proxy does not."""
    if facts.settings is None:
        return _without_settings(facts)
    policy = facts.settings.service_tier_policy
    effective = policy_in_effect(facts, facts.settings)
    detail = PASSES["policy"].filled({"policy": policy, "effective": effective}).sentence
    if facts.opted_out:
        detail += OPTED_OUT.format(place=place_of_tier(facts), tier=facts.tier_in_force)
    lacks_tier = surroundings.model_tiers is not None and facts.settings.service_tier not in surroundings.model_tiers
    if lacks_tier and effective is EffectivePolicy.PRESERVE:
        text = FINDINGS["model_without_tier"].filled({"detail": detail, "model": surroundings.model})
        return advice("model_without_tier", text, policy=policy, effective=effective, model=surroundings.model)
    return success(Message(detail), policy=policy, effective=effective, opted_out=facts.opted_out)


def upstream_auth(facts: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Name the identity that the provider receives, and check that it is no login of Codex."""
    settings = facts.settings
    if settings is None:
        return _auth_before_install(facts, surroundings)
    route = route_identity(facts, settings)
    evidence = {"override": settings.overrides_auth, "identity_on_the_wire": route.to_json()}
    obstacle = stands_in_the_way(facts, settings)
    if obstacle is not None:
        return failure(obstacle, message(obstacle, obstacle_details(facts, settings.provider)), **evidence)
    if not key_available(facts, settings):
        return failure("upstream_auth_missing", _key_message(facts, settings, "upstream_auth_missing"))
    if route.login_reaches_provider:
        text = _key_message(facts, settings, "chatgpt_auth_preserved")
        return failure("chatgpt_auth_preserved", text, **evidence)
    if not key_persistent(facts, settings):
        return advice("upstream_auth_not_persistent", _key_message(facts, settings, "upstream_auth_not_persistent"))
    names = variables_of_new_programs(facts, settings.provider)
    if names:
        text = FINDINGS["key_of_new_programs"].filled({"variables": names})
        return advice("key_of_new_programs", text, variables=list(names), **evidence)
    return success(route.message, **evidence)


def _key_message(facts: Facts, settings: Settings, code: DiagnosisCode) -> Message:
    return DIAGNOSES[message_code_for(facts, code)].filled(key_details(facts, settings))


def _auth_before_install(facts: Facts, surroundings: DoctorFacts) -> CheckResult:
    provider = surroundings.provider or active_provider(facts.codex_config)
    if provider is None or facts.config.is_unparseable:
        return success(PASSES["key_not_configured"])
    direct = codex_identity(facts, provider)
    refused = direct is Identity.CODEX_REFUSES
    route = ROUTES["identity_refused" if refused else "identity_direct"].filled({"direct": IDENTITIES[direct]})
    wire = {"direct": direct, "through_proxy": None, "message": route.sentence}
    obstacle = obstacle_of(facts, provider)
    if obstacle is not None:
        return failure(obstacle, message(obstacle, obstacle_details(facts, provider)), identity_on_the_wire=wire)
    return success(route, identity_on_the_wire=wire)


def app_environment(facts: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Check that the Codex App, which no shell starts, has the variable of the provider's key."""
    variable = env_key(facts.codex_config, _provider(facts, surroundings))
    has = surroundings.app_variables
    if has is None or variable is None or variable not in facts.environment - has:
        return success(PASSES["app_environment"])
    text = FINDINGS["key_of_this_shell"].filled({"variable": variable, "dotenv": str(facts.layout.dotenv)})
    return advice("key_of_this_shell", text, variable=variable)


def model_catalog(facts: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Check that the provider's catalogue does not receive a login that the proxy keeps from the provider."""
    doc, settings = facts.codex_config, facts.settings
    provider = settings.provider if settings else surroundings.provider or active_provider(doc) or ""
    url = catalog_url(doc, provider)
    if url is None:
        return success(PASSES["catalog_of_provider"])
    if settings is not None and is_proxied(url, settings):
        return success(PASSES["catalog_of_proxy"])
    details = catalog_details(doc, provider)
    if settings is not None and uses_proxy(facts) and passed_by(doc, settings) is not None:
        text = DIAGNOSES["catalog_receives_login"].filled(details)
        return failure("catalog_receives_login", text, **details)
    return success(PASSES["catalog_direct"].filled(details), **details)
