"""Try a URL, key or policy with one real streaming request; no setting is written, nothing locked or restarted."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from cfp.codex import config_toml
from cfp.commands.command import Command
from cfp.commands.route_flags import add_clear_argument, add_route_arguments
from cfp.commands.verification import remember, tier_warnings, verify_candidate
from cfp.core.plan.baseline import derive_baseline
from cfp.core.plan.candidate import RouteRequest, candidate_settings, check_key
from cfp.core.plan.install import check_readable
from cfp.core.provider import choose_provider
from cfp.core.route_report import warning_fields
from cfp.core.settings import Policy
from cfp.host.home import Host
from cfp.host.survey import RequestedAddress
from cfp.messages.results import RESULTS
from cfp.result import Result

EXAMPLES = (
    ("", "the route as it is saved"),
    ("--upstream-base https://relay.example/v1", "another URL"),
    ("--upstream-api-key-env RELAY_KEY", "with the key in that variable"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    provider: str | None
    upstream_base: str | None
    service_tier: str | None
    service_tier_policy: str | None
    upstream_api_key_env: str | None
    use_provider_auth_file: bool
    clear_upstream_auth: bool
    verify_timeout: float

    def request(self) -> RouteRequest:
        return RouteRequest(
            provider=self.provider,
            upstream_base=self.upstream_base,
            service_tier=self.service_tier,
            service_tier_policy=Policy(self.service_tier_policy) if self.service_tier_policy else None,
            upstream_api_key_env=self.upstream_api_key_env,
            use_provider_auth_file=self.use_provider_auth_file,
            clear_upstream_auth=self.clear_upstream_auth,
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--provider", metavar="NAME", help="the provider to try (default: the recorded, else the active)"
    )
    parser.add_argument("--service-tier", metavar="TIER", help="the tier that the policy would inject")
    add_route_arguments(parser)
    add_clear_argument(parser)


def run(args: Args, host: Host) -> Result:
    """Verify the route that an install or set-upstream with these flags would lead to."""
    facts = host.survey(RequestedAddress(upstream_base=args.upstream_base))
    check_readable(facts)
    recorded = facts.settings.provider if facts.settings else None
    doc = facts.as_codex_reads(config_toml.parse(derive_baseline(facts).config.content))
    target = choose_provider(doc, args.provider or recorded)
    settings = candidate_settings(facts, args.request(), target)
    check_key(facts, settings)
    verification = verify_candidate(host, facts, settings, args.verify_timeout)
    verdict = remember(host, facts, verification)
    done = RESULTS["verified"]
    untouched = {"settings_changed": False, "config_changed": False, "proxy_restarted": False}
    fields = {
        **verification,
        "verification": verification,
        "service_tier_policy": settings.service_tier_policy,
        "tier_verdict": None if verdict is None else verdict.to_json(),
        **warning_fields(tier_warnings(verification)),
        **untouched,
        "message": done.sentence,
        "next_user_action": done.action,
    }
    return Result(status=str(verification["status"]), fields=fields)


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
)
