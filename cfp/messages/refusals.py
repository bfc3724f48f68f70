"""Refusals: nothing was changed."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import CLI, Message

RefusalCode = Literal[
    "codex_home_missing",
    "codex_home_deleted",
    "codex_home_not_text",
    "config_unparseable",
    "hooks_unparseable",
    "settings_invalid",
    "record_unreadable",
    "manifest_invalid",
    "ambiguous_provider",
    "unknown_provider",
    "reserved_provider",
    "upstream_unknown",
    "built_in_with_chatgpt_login",
    "provider_key_missing",
    "upstream_key_missing",
    "provider_auth_invalid",
    "nothing_asked",
    "source_key_unknown",
    "source_key_short_lived",
    "port_in_use",
    "file_not_editable",
    "file_not_replaceable",
    "changed_meanwhile",
    "busy",
    "not_enabled",
    "already_enabled",
    "proxy_not_running",
    "settings_missing",
    "provider_repointed",
    "proxy_unrecorded",
    "config_not_proxy",
    "config_points_to_proxy",
    "confirmation_required",
    "run_needs_codex",
    "run_program_missing",
    "not_a_checkout",
    "skill_missing",
    "skill_place_taken",
    "benchmark_model_unknown",
    "benchmark_key_unknown",
    "benchmark_codex_missing",
    "chatgpt_auth_direct_upstream",
]

# fmt: off
REFUSALS: Final[dict[RefusalCode, Message]] = {
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
    "benchmark_model_unknown": Message(
        "config.toml names no model and no Codex CLI was found to ask.", f"Run `{CLI} benchmark --model NAME`."),
    "benchmark_key_unknown": Message(
        "No key was found that Codex itself would send to {provider}.",
        f"Run `{CLI} benchmark --api-key-env NAME` with the name of the variable that holds the key."),
    "benchmark_codex_missing": Message(
        "No Codex CLI was found on PATH.", f"Install it, or run `{CLI} benchmark --mode direct`."),
    "chatgpt_auth_direct_upstream": Message(
        "Codex is signed in with ChatGPT. Without the proxy that login goes straight to {upstream_base}, which may "
        "answer 401.",
        "Switch Codex back to API-key login before restarting it, or keep the proxy."),
}
# fmt: on
