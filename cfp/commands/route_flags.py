"""The flags that describe a route, shared by the commands that change or try one."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

from cfp.commands.verification import DEFAULT_TIMEOUT_S
from cfp.core.plan.candidate import RouteRequest
from cfp.core.settings import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteArgs:
    """The flags of a command that changes the route of an installation."""

    upstream_base: str | None
    service_tier_policy: str | None
    upstream_api_key_env: str | None
    use_provider_auth_file: bool
    clear_upstream_auth: bool
    pass_rate_limits: bool | None
    no_verify: bool
    verify_timeout: float
    verbose_proxy: bool

    def request(self) -> RouteRequest:
        return RouteRequest(
            upstream_base=self.upstream_base,
            service_tier_policy=Policy(self.service_tier_policy) if self.service_tier_policy else None,
            upstream_api_key_env=self.upstream_api_key_env,
            use_provider_auth_file=self.use_provider_auth_file,
            clear_upstream_auth=self.clear_upstream_auth,
            pass_rate_limits=self.pass_rate_limits,
        )


def seconds(text: str) -> float:
    """A patience: finite and above 0, unlike some numbers that float() takes."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError("it must be a number of seconds above 0")
    return value


def add_route_arguments(parser: argparse.ArgumentParser, *, default_url: str = "the saved one") -> None:
    """Declare URL, policy, key source and the verification's patience."""
    add_url_argument(parser, default=default_url)
    add_policy_argument(parser)
    add_key_arguments(parser)
    parser.add_argument(
        "--verify-timeout",
        type=seconds,
        default=DEFAULT_TIMEOUT_S,
        metavar="SECONDS",
        help=f"the time limit of the request that tries the route (default: {DEFAULT_TIMEOUT_S:g})",
    )


def add_url_argument(parser: argparse.ArgumentParser, *, default: str) -> None:
    """Declare the provider's URL."""
    parser.add_argument("--upstream-base", metavar="URL", help=f"the provider's URL (default: {default})")


def add_policy_argument(parser: argparse.ArgumentParser) -> None:
    """Declare who decides about Fast."""
    parser.add_argument(
        "--service-tier-policy",
        choices=[str(policy) for policy in Policy],
        help="which requests without a tier get priority. auto: all, where Codex talks to the provider with "
        "an API key; inject_missing: all; preserve: none",
    )


def add_key_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where a key that replaces Codex's own comes from."""
    parser.add_argument(
        "--upstream-api-key-env",
        metavar="NAME",
        help="send the key in this environment variable; a name, never a key",
    )
    parser.add_argument(
        "--use-provider-auth-file", action="store_true", help="send the key that prepare-chatgpt-login saved"
    )


def add_clear_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the flag that goes back to Codex's own key, under both of its names."""
    parser.add_argument(
        "--clear-upstream-auth",
        "--clear-upstream-api-key-env",
        action="store_true",
        help="forward the credentials that Codex sends, instead of a key of the provider",
    )


def add_codex_key_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the flag that has Codex itself send a variable's key, and its opposite."""
    parser.add_argument(
        "--codex-key-env",
        metavar="NAME",
        help="have Codex itself send the key of this variable, also signed in with ChatGPT: sets env_key and "
        "requires_openai_auth of the provider in config.toml until the uninstall; no copy of the key is kept",
    )
    parser.add_argument(
        "--no-codex-key-env",
        dest="codex_key_env",
        action="store_const",
        const="",
        help="give these two keys back as they were",
    )


def add_catalogue_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the flag that has Codex read its catalogue of models at the proxy, and its opposite."""
    parser.add_argument(
        "--catalogue",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="have Codex (0.169 and later) read its catalogue of models at the proxy, so that its own Fast switch "
        "works for the provider's models too; while the proxy does not run, Codex then knows no model",
    )


def add_rate_limit_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the flag that leaves the provider's rate limits as they are, and its opposite."""
    parser.add_argument(
        "--pass-rate-limits",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="leave a 429 about a rate limit as it is, and so end the turn; otherwise it gets a Retry-After where "
        "it has none, so that Codex waits and asks again",
    )
