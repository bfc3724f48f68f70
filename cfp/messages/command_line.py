"""Errors in the command line."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import CLI, Message

CommandLineCode = Literal[
    "usage",
    "unknown_flag",
    "flag_needs_value",
    "start_required",
    "two_auth_sources",
    "invalid_env_name",
    "invalid_upstream_url",
    "invalid_settings",
    "host_not_loopback",
    "upstream_is_proxy",
    "activate_without_provider",
]

# fmt: off
COMMAND_LINE: Final[dict[CommandLineCode, Message]] = {
    "usage": Message("The command line is wrong: {reason}.", f"Run `{CLI} --help`, or the command with --help."),
    "unknown_flag": Message("{flag} is not a flag of serve.", f"Run `{CLI} serve --help`."),
    "flag_needs_value": Message("{flag} needs a value.", f"Run `{CLI} serve --help`."),
    "start_required": Message(
        "Switching the Codex config needs a running proxy, so plain `install` does nothing.",
        f"Run `{CLI} install --start`, or `{CLI} install --prepare-only` to save settings without switching."),
    "two_auth_sources": Message(
        "More than one source for the provider's key was named.",
        "Name one: --use-provider-auth-file, --upstream-api-key-env NAME or --clear-upstream-auth."),
    "invalid_env_name": Message(
        "--upstream-api-key-env takes the name of an environment variable, never a key.",
        "Pass a name made of letters, digits and underscores, and put the key into that variable."),
    "invalid_upstream_url": Message(
        "The upstream URL cannot be used: {reason}.", "Pass --upstream-base https://HOST/v1, without a key in it."),
    "invalid_settings": Message("The setting {field} cannot be used: {reason}.", "Correct it and run again."),
    "host_not_loopback": Message(
        "The proxy serves this machine only; {host} is not a loopback address.", "Leave --host out, or pass 127.0.0.1."),
    "upstream_is_proxy": Message(
        "The upstream {upstream_base} is the proxy itself.", "Pass the provider's own URL with --upstream-base."),
    "activate_without_provider": Message(
        "--activate-provider needs to know which provider.", "Add --provider with one of: {choices}."),
}
# fmt: on
