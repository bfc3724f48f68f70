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
    "upstream_filtered",
    "upstream_behind_gateway",
    "upstream_quota",
    "upstream_limited",
    "upstream_model_unknown",
    "upstream_key_refused",
    "upstream_forbidden",
    "upstream_path_unknown",
    "upstream_url_of_endpoint",
    "upstream_lacks_version",
    "upstream_chat_only",
    "upstream_failing",
    "upstream_rejected",
    "upstream_wants_key",
    "upstream_redirect",
    "upstream_not_sse",
    "upstream_web_page",
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
        f"Run `{CLI} prepare-chatgpt-login{{provider_flag}} --from-stdin --apply` and enter the key, then `{CLI} {{change}} --use-provider-auth-file`."),
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
        f"Run `{CLI} prepare-chatgpt-login{{provider_flag}} --from-stdin --apply` and enter the provider's own key, then `{CLI} {{change}} --use-provider-auth-file`{{or_codex}}. "
        "If the provider accepts ChatGPT logins, pass --no-verify."),
    "saved_key_unused": Message(
        "Codex would send its own login to {provider}. Only Codex may send it, so the provider was not tried. The provider's own key is "
        "saved, but this command does not use it.",
        f"Run `{CLI} {{change}} --use-provider-auth-file`. If the provider accepts ChatGPT logins, pass --no-verify."),
    "upstream_dns": Message("The host name {host} cannot be resolved: {reason}.", "Check the upstream URL and the network."),
    "upstream_refused": Message(
        "{host} refused the connection ({reason}): no program listens there.", "Check the upstream URL, and whether the provider is running."),
    "upstream_unreachable": Message("{host} cannot be reached: {reason}.", "Check the network and the proxy environment variables."),
    "upstream_tls": Message(
        "TLS with {host} failed: {reason}.",
        "Check that the URL's port speaks https, and this machine's date; for a company's own authority, name its file in SSL_CERT_FILE."),
    "upstream_filtered": Message(
        "A filter before {host} sends programs away ({status}): {message}",
        "Try another network, without a VPN and an outbound proxy, or ask the provider for an address for programs. Neither the URL nor the "
        "key was judged."),
    "upstream_behind_gateway": Message(
        "The gateway before {host} does not reach the provider itself ({status}): {message}",
        "Wait a while, then run the command again; with --no-verify, install and set-upstream go on without trying."),
    "upstream_quota": Message(
        "{host} has no quota or credit left for {key} ({status}): {message}",
        "Add credit at the provider, or use another account's key; with --no-verify, install and set-upstream go on without trying."),
    "upstream_limited": Message("{host} limits the requests ({status}): {message}", "Wait a while, then run the command again."),
    "upstream_model_unknown": Message(
        "{host} does not serve the model {model} to {key} ({status}): {message}",
        "Set `model` in config.toml to a model that the provider serves, then run the command again."),
    "upstream_key_refused": Message("{host} refused {key} ({status}): {message}", "{way_out}, then run the command again."),
    "upstream_forbidden": Message(
        "{host} forbids the request, by the rights of {key} or by where this machine is ({status}): {message}",
        "Ask the provider what the key may do, and from where."),
    "upstream_path_unknown": Message(
        "{host} has no {endpoint} ({status}): {message}",
        f"Find the provider's URL for the Responses API, to which Codex adds /responses, and run `{CLI} {{change}} --upstream-base URL`."),
    "upstream_url_of_endpoint": Message(
        "The upstream URL ends in {suffix}, and Codex adds /responses to it: {host} has no {endpoint} ({status}).",
        f"Run `{CLI} {{change}} --upstream-base {{suggestion}}`."),
    "upstream_lacks_version": Message(
        "{host} has no {endpoint} ({status}), but it has {other_path}.", f"Run `{CLI} {{change}} --upstream-base {{suggestion}}`."),
    "upstream_chat_only": Message(
        "{host} has no {endpoint} ({status}), but it has {other_path}: it serves the Chat Completions API, which Codex does not speak.",
        f"Ask the provider for a URL with the Responses API, or put a gateway before it that translates, such as LiteLLM, and run "
        f"`{CLI} {{change}} --upstream-base URL`."),
    "upstream_failing": Message(
        "{host} has a fault of its own ({status}): {message}", "Wait a while, then run the command again; with --no-verify, install and set-upstream go on without trying."),
    "upstream_rejected": Message(
        "{host} responded with {status}: {message}", "Nothing was changed. Check the URL, the key and the model."),
    "upstream_wants_key": Message(
        "{host} responded with 401 to a request without a key: {reason}. Its words: {message}",
        f"Run `{CLI} prepare-chatgpt-login{{provider_flag}} --from-stdin --apply` and enter the provider's key, then "
        f"`{CLI} {{change}} --use-provider-auth-file`; or `{CLI} {{change}} --upstream-api-key-env NAME` with the name of a variable that has it. "
        "If the provider accepts Codex's own login, pass --no-verify."),
    "upstream_redirect": Message(
        "{host} redirects to {url} ({status}).", f"If the provider has moved, run `{CLI} {{change}} --upstream-base {{base}}`."),
    "upstream_not_sse": Message(
        "{host} did not respond with an event stream: {reason}. Its words: {message}", "Check the upstream URL; the provider must stream its responses to POST /v1/responses."),
    "upstream_web_page": Message(
        "{host} answered {endpoint} with {message}, and with no response of the API ({status}).",
        f"Find the provider's URL for the Responses API, to which Codex adds /responses, and run `{CLI} {{change}} --upstream-base URL`."),
    "upstream_not_http": Message(
        "{host} sent a response that is not valid HTTP/1.1: {reason}.", "Check the upstream URL. If it is right, report this to the provider."),
    "upstream_stalled": Message("{host} did not send an event of a response: {reason}.", "Run the command again, with a larger --verify-timeout where the provider is slow, such as 180."),
    "upstream_key_malformed": Message(
        "The key for {host} ({source}) {reason}, so it cannot be sent.", "Save the key again, the key alone."),
    "codex_cli_failed": Message("The Codex CLI failed or gave unexpected output: {reason}.", "Run `codex --version` to check whether the Codex CLI works."),
    "codex_cli_timeout": Message("The Codex CLI did not respond in time.", "Run `codex --version` to check whether the Codex CLI works."),
    "codex_cli_not_found": Message("No Codex CLI was found, so that none can send a turn.", "Install the Codex CLI. If you use only the Codex App, run the command without --probe."),
    "codex_sent_no_turn": Message("Codex sent no turn. It said: {words}.", f"Mend what Codex names, then run `{CLI} doctor --probe` again."),
}
# fmt: on

# Where the provider's table can name a variable.
OR_CODEX: Final = (
    f"; or `{CLI} install --start{{provider_flag}} --codex-key-env NAME` with the name of a variable whose key Codex itself is to send, "
    "so that no copy is kept"
)
_SAVE: Final = f"Run `{CLI} prepare-chatgpt-login{{provider_flag}} --from-stdin --apply` and enter the right key"
# fmt: off
# By the location of the key (host/provider/keys.py), "" for none: the key in words, and the way to mend it, a clause.
KEYS: Final[dict[str, str]] = {
    "": "a request without a key",
    "codex_dotenv": "the key of the variable {name} in .env of the Codex home",
    "process_env": "the key of the variable {name}",
    "windows_user_env": "the key of this Windows user's variable {name}",
    "provider_auth_file": "the key of provider-auth.json",
    "auth_json": "the key of {name} in auth.json",
    "experimental_bearer_token": "the key of experimental_bearer_token in config.toml",
    "http_headers": "the key of http_headers in config.toml",
    "env_http_headers": "the key of the variable {name}",
    "auth_command": "the key that auth.command prints",
    "stdin": "the key that was entered",
}
KEY_REMEDIES: Final[dict[str, str]] = {
    "": "Correct the key in http_headers or query_params of the provider in config.toml",
    "codex_dotenv": "Correct {name} in {dotenv}",
    "process_env": "Set {name} to the right key wherever Codex starts, or write it into {dotenv}",
    "windows_user_env": "Set {name} to the right key in the system's settings; new programs have it",
    "provider_auth_file": _SAVE,
    "auth_json": "Run `codex login --with-api-key` and enter the right key",
    "experimental_bearer_token": "Correct experimental_bearer_token of the provider in config.toml",
    "http_headers": "Correct the key in http_headers of the provider in config.toml",
    "env_http_headers": "Set {name}, which env_http_headers names, to the right key",
    "auth_command": "Run that program as config.toml has it, and correct what it prints",
    "stdin": _SAVE,
    "login": "Sign in again with `codex login`",
    "saved_upstream": f"Run `{CLI} upstream add {{upstream}} --upstream-base {{upstream_base}} --from-stdin --replace` and enter the right key",
}
# fmt: on
