"""Findings of `doctor`: those that `status` has not, and the details of checks that pass."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import CLI, Message

FindingCode = Literal[
    "modules_of_another_package",
    "modules_shadowed",
    "skill_link_stale",
    "files_open_to_others",
    "codex_files_open_to_others",
    "profile_may_bypass",
    "key_of_new_programs",
    "login_in_keyring",
    "login_unreadable",
    "login_unknown",
    "codex_cli_missing",
    "loopback_through_proxy",
    "model_without_tier",
    "tier_ignored",
    "startup_hook_elsewhere",
    "startup_hook_python_versioned",
    "startup_hook_python_temporary",
    "key_of_this_shell",
    "turn_differs",
]

PassCode = Literal[
    "python",
    "module_names",
    "skill_link",
    "home_place",
    "home_beside_windows",
    "home_beside_wsl",
    "home_owner",
    "private_files",
    "config_absent",
    "config_valid",
    "config_first",
    "named_elsewhere",
    "provider",
    "url",
    "url_built_in",
    "login",
    "login_not_needed",
    "runtime",
    "install_not_needed",
    "install_possible",
    "not_enabled",
    "provider_not_asked",
    "provider_answers",
    "port_is_free",
    "settings",
    "config_points_to_proxy",
    "upstream",
    "upstream_encrypted",
    "key_format",
    "app_environment",
    "policy",
    "tier_unknown",
    "key_not_configured",
    "catalog_of_provider",
    "catalog_of_proxy",
    "catalog_direct",
    "port_is_own",
    "proxy_answers",
    "proxy_answers_unowned",
    "proxy_not_needed",
    "proxy_not_running",
    "no_request_yet",
    "request_went_through",
    "settings_in_use",
    "code_in_use",
    "hooks_enabled",
    "hook_not_needed",
    "hook_trusted",
    "turn_not_asked",
    "turn_as_predicted",
]

# fmt: off
FINDINGS: Final[dict[FindingCode, Message]] = {
    "modules_of_another_package": Message(
        "Another installed package has modules of this program's names (cfp, journal, codex_fast_proxy): {packages}. The installation of one "
        "overwrites files of the other, and the hook may start nothing after the next.",
        f"Install codex-fast-proxy into an environment of its own (`uv tool install`, `pipx install`), then run `{CLI} install --start` from there."),
    "modules_shadowed": Message(
        "PYTHONPATH or the current folder has modules of this program's names: {files}. The hook and the proxy do not look there, but "
        "`python -m codex_fast_proxy`, and with PYTHONPATH every command, runs those instead of this program.",
        "Remove that folder from PYTHONPATH, or type commands in another folder."),
    "skill_link_stale": Message(
        "The skill that Codex reads is linked to {target}, which is not the skill of this program: it is gone, or belongs to another copy.",
        f"Run `{CLI} link-skill`, then open a new Codex session."),
    "files_open_to_others": Message(
        "Others than you may read files of the proxy, which can hold keys: {paths}. Who: {readers}.",
        f"Run `{CLI} recover`, which makes them private. If they stay open, the drive keeps no access rights, or another user owns them: "
        "move the Codex home to a folder of your own on another drive."),
    "codex_files_open_to_others": Message(
        "Others than you may read Codex's own keys and logins: {paths}. Who: {readers}.",
        "Take the right to read from them: `chmod 600 FILE`, or on Windows "
        '`icacls FILE /inheritance:r /grant:r "%USERNAME%:F"`. The proxy does not change these files.'),
    "profile_may_bypass": Message(
        "With these profiles Codex does not use the proxy: {files}.",
        "Start Codex without them where it should: no --profile. To have one use the proxy, let it select the proxy's provider, without a URL of its own."),
    "key_of_new_programs": Message(
        "Windows keeps {variables} for your programs, but this shell was started before that and does not have it: a Codex that is "
        "started here ends each turn with an error.",
        "Start Codex from a new terminal. If the Codex App was open when the variable was set, quit it and start it again."),
    "login_in_keyring": Message(
        "The Codex CLI reports the login {login}, but auth.json does not have it. The proxy reads auth.json for each request, "
        "so the policy auto adds no tier.",
        f"Sign in, or run `{CLI} install --start --service-tier-policy inject_missing` to add the tier always."),
    "login_unreadable": Message(
        "auth.json has no login; it may be in the keyring.",
        f"Sign in, or run `{CLI} install --start --service-tier-policy inject_missing` to add the tier always."),
    "login_unknown": Message(
        "No login was found.", f"Sign in, or run `{CLI} install --start --service-tier-policy inject_missing` to add the tier always."),
    "codex_cli_missing": Message(
        "codex-fast-proxy {version} runs from {package}; no Codex CLI was found on PATH.",
        "If you use only the Codex App, there is nothing to do."),
    "loopback_through_proxy": Message(
        "{variables} is set and NO_PROXY does not name 127.0.0.1: Codex would send its requests for this proxy to the "
        "outbound proxy.",
        "Add NO_PROXY=127.0.0.1,localhost to the environment or to {dotenv}."),
    "model_without_tier": Message(
        "{detail} Codex leaves the tier out for {model}, because the model's catalog entry does not list it.",
        f"Choose another model, or run `{CLI} set-upstream --service-tier-policy inject_missing`."),
    "tier_ignored": Message(
        "The provider does not serve the tier, as far as can be told. {message}",
        "Ask the provider whether it has Fast for this model. Fast may cost more all the same: "
        f"`{CLI} set-upstream --service-tier-policy preserve` stops the proxy from adding it."),
    "startup_hook_elsewhere": Message(
        "The hook starts another installation of codex-fast-proxy.", f"Run `{CLI} install --start` to use this one."),
    "startup_hook_python_versioned": Message(
        "The hook's Python, {python}, leads to {versioned}: the next version of that Python removes this folder.",
        f"After that upgrade, make the environment anew and run `{CLI} install --start`: until then the hook starts nothing."),
    "startup_hook_python_temporary": Message(
        "The hook's Python, {python}, lies in {folder}, a cache or temporary folder that is emptied without notice: then the hook starts nothing.",
        f"Install codex-fast-proxy for good (`uv tool install`, `pipx install`, or pip into a virtual environment), then run `{CLI} install --start` from there."),
    "key_of_this_shell": Message(
        "This shell has {variable}, but the system does not keep it for your programs: a Codex App, which no shell starts, ends each turn "
        "with an error.",
        "Write a line {variable}=KEY into {dotenv}. If you use only the CLI, there is nothing to do."),
    "turn_differs": Message(
        "Codex sent a turn that differs from what this program expects of it, in: {members}.",
        f"Compare `sent` with `predicted` in the evidence. If another file or variable explains it, change that; if nothing does, run "
        f"`{CLI} check-update`, and report it."),
}

PASSES: Final[dict[PassCode, Message]] = {
    "python": Message("Python {version} at {executable}."),
    "module_names": Message("No other package, and no folder that Python searches first, has modules of this program's names."),
    "skill_link": Message("The skill for agents is that of this program, or is not linked."),
    "home_place": Message("The Codex home lies on a disk of this system."),
    "home_beside_windows": Message(
        "This is the Codex home of a Linux inside Windows. Windows has Codex homes of its own: {beside}. This command does not touch them. "
        "Each needs an install of its own, by this program in its own system, and a port of its own (`--port NUMBER`): WSL 1 and mirrored "
        "networking share 127.0.0.1 with Windows, and otherwise Windows forwards its localhost to ports that a program in WSL listens at."),
    "home_beside_wsl": Message(
        "This is the Codex home of Windows. Codex inside WSL has another one in each Linux: {beside}. This command does not touch them. "
        "Each needs an install of its own, by this program in its own system, and a port of its own (`--port NUMBER`): WSL 1 and mirrored "
        "networking share 127.0.0.1 with Windows, and otherwise Windows forwards its localhost to ports that a program in WSL listens at."),
    "home_owner": Message("The Codex home and the proxy's files belong to the user who runs this command, as far as the system shows it."),
    "private_files": Message("No other user may read the proxy's files, or Codex's keys and logins, as far as the system shows it."),
    "config_absent": Message("There is no {path}; Codex uses its defaults."),
    "config_valid": Message("{path} is valid TOML."),
    "config_first": Message("Not checked, since config.toml does not parse."),
    "named_elsewhere": Message("The check {check} names what is wrong."),
    "provider": Message("Codex uses the provider {provider}."),
    "url": Message("The provider's URL is {url}."),
    "url_built_in": Message("Codex uses OpenAI's own URL."),
    "login": Message("Codex is signed in by {login}."),
    "login_not_needed": Message("Nobody is signed in, and the provider {provider} has a key of its own."),
    "runtime": Message("codex-fast-proxy {version} runs from {package}; the Codex CLI is {codex_version}."),
    "install_not_needed": Message("The proxy is enabled."),
    "install_possible": Message("Nothing stands in the way of an install."),
    "not_enabled": Message("The proxy is not enabled yet."),
    "provider_not_asked": Message("No request was sent to the provider; `doctor --online` sends one, a turn of one word."),
    "provider_answers": Message("{upstream_base} answered a turn of {model} after {first_event_ms} ms."),
    "port_is_free": Message("The port {host}:{port} is free."),
    "settings": Message("Settings are saved for {provider}."),
    "config_points_to_proxy": Message("config.toml points at the proxy."),
    "upstream": Message("The proxy sends requests to {upstream_base}."),
    "upstream_encrypted": Message("Requests leave this machine encrypted, or do not leave it."),
    "key_format": Message("No key of the provider has a character or a place that it must not have."),
    "app_environment": Message("No Codex App lacks a key that this shell has."),
    "policy": Message("The policy is {policy}; with the current login it acts as {effective}."),
    "tier_unknown": Message("Nothing is known yet of the provider's tiers."),
    "key_not_configured": Message("No key of the provider is configured."),
    "catalog_of_provider": Message("The provider's table has no model_catalog_url."),
    "catalog_of_proxy": Message("Codex fetches the model catalogue through the proxy."),
    "catalog_direct": Message("Codex fetches the model catalogue directly from {catalog_host}."),
    "port_is_own": Message("No other Codex home and no other user is known to have port {port}."),
    "proxy_answers": Message("The proxy answers at {host}:{port}."),
    "proxy_answers_unowned": Message(
        "The proxy answers at {host}:{port}. This system does not show whether that program, or a client of it, belongs to another user."),
    "proxy_not_needed": Message("No proxy is running, and none is needed."),
    "proxy_not_running": Message("No proxy is running."),
    "no_request_yet": Message("With the present settings, no request to a model has gone through yet."),
    "request_went_through": Message("The newest request to a model went through, {when}."),
    "settings_in_use": Message("The running proxy uses the saved settings."),
    "code_in_use": Message("The running proxy uses the installed code."),
    "hooks_enabled": Message("Codex runs hooks."),
    "hook_not_needed": Message("No hook is needed."),
    "hook_trusted": Message("Codex will start the proxy if it is not running."),
    "turn_not_asked": Message("Codex was not asked for a turn; `doctor --probe` has it send one to this program."),
    "turn_as_predicted": Message("Codex sends what this program expects: the provider gets {identity} and {tier}, over {transport}; the hook {hook}."),
}

# Codex's login in words, by its kind.
LOGINS: Final[dict[str, str]] = {
    "api_key": "an API key",
    "chatgpt": "ChatGPT",
    "mixed": "ChatGPT, with an API key beside it",
    "personal_access_token": "a personal access token",
    "agent_identity": "an agent identity",
    "bedrock": "Amazon Bedrock",
    "workload_identity": "a workload identity",
}

# What follows the sentence of `upstream`, by the WebSocket support that the proxy knows of.
WEBSOCKET: Final[dict[str, str]] = {
    "served": " The provider supports WebSocket.",
    "not_served": " The provider does not support WebSocket, so the proxy refuses it at once and Codex uses HTTP.",
    "untried": " Codex has not requested WebSocket yet.",
}
# What follows the sentence of `policy` where the tier in force is an opt-out.
OPTED_OUT: Final = ' {place} says service_tier = "{tier}", which the policy auto respects.'
# fmt: on
