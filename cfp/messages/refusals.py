"""Refusals: nothing was changed."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import CLI, Message

RefusalCode = Literal[
    "users_folder_unknown",
    "inside_sandbox",
    "worker_out_of_sight",
    "codex_home_missing",
    "codex_home_deleted",
    "codex_home_not_text",
    "home_on_network",
    "home_in_wsl",
    "home_path_too_long",
    "home_on_windows_drive",
    "home_of_another_user",
    "files_of_another_user",
    "program_not_installed",
    "program_place_temporary",
    "config_unparseable",
    "config_refused",
    "provider_undefined",
    "route_overridden",
    "hooks_unparseable",
    "settings_invalid",
    "record_unreadable",
    "record_of_newer_version",
    "manifest_invalid",
    "ambiguous_provider",
    "unknown_provider",
    "reserved_provider",
    "upstream_unknown",
    "built_in_with_chatgpt_login",
    "catalog_past_proxy",
    "key_in_place_of_name",
    "provider_key_missing",
    "upstream_key_missing",
    "provider_auth_invalid",
    "nothing_asked",
    "source_key_unknown",
    "no_key_entered",
    "codex_key_not_settable",
    "source_key_short_lived",
    "port_in_use",
    "file_not_editable",
    "file_not_replaceable",
    "file_in_use",
    "changed_meanwhile",
    "busy",
    "not_enabled",
    "already_enabled",
    "proxy_not_running",
    "settings_missing",
    "provider_repointed",
    "proxy_unrecorded",
    "former_address_taken",
    "saved_key_for_other_url",
    "key_of_saved_upstream",
    "upstreams_invalid",
    "no_such_upstream",
    "upstream_exists",
    "upstream_active",
    "upstream_of_other_provider",
    "upstream_key_not_kept",
    "source_key_unchosen",
    "config_not_proxy",
    "config_points_to_proxy",
    "confirmation_required",
    "run_needs_codex",
    "run_program_is_script",
    "run_program_missing",
    "not_a_checkout",
    "skill_missing",
    "skill_place_taken",
    "skill_not_linked",
    "benchmark_model_unknown",
    "benchmark_key_unknown",
    "benchmark_codex_missing",
    "chatgpt_auth_direct_upstream",
]

# fmt: off
REFUSALS: Final[dict[RefusalCode, Message]] = {
    "users_folder_unknown": Message(
        "Neither the variable {variable} nor the system names a folder of this user, so there is no default Codex home. Nothing was changed.",
        "Set {variable}, or name the Codex home with CODEX_HOME or --codex-home."),
    "inside_sandbox": Message(
        "This command runs in a sandbox that allows no network, such as Codex's own for the commands of an agent. From inside, it cannot be "
        "told whether the proxy runs, or which program has a port. Nothing was changed.",
        "Run it in a terminal of your own, or let the agent run it outside of its sandbox."),
    "worker_out_of_sight": Message(
        "The proxy answers at {host}:{port}, but its process {pid} cannot be seen from here, as in a sandbox or a container, so it cannot be "
        "ended or replaced. Nothing was changed.",
        "Run the command where the proxy runs: in a terminal of your own, or outside of the agent's sandbox."),
    "codex_home_missing": Message(
        "There is no Codex home at {path}.", "Start Codex once to create it, or name the right folder with --codex-home."),
    "codex_home_deleted": Message(
        "The Codex home {path} was deleted, and its proxy is still running (process {pid}).",
        f"Run `{CLI} stop` to stop the proxy; nothing else is left to remove."),
    "codex_home_not_text": Message(
        "The path {path} is not valid UTF-8, so config.toml and hooks.json cannot contain it.",
        "Rename the folder, or create a symbolic link to it and pass the link with --codex-home."),
    "home_on_network": Message(
        "{path} is on a network share. Neither its locks nor its renames are as safe as an install needs them, and others may read it. "
        "Nothing was changed.",
        "Use a Codex home on a disk of this computer: unset CODEX_HOME, or pass --codex-home."),
    "home_in_wsl": Message(
        "{path} is the Codex home of a Linux inside Windows (WSL), and this program runs in Windows. Nothing was changed.",
        "Install and run codex-fast-proxy inside that Linux for its home."),
    "home_path_too_long": Message(
        "The path {path} has {length} characters, and a file in it may have up to 120 more: Windows refuses paths of 260 and more. "
        "The longest path of a Codex home is {longest}. Nothing was changed.",
        "Move the Codex home to a shorter path, and name it with CODEX_HOME."),
    "home_on_windows_drive": Message(
        "{path} is on a drive of Windows, and this program runs in a Linux inside it (WSL). That drive keeps no file to one user, has no "
        "atomic exchange of files, and shares no lock with programs of Windows. Nothing was changed.",
        "For that home, install and run codex-fast-proxy in Windows; for Codex inside WSL, unset CODEX_HOME, so that its home is ~/.codex."),
    "home_of_another_user": Message(
        "{path} belongs to the user {owner}, and this command runs as {user}. Files that it wrote there would belong to {user}, and "
        "{owner} could not change them. Nothing was changed.",
        "Run the command as {owner}, without sudo; for a Codex home of your own, pass it with --codex-home."),
    "files_of_another_user": Message(
        "These paths do not belong to {owner}, probably because an earlier command ran with sudo: {paths}. Nothing was changed.",
        "Run `{remedy}`, then run this command again, without sudo."),
    "program_not_installed": Message(
        "Codex starts the hook and the proxy with {python} alone, without PYTHONPATH and without the current folder, and that Python "
        "cannot start this program: {reason}. Nothing was changed.",
        "Install codex-fast-proxy with pip into a virtual environment, then run `install --start` of the program there."),
    "program_place_temporary": Message(
        "This program runs from {folder}, a cache or temporary folder that is emptied without notice, and `{verb}` would write its path "
        "into a place that stays. Nothing was changed.",
        "Run `{install_command}`, then `{verb}` of the program that it installs."),
    "config_unparseable": Message(
        "{path} is not valid TOML: {reason}. Nothing was changed.",
        "Correct the file by hand; Codex cannot read it either. Where the proxy is enabled, `uninstall --force` puts back the file as it was "
        "before the install, and keeps the present one in the backups."),
    "config_refused": Message(
        "Codex refuses to start with its present configuration: {reason}. Nothing was changed.",
        f"Correct the file that Codex names, or config.toml, by hand, then run the command again. `{CLI} status` shows whether Codex takes it."),
    "provider_undefined": Message(
        "config.toml selects the provider {provider} with model_provider, and no file defines it, so Codex refuses to start. Nothing was changed.",
        "Set model_provider in config.toml to one of these, or add a table [model_providers.{provider}]: {choices}."),
    "route_overridden": Message(
        "{file} sets {key} to {value}, which takes precedence over config.toml: no request of Codex would go through the proxy. Nothing was changed.",
        "Change it there, or ask the administrator, then run the command again."),
    "hooks_unparseable": Message(
        "Codex drops every hook of {path}: {reason}. Nothing was changed.",
        "Correct the file by hand, then run the command again: one wrong handler keeps every hook of the file from running."),
    "settings_invalid": Message(
        "settings.json is not valid: {reason}.",
        "Move settings.json away, then run `" + CLI + " install --start --upstream-base URL`."),
    "record_unreadable": Message(
        "{path} exists but cannot be read: {reason}. Nothing was changed.",
        "Make it a file or folder that you can read, then run the command again. "
        "`uninstall --force` works without a file of the proxy's own record."),
    "record_of_newer_version": Message(
        "{path} was written by version {version} of this program, and this one, {own}, does not know its format. Nothing was changed.",
        "Run the command with that version. `uninstall --force` of this one gives the provider its URL back, and leaves other keys of the proxy."),
    "manifest_invalid": Message(
        "install-manifest.json, the record of the installation, is not valid: {reason}.",
        f"Run `{CLI} uninstall`, which restores the provider's URL from the newest backup. Then install again."),
    "ambiguous_provider": Message(
        "config.toml does not name the provider that Codex uses. Choices: {choices}.",
        "Add --provider openai, or --provider NAME --activate-provider (Codex lists its history by provider)."),
    "unknown_provider": Message(
        "config.toml has no provider {provider}. Choices: {choices}.", "Pass one of them with --provider."),
    "reserved_provider": Message(
        "Codex reserves the provider id {provider}, and config.toml cannot change its URL.",
        "Define a provider under another name, or use --provider openai."),
    "upstream_unknown": Message(
        "config.toml has no base_url for the provider {provider}.", "Pass its URL with --upstream-base URL."),
    "built_in_with_chatgpt_login": Message(
        "Codex is signed in with ChatGPT and uses OpenAI's own service, where Codex controls Fast itself. The proxy would add nothing.",
        "Use Codex's own Fast switch, or pass another provider's URL with --upstream-base URL."),
    "catalog_past_proxy": Message(
        "{key} in config.toml leads to {host}, which is not the provider's address, and Codex would send {credential} there "
        "directly, past the proxy. Nothing was changed.",
        "Remove {key} from config.toml, or let the proxy pass on what Codex sends: without --use-provider-auth-file and "
        f"--upstream-api-key-env, or after `{CLI} set-upstream --clear-upstream-auth`."),
    "key_in_place_of_name": Message(
        "{place} must be the name of a variable, but what stands there looks like a key, so Codex finds none. Nothing was changed.",
        "Put the key into a variable, or into .env in the Codex home, and write the variable's name there."),
    "provider_key_missing": Message(
        "No key is saved for the provider {provider}.", f"Run `{CLI} prepare-chatgpt-login{{provider_flag}}{{key_flag}} --apply` to save it."),
    "upstream_key_missing": Message(
        "The environment variable {variable} is not set in this session.", "Set it for this command and for every later session."),
    "provider_auth_invalid": Message(
        "provider-auth.json is not valid: {reason}.", f"Move the file away, then run `{CLI} prepare-chatgpt-login --apply`."),
    "nothing_asked": Message(
        "The command line names nothing to change.", "Pass --upstream-base, --service-tier-policy or a flag for the key."),
    "source_key_unknown": Message(
        "No key for {provider} was found: {place}.",
        f"Run `{CLI} prepare-chatgpt-login{{provider_flag}} --from-stdin --apply` and enter the key; or "
        f"`{CLI} prepare-chatgpt-login{{provider_flag}} --from-env NAME --apply` with the name of a variable that has it; or "
        f"`{CLI} prepare-chatgpt-login{{provider_flag}} --source-auth-key NAME --apply` with its name in auth.json{{or_codex}}."),
    "no_key_entered": Message(
        "The standard input had no key for the saved upstream {name}. Nothing was changed.",
        "Repeat the command with --from-stdin, and enter the key when it asks, or pass the key in by a pipe."),
    "codex_key_not_settable": Message(
        "Codex cannot be given a variable with the key of {provider}: {reason}. Nothing was changed.",
        f"Run `{CLI} prepare-chatgpt-login --from-stdin --apply` and enter the key, then `{CLI} install --start --use-provider-auth-file`."),
    "source_key_short_lived": Message(
        "The auth.command of {provider} returns a short-lived key, so a saved key would soon stop working.",
        "There is nothing to do: Codex sends that key with every login."),
    "port_in_use": Message(
        "The port {host}:{port} is in use by {owner}.",
        f"Run `{CLI} install --start --port {{free_port}}`, or stop that program if nothing needs it."),
    "file_not_editable": Message(
        "The file cannot be edited without changing other parts of it: {reason}. Nothing was changed.",
        "Write base_url in a simpler form by hand, or report the form that was refused."),
    "file_not_replaceable": Message(
        "{path} cannot be replaced safely: {reason}. Nothing was changed.", "Make it a regular, writable file, then run the command again."),
    "file_in_use": Message(
        "Another program has {path} open and does not share it: {holder}. Nothing was changed.",
        "Close the file in that program (an editor, a sync program or a virus scanner), then run the command again."),
    "changed_meanwhile": Message(
        "Another program changed these files at the same time: {paths}. This command changed nothing.", "Run the command again."),
    "busy": Message("Another command is running in this Codex home: {holder}.", "Wait until it has finished, then run this command again."),
    "not_enabled": Message("The proxy is not enabled in this Codex home.", f"Run `{CLI} install --start`."),
    "already_enabled": Message(
        "The proxy is already enabled with other settings, and --prepare-only cannot change them.",
        f"Run `{CLI} install --start` with these flags, or `{CLI} set-upstream`."),
    "proxy_not_running": Message(
        "The dashboard needs the proxy, and the proxy is not running.", f"Run `{CLI} start`."),
    "settings_missing": Message("No settings are saved in this Codex home.", f"Run `{CLI} install --start`."),
    "provider_repointed": Message(
        "The URL of {provider} in config.toml no longer points at the proxy: another program or a person changed it. Nothing was changed.",
        f"Run `{CLI} install --start` to put the proxy in front of the URL that config.toml has now, then repeat this command."),
    "proxy_unrecorded": Message(
        "{provider} points at {url}, which is or was the proxy's address, but no record and no backup has its former URL. "
        "Nothing was changed.",
        f"Run `{CLI} install --start --upstream-base URL` with your provider's URL, or set {{key}} in config.toml to that URL."),
    "former_address_taken": Message(
        "{provider} points at {url} in config.toml. The proxy had this address before, and another program listens there now. "
        "It is not certain that this program is your provider, so nothing was sent to it. Nothing was changed.",
        "If it is your provider, repeat the command with --upstream-base {url}. If it is not, set {key} in config.toml to your provider's URL, then repeat the command."),
    "saved_key_for_other_url": Message(
        "{provider} points at {url} in config.toml, but the proxy's saved settings have a key of their own for {upstream_base}. "
        "That key was not sent to the new URL. Nothing was changed.",
        "To keep the former provider, repeat the command with --upstream-base {upstream_base}. To go on with {url}, add --use-provider-auth-file "
        "or --upstream-api-key-env NAME if it accepts that key, or --clear-upstream-auth to send the key that Codex sends."),
    "key_of_saved_upstream": Message(
        "The key in use belongs to the saved upstream {name} at {upstream_base}. It was not sent to the new URL. Nothing was changed.",
        f"Name the key for the new URL: --upstream-api-key-env NAME, --use-provider-auth-file, or --clear-upstream-auth for the one that Codex "
        f"sends. Or save the new URL with its key: `{CLI} upstream add NAME`."),
    "upstreams_invalid": Message(
        "upstreams.json, which has the saved upstreams, cannot be used: {reason}. Nothing was changed.",
        "Move the file away, then save the routes again."),
    "no_such_upstream": Message(
        "No upstream is saved under the name {name}. Saved: {names}.", f"Save the route in use under it: `{CLI} upstream add {{name}}`. `{CLI} upstream list` shows the saved ones."),
    "upstream_exists": Message(
        "An upstream is saved under the name {name} already. Nothing was changed.", "Choose another name, or add --replace."),
    "upstream_active": Message(
        "The upstream {name} is in use, so it cannot be forgotten or become another one. Nothing was changed.",
        f"Switch to another one first: `{CLI} upstream use NAME`. To change the route in use, use set-upstream, then add it with --replace."),
    "upstream_of_other_provider": Message(
        "The upstream {name} was saved for the provider {provider}, and the proxy now serves {in_force}. Nothing was changed.",
        f"Save the route of this provider under that name: `{CLI} upstream add {{name}} --replace`."),
    "upstream_key_not_kept": Message(
        "The proxy keeps no key for the saved upstream {name} at {upstream_base}, which is in use, and a key that it keeps for another URL "
        "does not go there. Nothing was changed.",
        f"Enter its key under another name: `{CLI} upstream add NAME --upstream-base {{upstream_base}} --from-stdin`. Then use that one."),
    "source_key_unchosen": Message(
        "The saved upstream {name} at {upstream_base} is in use with a key of its own, and the key that Codex sends now is for another URL. "
        "Nothing was changed.",
        "Name the new key of this upstream: add --from-stdin to enter it, or --from-env NAME."),
    "config_not_proxy": Message("config.toml does not point at the proxy.", f"Run `{CLI} install --start` to point it at the proxy."),
    "config_points_to_proxy": Message(
        "config.toml still points at the proxy. Stopping the proxy now would cut off running and new sessions.",
        f"Run `{CLI} uninstall --defer-stop` to restore config.toml first, or repeat the command with --force."),
    "confirmation_required": Message(
        "Nothing was changed. Without the proxy, Codex sends {login} directly to {upstream_base}, which may respond with 401.",
        "Ask the user for one of three: keep the proxy, switch Codex back to API-key login first, or continue with "
        "--confirm-chatgpt-direct-uninstall."),
    "run_needs_codex": Message(
        "`run` can start only Codex, because other programs do not accept its flags.",
        f"Run `{CLI} run -- codex`, followed by Codex's own arguments."),
    "run_program_is_script": Message(
        "{program} is a script of cmd, which would read quotes and `&` in Codex's words as its own.",
        "Put the path of codex.exe itself behind `--`."),
    "run_program_missing": Message("The program {program} was not found on PATH.", "Install it, or pass its path."),
    "not_a_checkout": Message("{path} is not inside a git checkout.", "Pass the checkout with --repo."),
    "skill_missing": Message("There is no SKILL.md in {path}.", "Pass a checkout with --repo-root, or none: the program has its own."),
    "skill_place_taken": Message(
        "{path} is not a link to this skill, and was not changed.", "Move it away, or pass another folder with --skills-root."),
    "skill_not_linked": Message(
        "No link to this skill can be made at {path}: {reason}.", "Pass a folder of another drive with --skills-root, or copy {target} there."),
    "benchmark_model_unknown": Message(
        "config.toml names no model, and no Codex CLI was found that could name its default.", f"Run `{CLI} benchmark --model NAME`."),
    "benchmark_key_unknown": Message(
        "No key was found that Codex would send to {provider}.",
        f"Run `{CLI} benchmark --api-key-env NAME` with the name of the variable that has the key."),
    "benchmark_codex_missing": Message(
        "No Codex CLI was found on PATH.", f"Install it, or run `{CLI} benchmark --mode direct`."),
    "chatgpt_auth_direct_upstream": Message(
        "Without the proxy, Codex sends {login} directly to {upstream_base}, which may respond with 401.",
        "Switch Codex back to API-key login before restarting it, or keep the proxy."),
}
# fmt: on
