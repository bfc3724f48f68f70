"""Diagnoses of `status`, in the order in which it looks for them, and the hook's reasons to stop a session."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import CLI, Message

SPLIT: Final = (
    f"Run `{CLI} prepare-chatgpt-login --from-stdin --apply` and enter the provider's own key, then "
    f"`{CLI} set-upstream --use-provider-auth-file`."
)
USE_SAVED_KEY: Final = f"Run `{CLI} set-upstream --use-provider-auth-file`."
KEEP_KEY: Final = f"Run `{CLI} prepare-chatgpt-login --from-env {{variable}} --apply`, then `{CLI} set-upstream --use-provider-auth-file`."
_WHEN_IDLE: Final = f"Wait until no turn is running, then run `{CLI} start`; it cuts off running turns."

# The trouble of the last requests, and the tier's.
TrafficCode = Literal[
    "request_key_missing",
    "provider_unreachable",
    "upstream_loops",
    "provider_redirects",
    "provider_broke_off",
    "provider_limits",
    "provider_key_refused",
    "provider_path_unknown",
    "provider_failing",
    "provider_refused",
    "provider_answers_otherwise",
    "response_failed",
    "request_failing",
]

DiagnosisCode = Literal[
    "home_of_another_user",
    "files_of_another_user",
    "record_unreadable",
    "record_of_newer_version",
    "interrupted",
    "config_unparseable",
    "config_refused",
    "provider_undefined",
    "inside_sandbox",
    "unrecorded",
    "unrecorded_and_lost",
    "not_enabled",
    "not_enabled_key_saved",
    "not_enabled_with_login",
    "home_missing",
    "home_deleted",
    "uninstall_unfinished",
    "config_not_proxy",
    "route_overridden",
    "provider_not_active",
    "port_of_another_user",
    "port_shared",
    "port_shared_by_default",
    "catalog_receives_login",
    "proxy_stopped",
    "chatgpt_auth_preserved",
    "access_token_preserved",
    "agent_identity_preserved",
    "unknown_login_preserved",
    "saved_key_unused",
    "codex_refuses",
    "codex_key_missing",
    "own_codex_key_missing",
    "codex_sends_no_key",
    "upstream_auth_missing",
    "upstream_variable_missing",
    "upstream_key_unsendable",
    "upstream_auth_not_persistent",
    "settings_pending_restart",
    "proxy_unhealthy",
    TrafficCode,
    "runtime_stale",
    "settings_pending_restart_cut",
    "runtime_stale_cut",
    "hooks_file_refused",
    "hooks_disabled_by_policy",
    "hooks_disabled",
    "startup_hook_program_broken",
    "startup_hook_not_ready",
    "startup_hook_not_isolated",
    "tier_refused",
    "fast_policy_unknown",
    "ready",
    "ready_untried",
]

# fmt: off
DIAGNOSES: Final[dict[DiagnosisCode, Message]] = {
    "home_of_another_user": Message(
        "This Codex home belongs to another user, so commands that change something refuse to run.",
        f"Run `{CLI} doctor` to see the owner, then run commands as that user, without sudo."),
    "files_of_another_user": Message(
        "Files of this Codex home belong to another user, probably because an earlier command ran with sudo.",
        f"Run `{CLI} doctor` to see the files and the command that gives them back to you."),
    "record_unreadable": Message(
        "A file or folder that the proxy needs exists but cannot be read, so the state of the installation is not known.",
        f"Run `{CLI} doctor` to see which and why."),
    "record_of_newer_version": Message(
        "A newer version of this program made this installation, and this one does not know its record.",
        f"Run `{CLI} doctor` to see which version, then use that one."),
    "interrupted": Message("A command was interrupted before it finished.", f"Run `{CLI} recover`."),
    "config_unparseable": Message("config.toml is not valid TOML, and Codex cannot read it either.", f"Run `{CLI} doctor` to see the line, then correct it by hand."),
    "config_refused": Message(
        "Codex refuses to start with its present configuration: {reason}.",
        f"Correct the file that Codex names, or config.toml, by hand. `{CLI} status` then shows whether Codex takes it."),
    "provider_undefined": Message(
        "config.toml selects the provider {provider} with model_provider, and no file defines it, so Codex refuses to start.",
        "Set model_provider in config.toml to one of these, or add a table [model_providers.{provider}]: {choices}."),
    "inside_sandbox": Message(
        "This command runs in a sandbox that allows no network: from inside, it cannot be told whether the proxy runs.",
        "Run it in a terminal of your own, or let the agent run it outside of its sandbox."),
    "unrecorded": Message(
        "config.toml points at the proxy, or at an address that it had, but no installation is recorded.",
        f"Run `{CLI} recover --dry-run`, then `{CLI} recover` to restore the provider's URL."),
    "unrecorded_and_lost": Message(
        "config.toml points at the proxy, or at an address that it had, but no record and no backup has the provider's former URL.",
        f"Run `{CLI} install --start --upstream-base URL` with your provider's URL, or set that URL in config.toml."),
    "not_enabled": Message("The proxy is not enabled.", f"Run `{CLI} install --start`."),
    "not_enabled_key_saved": Message(
        "The proxy is not enabled. The key of {provider} is saved for it.", f"Run `{CLI} install --start --use-provider-auth-file`."),
    "not_enabled_with_login": Message(
        "The proxy is not enabled, and Codex sends {provider} {login}, which may respond with 401.",
        f"Run `{CLI} prepare-chatgpt-login --from-stdin --apply` and enter the provider's own key, then "
        f"`{CLI} install --start --use-provider-auth-file`."),
    "home_missing": Message("The Codex home does not exist.", "Start Codex once to create it, or pass another folder with --codex-home."),
    "home_deleted": Message(
        "The Codex home was deleted, and its proxy is still running.", f"Run `{CLI} stop` to stop the proxy; nothing else is left to remove."),
    "uninstall_unfinished": Message(
        "The uninstall is not finished: some files, and perhaps the proxy's process, are left.",
        f"When the sessions that use the proxy have ended, run `{CLI} uninstall` again."),
    "config_not_proxy": Message(
        "The proxy is installed, but config.toml does not point at it.",
        f"Run `{CLI} install --start` to put the proxy in front of the provider's URL that config.toml has now. "
        f"Or, to remove the proxy and keep that URL, run `{CLI} install --start`, then `{CLI} uninstall`."),
    "route_overridden": Message(
        "{file} sets {key} to {value}, which takes precedence over config.toml: Codex's requests do not go through the proxy.",
        f"Change it there, or ask the administrator. `{CLI} uninstall` removes the proxy, which is of no use meanwhile."),
    "provider_not_active": Message(
        "Codex uses the provider {provider}, and the proxy stands in front of {proxied}: Codex's requests do not go through the proxy.",
        f"Run `{CLI} install --start` to put the proxy in front of {{provider}}, or set model_provider to {{proxied}} in config.toml."),
    "port_of_another_user": Message(
        "The proxy's port {host}:{port} is in use by {owner}, who would receive what Codex sends: prompts, code and the key.",
        f"Run `{CLI} install --start --port {{free_port}}` before you use Codex again."),
    "port_shared": Message(
        "The Codex home {home} has the same port as this one, and only one of the two can use it.",
        f"Run `{CLI} install --start`, which moves this home to a port of its own."),
    "port_shared_by_default": Message(
        "The Codex home {home} has the same port as this one, and only one of the two can use it.",
        f"Run `{CLI} install --start --codex-home {{quoted_home}}`, which moves that home to a port of its own, then `{CLI} start`."),
    "catalog_receives_login": Message(
        "Codex sends its own login to {catalog_host} directly, past the proxy, because of {catalog_key} in config.toml.",
        f"If that is the provider's own address, run `{CLI} install --start` to move the URL through the proxy; if not, remove the key."),
    "proxy_stopped": Message("config.toml points at the proxy, but the proxy is not running.", f"Run `{CLI} start`."),
    "chatgpt_auth_preserved": Message(
        "Codex is signed in with ChatGPT, and the proxy passes that login on to the provider, which may respond with 401.",
        SPLIT),
    "access_token_preserved": Message(
        "Codex is signed in with a personal access token, and the proxy passes that token on to the provider, which may respond with 401.",
        SPLIT),
    "agent_identity_preserved": Message(
        "Codex is signed in with an agent identity, and the proxy passes its signatures on to the provider, which may respond with 401.",
        SPLIT),
    "unknown_login_preserved": Message(
        "Codex's login cannot be read here, or is of a kind that this program does not know, and the proxy passes it on to the provider.",
        SPLIT),
    "saved_key_unused": Message("The provider's key is saved, but the proxy does not send it: {instead}.", USE_SAVED_KEY),
    "codex_refuses": Message(
        "Codex refuses to start a turn: it does not accept the keys that config.toml names for the provider, or its login in auth.json.",
        f"Run `{CLI} doctor` for the reason, then `codex exec hello` for Codex's own words."),
    "codex_key_missing": Message(
        "Codex refuses to start a turn from here: the variable {codex_variable}, which the provider's env_key names, is not set in the environment "
        "or in .env.",
        "Set it in {dotenv}, or in the environment that starts Codex. A key in auth.json does not count for it."),
    "own_codex_key_missing": Message(
        "Codex refuses to start a turn from here: the variable {codex_variable}, which `install --codex-key-env` named for the provider's key, is "
        "not set in the environment or in .env.",
        f"Set it in {{dotenv}}; or run `{CLI} prepare-chatgpt-login --from-stdin --apply` and enter the key, then "
        f"`{CLI} install --start --use-provider-auth-file`, which takes that variable out of config.toml."),
    "codex_sends_no_key": Message(
        "Codex sends the provider no key: config.toml says that its login is the key, and auth.json has none that Codex can read.",
        f"Run `{CLI} doctor` for the reason, then sign in with `codex login`."),
    "upstream_auth_missing": Message(
        "The proxy should send the provider's key, but no key is saved.", f"Run `{CLI} prepare-chatgpt-login{{key_flag}} --apply`."),
    "upstream_variable_missing": Message(
        "The proxy should send the key that the variable {variable} has, but the variable is not set here or in .env of the Codex home.",
        f"Set it there; or run `{CLI} prepare-chatgpt-login --from-stdin --apply` and enter the key, then "
        f"`{CLI} set-upstream --use-provider-auth-file`."),
    "upstream_key_unsendable": Message(
        "The key in {key_place} {key_flaw}, so no request with it can succeed.",
        "Save the key again, the key alone."),
    "upstream_auth_not_persistent": Message(
        "The provider's key is only in this process's environment, and later sessions may not have it.",
        KEEP_KEY),
    "settings_pending_restart": Message(
        "The running proxy uses older settings than the saved ones.",
        f"Start a new Codex session, or run `{CLI} start`. Running turns are not cut off."),
    "proxy_unhealthy": Message("The program at the proxy's address does not respond as the proxy would.", f"Run `{CLI} doctor`."),
    "request_key_missing": Message(
        "The proxy refused the last request, {when}, because the provider's key is missing or has a character that cannot be sent.",
        f"Run `{CLI} prepare-chatgpt-login{{key_flag}} --apply`, then `{CLI} set-upstream --use-provider-auth-file`, and send a message in Codex."),
    "provider_unreachable": Message(
        "The provider could not be reached for the last request, {when}.",
        f"Check the network and the outbound proxy, and run `{CLI} verify-upstream`; then send a message in Codex."),
    "upstream_loops": Message(
        "The upstream URL leads back to this proxy: the last request came back to it {when}.",
        f"Run `{CLI} set-upstream --upstream-base URL` with the provider's URL."),
    "provider_redirects": Message(
        "The provider redirected the last request, {when}, to another address.",
        f"Run `{CLI} verify-upstream` to see it. If the provider has moved, run `{CLI} set-upstream --upstream-base URL`."),
    "provider_broke_off": Message(
        "The provider broke off the last response {when}.",
        f"Codex retries by itself. If the problem remains, run `{CLI} verify-upstream`."),
    "provider_limits": Message(
        "The provider refused the last request because of a limit or quota, {when} ({status}).",
        "Wait, or ask the provider about your quota. The proxy sends no requests of its own."),
    "provider_key_refused": Message(
        "The provider refused {key} at the last request, {when} ({status}).",
        f"{{way_out}}; `{CLI} verify-upstream` shows whether the provider takes it. Then send a message in Codex."),
    "provider_path_unknown": Message(
        "The provider did not know the URL or the model of the last request, {when} ({status}).",
        f"Run `{CLI} verify-upstream` to see which, correct the model or run `{CLI} set-upstream --upstream-base URL`, then send a message in Codex."),
    "provider_failing": Message(
        "The provider had an error of its own at the last request, {when} ({status}).",
        f"Codex retries by itself. If the problem remains, run `{CLI} verify-upstream`."),
    "provider_refused": Message(
        "The provider refused the last request, {when} ({status}).", "Codex shows the provider's message; the request log has the time."),
    "provider_answers_otherwise": Message(
        "The provider answered the last request, {when}, with something else than a response of the Responses API, perhaps a web page.",
        f"Run `{CLI} verify-upstream`, and correct the URL by `{CLI} set-upstream --upstream-base URL`; then send a message in Codex."),
    "response_failed": Message(
        "The provider began the last response and reported that it failed, {when} ({error_code}).",
        "Codex shows the provider's message, and retries where that may help."),
    "request_failing": Message("The last request failed, {when} ({error_type}).", f"Run `{CLI} logs` for the requests around it, then send a message in Codex."),
    "runtime_stale": Message(
        "The running proxy is older than the installed code.", f"Run `{CLI} start`. Running turns are not cut off."),
    "settings_pending_restart_cut": Message(
        "The running proxy uses older settings than the saved ones, and cannot be replaced without cutting its streams.", _WHEN_IDLE),
    "runtime_stale_cut": Message("The running proxy is older than the installed code, and cannot be replaced without cutting its streams.", _WHEN_IDLE),
    "hooks_file_refused": Message(
        "Codex will not start the proxy: it drops every hook of {path}: {reason}.",
        f"Correct the file by hand: one wrong handler keeps every hook of it from running. `{CLI} status` then shows whether Codex takes it."),
    "hooks_disabled_by_policy": Message(
        "Codex will not start the proxy: the administrator's {file} keeps users' hooks from running.",
        f"Run `{CLI} start` yourself after a reboot."),
    "hooks_disabled": Message(
        "Codex will not start the proxy: {file} switches hooks off.",
        f"Run `{CLI} install --start`, which sets features.hooks = true in config.toml."),
    "startup_hook_program_broken": Message(
        "Codex cannot start the proxy: the hook's program {program} {reason}.",
        f"Run `{CLI} install --start` to write the hook anew for this installation."),
    "startup_hook_not_ready": Message(
        "Codex will not start the proxy: the hook is missing, disabled or not trusted.",
        f"Run `{CLI} install --start` again."),
    "startup_hook_not_isolated": Message(
        "The hook was written by an earlier version, and runs modules from the folders that PYTHONPATH names, outside of Codex's sandbox.",
        f"Run `{CLI} install --start` to write the hook anew."),
    "tier_refused": Message(
        "The provider refuses the tier {tier} for {models}: the proxy sends these requests without it, so that Fast is off for them.",
        f"Ask the provider whether it has Fast. `{CLI} set-upstream --service-tier-policy preserve` stops the proxy from trying."),
    "fast_policy_unknown": Message(
        "The proxy cannot tell how Codex is signed in, so it adds no tier to requests.",
        f"Sign in, or run `{CLI} set-upstream --service-tier-policy inject_missing` to add the tier always."),
    "ready": Message("Ready: requests go through the proxy."),
    "ready_untried": Message("Ready: the next request goes through the proxy. With the present settings, none has gone through yet."),
}
# fmt: on

HookStopCode = Literal[
    "stop",
    "stop_other_home",
    "stop_other_home_of_default",
    "stop_other_user",
    "stop_other_program",
    "stop_former_address",
    "stop_hanging",
    "stop_busy",
    "stop_not_running",
    "stop_unchecked",
    "stop_out_of_time",
]

# fmt: off
# Reasons for which the SessionStart hook stops a session; Codex shows them to the user.
HOOK_STOPS: Final[dict[HookStopCode, Message]] = {
    # Codex 0.130 to 0.171 runs the hook for the first message of a session only.
    "stop": Message(
        "codex-fast-proxy stopped this session before your message was sent. {cause} {remedy} Then start a new session: "
        "a further message in this one would be sent without this check."),
    "stop_other_home": Message(
        "The proxy of another Codex home, {home}, uses this home's port {host}:{port}, and its provider would have received your message and key.",
        f"Run `{CLI} install --start`, which moves this home to a port of its own."),
    "stop_other_home_of_default": Message(
        "The proxy of another Codex home, {home}, uses this home's port {host}:{port}, and its provider would have received your message and key.",
        f"Run `{CLI} install --start --codex-home {{quoted_home}}`, which moves that home to a port of its own, and `{CLI} start`."),
    "stop_other_user": Message(
        "The proxy's port {host}:{port} is in use by {owner}, who would have received your message and key.",
        f"Run `{CLI} install --start --port {{free_port}}`."),
    "stop_other_program": Message(
        "The proxy's port {host}:{port} is in use by {owner}, which would have received your message and key.",
        f"Stop that program, or run `{CLI} install --start --port {{free_port}}`."),
    "stop_former_address": Message(
        "config.toml names {url}, an address at which the proxy ran before; whoever listens there now would have received your message and key.",
        f"Run `{CLI} install --start`, which restores the provider's URL and puts the proxy in front of it."),
    "stop_hanging": Message("The proxy (process {pid}) does not respond.", f"Run `{CLI} start` to replace it."),
    "stop_busy": Message(
        "Another command ({holder}) is changing this Codex home, and the proxy does not answer at {host}:{port}.",
        "Wait until that command has finished."),
    "stop_not_running": Message("The proxy is not running and could not be started. {error}", "{action}"),
    "stop_unchecked": Message("The proxy could not be checked. {error}", f"Run `{CLI} status`."),
    "stop_out_of_time": Message("The proxy did not start in time.", f"Run `{CLI} start`."),
}
# fmt: on
