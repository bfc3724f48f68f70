"""Failures: a command tried, and everything is as it was."""

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
    "chatgpt_login_not_sent",
    "upstream_dns",
    "upstream_refused",
    "upstream_unreachable",
    "upstream_tls",
    "upstream_rejected",
    "upstream_not_sse",
    "upstream_stalled",
    "upstream_key_malformed",
    "codex_cli_failed",
    "codex_cli_timeout",
]

# fmt: off
FAILURES: Final[dict[FailureCode, Message]] = {
    "worker_did_not_start": Message(
        "The proxy did not start ({reason}): {detail}. Everything is as it was.", "Read its stderr log: {log}."),
    "worker_lost": Message(
        "A proxy was stopped to be replaced; neither the new one ({reason}) nor the old one came up.", f"Run `{CLI} doctor`."),
    "worker_running": Message("Another proxy of this Codex home is running.", f"Run `{CLI} status`."),
    "handover_refused": Message("The proxy that runs does not hand over: {reason}.", f"Run `{CLI} status`."),
    "port_not_available": Message(
        "{host}:{port} cannot be served: nobody listens there, but the system does not give it away.",
        "Pass another --port. Windows reserves ranges of them (WinError 10013); "
        "`netsh interface ipv4 show excludedportrange protocol=tcp` lists them."),
    "worker_hangs": Message("The proxy with process id {pid} does not answer.", f"Run `{CLI} start`, which replaces it."),
    "worker_did_not_stop": Message("The proxy with process id {pid} does not end.", "End that process by hand."),
    "storage_failed": Message(
        "The file system refused a change to {path}: {reason}. Everything is as it was.", "Free space or rights, then run again."),
    "journal_failed": Message("The journal failed: {reason}.", f"Run `{CLI} recover --dry-run`."),
    "model_unknown": Message(
        "config.toml names no model and no Codex CLI was found to ask, so the provider cannot be tried.",
        "Set `model` in config.toml, or pass --no-verify."),
    "key_unknown": Message(
        "No key was found that Codex itself would send to {provider}.",
        "Set the variable that its env_key names, name another one with --upstream-api-key-env, or pass --no-verify."),
    "chatgpt_login_not_sent": Message(
        "Codex is signed in with ChatGPT and would send that login to {provider}; nothing but Codex should, so the "
        "provider was not tried.",
        f"Let the proxy keep the provider's own key: `{CLI} prepare-chatgpt-login --source-auth-key NAME --apply`, or name "
        "its variable with --upstream-api-key-env. Where the provider does take ChatGPT logins, pass --no-verify."),
    "upstream_dns": Message("The name {host} does not resolve: {reason}.", "Check the upstream URL and the network."),
    "upstream_refused": Message("{host} refuses connections.", "Check the upstream URL; is the provider up?"),
    "upstream_unreachable": Message("{host} cannot be reached: {reason}.", "Check the network and proxy variables."),
    "upstream_tls": Message(
        "No trusted TLS connection to {host}: {reason}.", "Check the date, or add the CA with SSL_CERT_FILE."),
    "upstream_rejected": Message(
        "{host} answered {status}: {message}", "Check the URL, the key and the model; nothing was changed."),
    "upstream_not_sse": Message(
        "{host} answered, but not with an event stream: {reason}.", "The provider must support streaming on POST /v1/responses."),
    "upstream_stalled": Message("{host} sent no event in time.", "Try again, or give a larger --verify-timeout."),
    "upstream_key_malformed": Message(
        "The key for {host} has a space or a character that no header may carry.", "Save the key again, without it."),
    "codex_cli_failed": Message("The Codex CLI did not answer as expected: {reason}.", "Run `codex --version`."),
    "codex_cli_timeout": Message("The Codex CLI did not answer in time.", "Run `codex --version`."),
}
# fmt: on
