"""Errors in the command line."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import CLI, Message

UsageCode = Literal[
    "usage",
    "unknown_flag",
    "flag_needs_value",
    "start_required",
    "two_auth_sources",
    "upstream_key_unchosen",
    "invalid_env_name",
    "invalid_upstream_url",
    "invalid_settings",
    "host_not_loopback",
    "upstream_is_proxy",
    "activate_without_provider",
]

# fmt: off
USAGE: Final[dict[UsageCode, Message]] = {
    "usage": Message("The command line is wrong: {reason}.", f"Run `{CLI}{{verb}} --help`."),
    "unknown_flag": Message("{flag} is not a flag of serve.", f"Run `{CLI} serve --help`."),
    "flag_needs_value": Message("{flag} needs a value.", f"Run `{CLI} serve --help`."),
    "start_required": Message(
        "`install` without --start changes nothing, because Codex may point only at a running proxy.",
        f"Run `{CLI} install --start`, or `{CLI} install --prepare-only` to save the settings only."),
    "two_auth_sources": Message(
        "The command line names more than one source of the provider's key.",
        "Pass only one: --use-provider-auth-file, --upstream-api-key-env NAME or --clear-upstream-auth."),
    "upstream_key_unchosen": Message(
        "The command line names another URL and no key for it. No key goes to another provider by itself.",
        "Add --from-stdin to enter its key, --upstream-api-key-env NAME, --use-provider-auth-file for a copy of the key that the proxy keeps, or "
        "--clear-upstream-auth for the key that Codex sends."),
    "invalid_env_name": Message(
        "--upstream-api-key-env and --codex-key-env take the name of an environment variable, not a key.",
        "Put the key into an environment variable, and pass the variable's name (letters, digits and underscores)."),
    "invalid_upstream_url": Message(
        "The upstream URL is not valid: {reason}.",
        "Correct base_url in config.toml, or pass a URL without a key in it: --upstream-base https://HOST/v1."),
    "invalid_settings": Message("The setting {field} is not valid: {reason}.", "Correct it, then run the command again."),
    "host_not_loopback": Message(
        "The proxy serves only this machine, and {host} is not a loopback address.", "Omit --host, or pass --host 127.0.0.1."),
    "upstream_is_proxy": Message(
        "The upstream URL {upstream_base} is the proxy's own address.",
        "Pass the provider's URL with --upstream-base; where that is the provider's URL, pass another port of the proxy with --port."),
    "activate_without_provider": Message(
        "--activate-provider was given without --provider.", "Add --provider with one of these: {choices}."),
}
# fmt: on
