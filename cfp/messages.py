"""Every sentence that a person reads: code -> what happened, what to do next.

Placeholders are filled from an error's details or a report's values. A code is the contract; its words may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

CLI = "codex-fast-proxy"
_WHEN_IDLE = f"Run `{CLI} start` while no turn runs: it would be cut."
_RESTART = "Restart the Codex App and return to the conversation, or open a new CLI process."


@dataclass(frozen=True, slots=True)
class Message:
    """One sentence and one next action; an empty action means that there is nothing to do."""

    sentence: str
    action: str = ""


# fmt: off
MESSAGES: Final[dict[str, Message]] = {
    # --- the command line
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

    # --- what stands in the way
    "codex_home_missing": Message(
        "There is no Codex home at {path}.", "Start Codex once, or name the right folder with --codex-home."),
    "codex_home_deleted": Message(
        "There is no Codex home at {path} any more, and its proxy still runs (process {pid}).",
        f"Run `{CLI} stop`: that ends it, and nothing else is left."),
    "codex_home_not_text": Message(
        "The path {path} is not UTF-8, so neither config.toml nor a hook can name it.",
        "Give the folder another name, or reach it by a symbolic link that --codex-home names."),
    "config_unparseable": Message(
        "{path} cannot be read as TOML: {reason}. It was not touched.", "Mend that place by hand; Codex cannot read it either."),
    "hooks_unparseable": Message(
        "{path} cannot be read as Codex hooks: {reason}. It was not touched.",
        "Mend that place by hand; Codex ignores all hooks of a file that it cannot read."),
    "settings_invalid": Message(
        "The saved settings cannot be used: {reason}.",
        "Move settings.json away, then run `" + CLI + " install --start --upstream-base URL`."),
    "record_unreadable": Message(
        "{path} is there and cannot be read: {reason}. Nothing was changed.",
        "Mend what keeps it from being read, then run again; `uninstall --force` goes on without it."),
    "manifest_invalid": Message(
        "The record of the installation cannot be used: {reason}.",
        f"Run `{CLI} uninstall`: it gives the URL back from the newest backup. Then enable the proxy anew."),
    "ambiguous_provider": Message(
        "config.toml does not say which provider Codex uses. Choices: {choices}.",
        "Add --provider openai, or --provider NAME --activate-provider (Codex files its history by provider)."),
    "unknown_provider": Message(
        "config.toml has no provider {provider}. Choices: {choices}.", "Pass one of them with --provider."),
    "reserved_provider": Message(
        "{provider} is an id that Codex keeps for itself; its URL cannot be changed in config.toml.",
        "Define a provider with a name of its own, or use --provider openai."),
    "upstream_unknown": Message(
        "The provider {provider} has no base_url of its own in config.toml.", "Add --upstream-base URL."),
    "built_in_with_chatgpt_login": Message(
        "With a ChatGPT login and OpenAI's own service, Codex controls Fast itself: a proxy would add nothing.",
        "Use Codex's own Fast switch, or name a provider with --upstream-base URL."),
    "provider_key_missing": Message(
        "There is no saved key for the provider {provider}.", f"Run `{CLI} prepare-chatgpt-login --apply` first."),
    "upstream_key_missing": Message(
        "The environment variable {variable} is not set here.", "Set it for this command and for every new session."),
    "provider_auth_invalid": Message(
        "provider-auth.json cannot be used: {reason}.", f"Move it away, then run `{CLI} prepare-chatgpt-login --apply`."),
    "nothing_asked": Message(
        "Nothing to change was named.", "Pass --upstream-base, --service-tier-policy or one of the auth flags."),
    "source_key_unknown": Message(
        "No key for {provider} was found {place}.",
        "Name the entry of auth.json that holds it with --source-auth-key NAME."),
    "source_key_short_lived": Message(
        "The key of {provider} is told anew each time by its auth.command, so a kept one would soon be wrong.",
        "Nothing to do: Codex sends that key whatever it is signed in with."),
    "port_in_use": Message("{host}:{port} is taken by {owner}.", "Pass another --port, or end that program."),
    "file_not_editable": Message(
        "A file cannot be edited without changing more than our own keys: {reason}. Nothing was touched.",
        "Set base_url by hand in a simpler form, or report the spelling that was refused."),
    "file_not_replaceable": Message(
        "{path} cannot be replaced safely: {reason}. Nothing was touched.", "Make it a plain writable file, then run again."),
    "changed_meanwhile": Message(
        "Other programs changed these files while we worked: {paths}. Everything is as they left it.", "Run again."),
    "busy": Message("Another command holds the lock: {holder}.", "Wait for it to end, then run again."),
    "not_enabled": Message("The proxy is not enabled in this Codex home.", f"Run `{CLI} install --start`."),
    "already_enabled": Message(
        "The proxy is enabled with other settings: what is prepared now would not fit what Codex points at.",
        f"Run `{CLI} install --start` with these flags, or `{CLI} set-upstream`."),
    "proxy_not_running": Message(
        "No proxy is running, and it is the proxy that serves the dashboard.", f"Run `{CLI} start`."),
    "settings_missing": Message("There are no saved settings.", f"Run `{CLI} install --start`."),
    "provider_repointed": Message(
        "{provider} no longer points at the proxy: its URL was changed by others and is left alone.",
        f"Run `{CLI} install --start` to switch it again, then set the upstream."),
    "proxy_unrecorded": Message(
        "{provider} points at our proxy at {url}, and no record and no backup tells where it pointed before. "
        "Nothing was changed.",
        f"Run `{CLI} install --start --upstream-base URL` with your provider's own URL, or set {{key}} in config.toml to it."),
    "config_not_proxy": Message("config.toml does not point at the proxy.", f"Run `{CLI} install --start` to switch it."),
    "config_points_to_proxy": Message(
        "Codex still points at the proxy: stopping it now would cut off current and new sessions.",
        f"Run `{CLI} uninstall --defer-stop` to switch back, or repeat with --force."),
    "confirmation_required": Message(
        "Nothing was changed: Codex is signed in with ChatGPT, and without the proxy that login goes straight to "
        "{upstream_base}, which may answer 401.",
        "Ask whether to keep the proxy, to switch Codex back to API-key login first, or to go on all the same with "
        "--confirm-chatgpt-direct-uninstall."),

    "run_needs_codex": Message(
        "`run` starts Codex, and nothing else takes the route that it is given.",
        f"Run `{CLI} run -- codex`, with Codex's own words behind it."),
    "run_program_missing": Message("There is no program {program} on PATH.", "Install it, or name it by its path."),
    "not_a_checkout": Message("{path} is not in a git checkout.", "Name the checkout with --repo."),
    "skill_missing": Message("There is no SKILL.md in {path}.", "Name the checkout with --repo-root."),
    "skill_place_taken": Message(
        "{path} is not a link of ours; it was left alone.", "Move it away, or pass another --skills-root."),

    # --- tried, and undone
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

    # --- not undone completely
    "finish_incomplete": Message(
        "The change is committed, but tidying up after it failed ({reason}).", f"Run `{CLI} recover`."),
    "rollback_incomplete": Message(
        "The change failed ({after}) and undoing it failed too ({reason}).", f"Run `{CLI} recover`."),
    "interrupted": Message("An earlier command was interrupted.", f"Run `{CLI} recover`."),
    "journal_damaged": Message(
        "The journal of transaction {transaction} is damaged; nothing was touched.",
        f"Run `{CLI} recover --dry-run` and compare the files that it lists with your backups."),
    "recovery_conflict": Message(
        "Recovered, but these keys were changed by others and left alone: {conflicts}.", "Set them by hand if needed."),
    "interrupted_by_user": Message("Interrupted; everything is as it was.", "Run again when you like."),
    "uninstall_interrupted": Message(
        "Interrupted: the Codex config is given back, and the proxy and its state are not quite gone yet.",
        f"Run `{CLI} uninstall` again; it finishes."),
    "uninstall_incomplete": Message(
        "The Codex config is given back; then the file system refused a change to {path}: {reason}.",
        f"Free space or rights, then run `{CLI} uninstall` again; it finishes."),
    "interrupted_when_done": Message("Interrupted when the change was made already.", f"Run `{CLI} status`."),
    "stop_interrupted": Message(
        "Interrupted: the proxy was told to stop and ends once its streams have.", f"Run `{CLI} status`."),
    "bug": Message("This is a bug in codex-fast-proxy ({kind}). The traceback is in {log}.", "Report it with that file."),

    # --- diagnoses of `status`, in the order in which they are looked for
    "diagnosis.interrupted": Message("A command was interrupted before it was done.", f"Run `{CLI} recover`."),
    "diagnosis.config_unparseable": Message("Neither we nor Codex can read config.toml.", f"`{CLI} doctor` names the place."),
    "diagnosis.unrecorded": Message(
        "config.toml points at a proxy whose record here is lost.",
        f"Run `{CLI} recover --dry-run`, then `{CLI} recover` to give the URL back."),
    "diagnosis.unrecorded_and_lost": Message(
        "config.toml points at a proxy of ours, and neither a record nor a backup tells where it pointed before.",
        f"Run `{CLI} install --start --upstream-base URL` with your provider's own URL, or set that in config.toml."),
    "diagnosis.not_enabled": Message("The proxy is not enabled.", f"Run `{CLI} install --start`."),
    "diagnosis.home_missing": Message("There is no Codex home here.", "Start Codex once, or pass --codex-home with another."),
    "diagnosis.home_deleted": Message(
        "The Codex home was deleted, and its proxy still runs.", f"Run `{CLI} stop`: that ends it, and nothing else is left."),
    "diagnosis.uninstall_unfinished": Message(
        "The proxy is uninstalled, but for some files and perhaps its process.",
        f"Once the sessions that began with it have ended, run `{CLI} uninstall` again."),
    "diagnosis.config_not_proxy": Message(
        "The proxy is installed, but config.toml does not point at it.",
        f"Run `{CLI} install --start` to switch again, or `{CLI} uninstall` to remove the rest."),
    "diagnosis.proxy_stopped": Message("Codex points at the proxy, and none is running.", f"Run `{CLI} start`."),
    "diagnosis.chatgpt_auth_preserved": Message(
        "Codex is signed in with ChatGPT and the proxy passes that login on; a third-party provider may answer 401.",
        f"Run `{CLI} prepare-chatgpt-login --apply`, then `{CLI} set-upstream --use-provider-auth-file`."),
    "diagnosis.upstream_auth_missing": Message(
        "The provider's key that the proxy should send is not there.", f"Run `{CLI} prepare-chatgpt-login --apply`."),
    "diagnosis.upstream_auth_not_persistent": Message(
        "The provider's key is in this process's environment only and gone after a new login.",
        f"Run `{CLI} prepare-chatgpt-login --apply`, then `{CLI} set-upstream --use-provider-auth-file`."),
    "diagnosis.settings_pending_restart": Message(
        "The running proxy serves older settings than the saved ones.",
        f"Start a new Codex session, or run `{CLI} start`; turns that run end undisturbed."),
    "diagnosis.proxy_unhealthy": Message("The proxy's address does not answer as it should.", f"Run `{CLI} doctor`."),
    "diagnosis.runtime_stale": Message(
        "The running proxy is older than the installed code.", f"Run `{CLI} start`; turns that run end undisturbed."),
    "diagnosis.settings_pending_restart_cut": Message(
        "The running proxy serves older settings, and cannot hand its streams over.", _WHEN_IDLE),
    "diagnosis.runtime_stale_cut": Message("The running proxy is older, and cannot hand its streams over.", _WHEN_IDLE),
    "diagnosis.startup_hook_not_ready": Message(
        "Codex will not start the proxy by itself: its hook is missing, disabled or not trusted.",
        f"Run `{CLI} install --start` again."),
    "diagnosis.fast_policy_unknown": Message(
        "How Codex is signed in is unclear, so requests without a tier stay without one.",
        f"Sign in, or choose with `{CLI} set-upstream --service-tier-policy inject_missing`."),
    "diagnosis.ready": Message("Ready: requests go through the proxy."),

    # --- what the dashboard says of the last request
    "traffic.request_key_missing": Message(
        "The last request stopped here: the provider's key is missing or cannot be used.",
        f"Run `{CLI} prepare-chatgpt-login --apply`."),
    "traffic.provider_unreachable": Message(
        "The provider cannot be reached.", f"Check the network and the outbound proxy, then run `{CLI} verify-upstream`."),
    "traffic.upstream_loops": Message(
        "The upstream leads back to this proxy.", f"Run `{CLI} set-upstream --upstream-base URL` with the provider's own URL."),
    "traffic.provider_broke_off": Message(
        "The provider broke the last answer off.", f"Codex tries again by itself; if it stays, run `{CLI} verify-upstream`."),
    "traffic.provider_key_refused": Message(
        "The provider refuses the key ({status}).", f"Check the key with your provider, then run `{CLI} verify-upstream`."),
    "traffic.provider_path_unknown": Message(
        "The provider does not know this URL or model ({status}).", f"Run `{CLI} verify-upstream`."),
    "traffic.provider_limits": Message(
        "The provider limits your requests ({status}).", "Wait, or ask the provider about your quota; the proxy adds no request."),
    "traffic.provider_failing": Message(
        "The provider itself fails ({status}).", f"Codex tries again by itself; if it stays, run `{CLI} verify-upstream`."),
    "traffic.provider_refused": Message(
        "The provider refused the last request ({status}).", "Codex shows what it said; the request log says when."),
    "traffic.request_failing": Message("The last request failed ({error_type}).", f"Run `{CLI} doctor`."),

    # --- ChatGPT login
    "hint.ready": Message(
        "The provider's key is split off: Codex can be signed in with ChatGPT.", "Sign in with ChatGPT when you like."),
    "hint.not_loaded_yet": Message(
        "The provider's key is split off and saved, but the running proxy does not send it yet.",
        f"Do not sign in with ChatGPT yet: first start a new Codex session, or run `{CLI} start`."),
    "hint.needs_persistent_env": Message(
        "The provider's key is in the environment only; a new session may not have it.",
        f"Run `{CLI} prepare-chatgpt-login --apply`, then `{CLI} set-upstream --use-provider-auth-file`."),
    "hint.needs_auth_split": Message(
        "Codex is signed in with ChatGPT, and that login reaches the provider.",
        f"Run `{CLI} prepare-chatgpt-login --apply`, then `{CLI} set-upstream --use-provider-auth-file`."),
    "hint.optional_setup_available": Message(
        "API-key login can stay as it is, for the provider's API with Fast. For the richer App (plug-in marketplace, "
        "GitHub and other connectors, a Fast switch by hand, status hints, voice input) a ChatGPT login needs the "
        "provider's key split off first; switching without that may answer 401.",
        f"Before signing in with ChatGPT, run `{CLI} prepare-chatgpt-login`."),
    "preparation.prepared": Message("The proxy keeps the provider's key."),
    "preparation.needs_persistent_env": Message("The provider's key is in the environment only."),
    "preparation.not_prepared": Message("The proxy keeps no key for the provider, and a ChatGPT login needs one."),
    "preparation.optional": Message("The proxy keeps no key for the provider, and none is needed now."),
    "chatgpt_auth_direct_upstream": Message(
        "Codex is signed in with ChatGPT. Without the proxy that login goes straight to {upstream_base}, which may "
        "answer 401.",
        "Switch Codex back to API-key login before restarting it, or keep the proxy."),

    # --- benchmark
    "benchmark_model_unknown": Message(
        "config.toml names no model and no Codex CLI was found to ask.", f"Run `{CLI} benchmark --model NAME`."),
    "benchmark_key_unknown": Message(
        "No key was found that Codex itself would send to {provider}.",
        f"Run `{CLI} benchmark --api-key-env NAME` with the name of the variable that holds the key."),
    "benchmark_codex_missing": Message(
        "No Codex CLI was found on PATH.", f"Install it, or run `{CLI} benchmark --mode direct`."),
    "benchmark_nothing_measured": Message(
        "No request went through, so nothing was measured; error_type and status of the samples say why.",
        f"Run `{CLI} verify-upstream`; for TimeoutExpired, give a larger --timeout."),
    "benchmark_incomplete": Message("Interrupted; these are the samples so far, and nothing was saved.", "Run again when you like."),
    "benchmark_faster": Message(
        "The priority tier made this workload faster.", "One run is an observation, not a promise: load and hour differ."),
    "benchmark_no_effect": Message(
        "The priority tier made no difference worth noticing.", "Ask the provider whether it serves this tier for this model."),
    "benchmark_slower": Message("The priority tier was slower in this run.", "Run again at another time."),
    "benchmark_not_enough_data": Message(
        "These samples do not tell whether the priority tier is faster.",
        f"Run `{CLI} benchmark` with more --pairs (pairs_suggested, where it is given); that costs quota again."),
    "benchmark_samples_failed": Message("Some samples failed and do not count; error_type and status say why."),
    "benchmark_lengths_differ": Message(
        "The answers of the two tiers differ in length, so their total times are not quite the same work."),
    "benchmark_several_requests": Message("Codex needed more than one request for some samples; their times are summed."),
    "benchmark.profile.full": Message("One answer of some hundred tokens for each sample."),
    "benchmark.profile.smoke": Message("One word for each sample: tells whether requests go through, not how fast they are."),
    "benchmark.privacy": Message(
        "The prompt is a fixed one of this program. Times, counts and names are kept; answers, bodies and keys are not."),

    # --- what to do after a success
    "done.installed": Message("The proxy is enabled for new Codex processes; the current one keeps its old route.", _RESTART),
    "done.prepared": Message("Settings are saved; config.toml is as it was.", f"Run `{CLI} install --start`."),
    "done.uninstalled": Message("Everything is given back and removed."),
    "done.uninstall_deferred": Message(
        "config.toml is given back; the proxy still runs so that current sessions can finish.",
        _RESTART + " `codex app-server daemon restart` makes Codex's background daemon forget the old address. Then "
        f"run `{CLI} uninstall` again."),
    "done.uninstall_skipped": Message(
        "The provider was pointed elsewhere by others, so its URL, the proxy and its state stay as they are.",
        f"Decide which URL is right; `{CLI} uninstall --force` gives back the one from before."),
    "done.journal_at_work": Message("A command is at work in this Codex home.", "Wait for it to end, then look again."),
    "done.recover_clean": Message("No change is half done, and there was nothing to mend."),
    "done.recover_rolled_back": Message("What was interrupted is undone: the files are as before it."),
    "done.recover_finished": Message("What was interrupted had been decided, and is finished now."),
    "done.recover_repaired": Message(
        "The record of the proxy was lost: {provider} points at {base_url} again, as {source} says, and what was ours "
        "beside it is taken out."),
    "done.recover_would_settle": Message("Nothing was done yet: {work}.", f"Run `{CLI} recover`."),
    "done.recover_would_refuse": Message(
        "Nothing was done yet: {work}.",
        "Compare the listed files with your backups and mend them by hand; then move {records} away, and run "
        f"`{CLI} status`."),
    "done.upstream_updated": Message("The new route is saved and in use."),
    "done.upstream_deferred": Message(
        "The new route is saved; the running proxy still serves the old one.",
        f"Restart the Codex App, open a new CLI process, or run `{CLI} start`; turns that run end undisturbed."),
    "done.upstream_saved": Message("The new route is saved; no proxy is running.", f"Run `{CLI} start`."),
    "done.verified": Message("The route answers as Codex needs it; nothing was changed."),
    "done.login_dry_run": Message("A key was found and nothing was written.", f"Run `{CLI} prepare-chatgpt-login --apply`."),
    "done.login_prepared": Message(
        "The proxy keeps the provider's key.", f"Run `{CLI} set-upstream --use-provider-auth-file`."),
    "done.login_ready": Message("The proxy keeps the provider's key and sends it.", "Sign in with ChatGPT when you like."),
    "done.skill_linked": Message("The skill is linked.", _RESTART),
    "done.skill_unlinked": Message("The skill is not linked.", _RESTART),
    "update.same": Message("This checkout is what the remote has."),
    "update.remote_ahead": Message(
        "The remote has newer commits.",
        f"Update the checkout with `git pull --ff-only`, then run `{CLI} install --start` where the proxy is enabled."),
    "update.local_ahead": Message("This checkout has commits that the remote has not."),
    "update.diverged": Message("This checkout and the remote went different ways.", "Merge or rebase by hand."),
    "update.remote_unknown": Message("The remote could not be asked.", "Check the network, --remote and --branch."),
    "update.package": Message(
        "This program is installed as a package, not as a git checkout, so there is no remote to compare with.",
        "Ask the package installer: `pip list --outdated`."),
    "done.started": Message("The proxy is running."),
    "done.started_unused": Message("The proxy is running, and config.toml does not point at it."),
    "done.dashboard_opened": Message("The dashboard is open in your browser."),
    "done.dashboard_found": Message("No browser was opened.", "Open the URL in a browser on this machine."),
    "no_requests_logged": Message("No request has been logged yet."),
    "done.stopped": Message("The proxy is stopped."),
    "effect.new_processes": Message("Running Codex processes keep their route until they are restarted."),
    "effect.interrupted": Message("Sessions that used the proxy lost it now."),
    "effect.none": Message("Running Codex processes are not affected."),
}
# fmt: on


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return f"(no {key})"


def message(code: str, details: Mapping[str, Any] | None = None) -> Message:
    """Return the message of a code with its placeholders filled; an unknown code is its own sentence."""
    found = MESSAGES.get(code, Message(code.replace("_", " ") + "."))
    values = _Blank({name: _plain(value) for name, value in (details or {}).items()})
    return Message(found.sentence.format_map(values), found.action.format_map(values))


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
