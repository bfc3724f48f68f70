"""Failures: a command tried, and undid its changes."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import CLI, Message

FailureCode = Literal[
    "worker_did_not_start",
    "worker_lost",
    "worker_running",
    "handover_refused",
    "port_not_available",
    "worker_hangs",
    "worker_did_not_stop",
    "storage_failed",
    "journal_failed",
    "model_unknown",
    "key_unknown",
    "codex_key_unset",
    "auth_table_refused",
    "auth_json_broken",
    "login_needs_newer_codex",
    "not_signed_in",
    "auth_command_failed",
    "chatgpt_login_not_sent",
    "saved_key_unused",
    "upstream_dns",
    "upstream_refused",
    "upstream_unreachable",
    "upstream_tls",
    "upstream_rejected",
    "upstream_wants_key",
    "upstream_redirect",
    "upstream_not_sse",
    "upstream_not_http",
    "upstream_stalled",
    "upstream_key_malformed",
    "codex_cli_failed",
    "codex_cli_timeout",
    "codex_cli_not_found",
    "codex_sent_no_turn",
]

# fmt: off
FAILURES: Final[dict[FailureCode, Message]] = {
    "worker_did_not_start": Message(
        "The proxy did not start ({reason}): {detail}. All changes were undone.", "Read the proxy's log: {log}."),
    "worker_lost": Message(
        "The running proxy was stopped to be replaced. The new proxy did not start ({reason}), and the former one could not be started again.", f"Run `{CLI} doctor`."),
    "worker_running": Message("Another proxy of this Codex home is running.", f"Run `{CLI} status`."),
    "handover_refused": Message("The running proxy refused to hand over its port: {reason}.", f"Run `{CLI} status`."),
    "port_not_available": Message(
        "The system does not allow the proxy to use {host}:{port}, although no program listens there.",
        f"Run `{CLI} install --start --port {{free_port}}`. Windows reserves some port ranges (WinError 10013); "
        "`netsh interface ipv4 show excludedportrange protocol=tcp` lists them. Linux allows the ports below 1024 to root alone."),
    "worker_hangs": Message("The proxy (process {pid}) is running but does not respond.", f"Run `{CLI} start` to replace it."),
    "worker_did_not_stop": Message("The proxy (process {pid}) did not stop.", "End that process yourself."),
    "storage_failed": Message(
        "The file system refused a change to {path}: {reason}. All changes were undone.", "Free some disk space or correct the file permissions, then run the command again."),
    "journal_failed": Message("The journal failed: {reason}.", f"Run `{CLI} recover --dry-run`."),
    "model_unknown": Message(
        "The provider cannot be tried: config.toml names no model, and no Codex CLI was found that could name its default.",
        "Set `model` in config.toml, or pass --no-verify."),
    "key_unknown": Message(
        "No key was found for {provider}.",
        f"Run `{CLI} prepare-chatgpt-login{{provider_flag}} --from-stdin --apply` and enter the key, then `{CLI} {{use_key}}`."),
    "codex_key_unset": Message(
        "Codex would not start a turn: the variable {variable}, which env_key names for {provider}, is not set, neither in the "
        "environment nor in {dotenv}.",
        "Set it in one of the two. A key in auth.json does not count for it, and neither does --upstream-api-key-env."),
    "auth_table_refused": Message(
        "Codex would not start a turn: it does not accept the table `auth` of {provider} in config.toml as it is.",
        "Give that table a `command`, and name no other key beside it: no env_key, no experimental_bearer_token and no requires_openai_auth."),
    "auth_json_broken": Message(
        "Codex finds no key and no login in {auth_json}, which {reason}.",
        "Correct the file by hand and save it as UTF-8 without a byte order mark, or sign in again with `codex login`."),
    "login_needs_newer_codex": Message(
        "Codex would not start a turn: {auth_json} has a personal access token, which this Codex is too old to understand.",
        "Update Codex to 0.138 or newer, or sign in another way with `codex login`."),
    "not_signed_in": Message(
        "Codex would send its own login to {provider}, but nobody is signed in.",
        "Sign in with `codex login`. For a provider that has a table in config.toml you can name a key of its own instead: env_key in that "
        "table, or --upstream-api-key-env NAME."),
    "auth_command_failed": Message(
        "Codex gets the key for the provider from the program that `auth.command` names, and that program {reason}: {command}.",
        "Run it yourself as config.toml has it, with its args, and correct what it reports; it must print the key and nothing else."),
    "chatgpt_login_not_sent": Message(
        "Codex would send its own login to {provider}. Only Codex may send it, so the provider "
        "was not tried.",
        f"Run `{CLI} prepare-chatgpt-login{{provider_flag}} --from-stdin --apply` and enter the provider's own key, then `{CLI} {{use_key}}`. "
        "If the provider accepts ChatGPT logins, pass --no-verify."),
    "saved_key_unused": Message(
        "Codex would send its own login to {provider}. Only Codex may send it, so the provider was not tried. The provider's own key is "
        "saved, but this command does not use it.",
        f"Run `{CLI} {{use_key}}`. If the provider accepts ChatGPT logins, pass --no-verify."),
    "upstream_dns": Message("The host name {host} cannot be resolved: {reason}.", "Check the upstream URL and the network."),
    "upstream_refused": Message("{host} refused the connection.", "Check the upstream URL, and whether the provider is running."),
    "upstream_unreachable": Message("{host} cannot be reached: {reason}.", "Check the network and the proxy environment variables."),
    "upstream_tls": Message(
        "TLS with {host} failed: {reason}.", "Check this machine's date, or name your CA file in SSL_CERT_FILE."),
    "upstream_rejected": Message(
        "{host} responded with {status}: {message}", "Nothing was changed. Check the URL, the key and the model."),
    "upstream_wants_key": Message(
        "{host} responded with 401 to a request without a key: {reason}. Its words: {message}",
        "Name the provider's key: env_key in its table of config.toml, or --upstream-api-key-env NAME. If the provider accepts Codex's own "
        "login, pass --no-verify."),
    "upstream_redirect": Message(
        "{host} redirects to {url}.", "If the provider has moved, pass --upstream-base {base}."),
    "upstream_not_sse": Message(
        "{host} did not respond with an event stream: {reason}.", "Check the upstream URL; the provider must stream its responses to POST /v1/responses."),
    "upstream_not_http": Message(
        "{host} sent a response that is not valid HTTP/1.1: {reason}.", "Check the upstream URL. If it is right, report this to the provider."),
    "upstream_stalled": Message("{host} did not send an event in time.", "Run the command again, or pass a larger --verify-timeout."),
    "upstream_key_malformed": Message(
        "The key for {host} ({source}) {reason}, so it cannot be sent.", "Save the key again, the key alone."),
    "codex_cli_failed": Message("The Codex CLI failed or gave unexpected output: {reason}.", "Run `codex --version` to check whether the Codex CLI works."),
    "codex_cli_timeout": Message("The Codex CLI did not respond in time.", "Run `codex --version` to check whether the Codex CLI works."),
    "codex_cli_not_found": Message("No Codex CLI was found, so that none can send a turn.", "Install the Codex CLI. If you use only the Codex App, run the command without --probe."),
    "codex_sent_no_turn": Message("Codex sent no turn. It said: {words}.", f"Mend what Codex names, then run `{CLI} doctor --probe` again."),
}
# fmt: on
