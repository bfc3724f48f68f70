"""Results of commands that succeeded, their effect on running Codex processes, and whether Fast is on."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import CLI, RESTART, Message

ResultCode = Literal[
    "installed",
    "install_planned",
    "prepared",
    "uninstalled",
    "uninstall_not_needed",
    "uninstall_deferred",
    "uninstall_own_session",
    "uninstall_skipped",
    "uninstalled_url_alone",
    "journal_at_work",
    "recover_clean",
    "recover_rolled_back",
    "recover_finished",
    "recover_repaired",
    "recover_would_settle",
    "recover_would_refuse",
    "upstream_updated",
    "saved_key_follows",
    "upstream_deferred",
    "upstream_saved",
    "rules_listed",
    "rules_none",
    "rules_updated",
    "rules_deferred",
    "rules_saved",
    "rule_decides",
    "rules_first",
    "fast_limited",
    "fast_in_profiles",
    "upstreams_listed",
    "upstreams_none",
    "upstream_added",
    "upstream_added_active",
    "upstream_removed",
    "verified",
    "login_dry_run",
    "login_prepared",
    "login_ready",
    "skill_linked",
    "skill_unlinked",
    "started",
    "started_unused",
    "dashboard_opened",
    "dashboard_found",
    "stopped",
    "no_requests_logged",
    "no_requests_counted",
    "usage_gap",
    "usage_merged",
    "usage_unpriced",
    "demo_passed",
    "demo_failed",
]

FastCode = Literal[
    "fast_with_key",
    "fast_always",
    "fast_refused",
    "fast_opted_out",
    "fast_stated",
    "fast_never",
    "fast_switch",
    "fast_login_unknown",
]

EffectCode = Literal[
    "new_processes",
    "interrupted",
    "none",
]

# fmt: off
RESULTS: Final[dict[ResultCode, Message]] = {
    "installed": Message("The proxy is enabled. New Codex processes use it; processes that are running do not.", RESTART),
    "install_planned": Message("Nothing was changed. An install would change these files and keys."),
    "prepared": Message("The settings are saved, and config.toml is unchanged.", f"Run `{CLI} install --start`."),
    "uninstalled": Message("The Codex config is restored, and the proxy is removed."),
    "uninstall_not_needed": Message("The proxy is not installed in this Codex home, and nothing was changed."),
    "uninstall_deferred": Message(
        "config.toml is restored. The proxy keeps running so that current sessions can finish.",
        RESTART + " Run `codex app-server daemon restart` if Codex's background daemon is running. Then "
        f"run `{CLI} uninstall` again."),
    "uninstall_own_session": Message(
        "config.toml is restored. The Codex session that ran this command uses the proxy, so the proxy keeps running until that session is restarted."),
    "uninstall_skipped": Message(
        "Another program or a person changed the provider's URL, so the URL, the proxy and its files were not changed.",
        f"Decide which URL is right. To remove the proxy and keep the present one, run `{CLI} install --start`, then `{CLI} uninstall`. "
        f"Or run `{CLI} uninstall --force`, which restores the URL from before the installation."),
    "uninstalled_url_alone": Message(
        "The provider has its URL back, and the proxy is removed. Version {version} of this program made the installation, and this version "
        "cannot read its record: what that version added besides the URL and the hook may be left in config.toml. The record was moved to {record}.",
        f"To remove the rest, put {{record}} back as {{manifest}}, and run `{CLI} uninstall` with version {{version}}."),
    "journal_at_work": Message("A command is running in this Codex home.", "Wait until it has finished, then run this command again."),
    "recover_clean": Message("No command was interrupted, and there was nothing to repair."),
    "recover_rolled_back": Message("The interrupted command was undone. Its files are as they were before it."),
    "recover_finished": Message("The interrupted command was already committed, and is now finished."),
    "recover_repaired": Message(
        "The record of the installation was lost. {provider} points at {base_url} again, the URL in {source}, and the "
        "proxy's other changes to the Codex config are removed."),
    "recover_would_settle": Message("Nothing was done yet. {work}", f"Run `{CLI} recover`."),
    "recover_would_refuse": Message(
        "Nothing was done yet. {work}",
        "Compare the listed files with your backups and correct them by hand. Then move {records} away and run "
        f"`{CLI} status`."),
    "upstream_updated": Message("The new route is saved and in use."),
    "saved_key_follows": Message("The key that the proxy has of its own now goes to {upstream_base}, no longer to {previous}."),
    "upstream_deferred": Message(
        "The new route is saved. The running proxy still uses the old one.",
        f"Restart the Codex App, open a new CLI process, or run `{CLI} start`. Running turns are not cut off."),
    "upstream_saved": Message("The new route is saved. The proxy is not running.", f"Run `{CLI} start`."),
    "rules_listed": Message("The first rule that matches a request decides; where none does, the policy decides."),
    "rules_none": Message("There are no rules: the policy decides about each request."),
    "rules_updated": Message("Rules and budget are saved and in use."),
    "rules_deferred": Message(
        "Rules and budget are saved. The running proxy still uses the old ones.",
        f"Restart the Codex App, open a new CLI process, or run `{CLI} start`. Running turns are not cut off."),
    "rules_saved": Message("Rules and budget are saved. The proxy is not running.", f"Run `{CLI} start`."),
    "rule_decides": Message("`{rule}` decides: such a request comes with {before}, and goes out with {after}."),
    "rules_first": Message("Before that, the rules of `fast list` decide ({count})."),
    "fast_limited": Message("Once the day's budget of `fast budget` is spent, nothing goes out with Fast."),
    "fast_in_profiles": Message(
        "The tier of these profiles cannot be seen where Codex leaves it out of its requests, which then get `{tier}` too: {profiles}."),
    "upstreams_listed": Message("These routes are saved."),
    "upstreams_none": Message("No route is saved.", f"Run `{CLI} upstream add NAME` to save the present one."),
    "upstream_added": Message("The route is saved as {name}. It is not in use.", f"Run `{CLI} upstream use {{name}}` to switch to it."),
    "upstream_added_active": Message("The present route is saved as {name}."),
    "upstream_removed": Message("{name} is forgotten, and its key with it."),
    "verified": Message("The provider responded as Codex needs it. No setting was changed."),
    "login_dry_run": Message("A key was found. Nothing was written.", f"Run `{CLI} prepare-chatgpt-login{{flags}} --apply`."),
    "login_prepared": Message(
        "The provider's key is saved for the proxy.", f"Run `{CLI} {{change}} --use-provider-auth-file`."),
    "login_ready": Message("The provider's key is saved, and the proxy sends it.", "Sign in with ChatGPT when you like."),
    "skill_linked": Message("The skill is linked.", RESTART),
    "skill_unlinked": Message("The skill is not linked.", RESTART),
    "started": Message("The proxy is running."),
    "started_unused": Message("The proxy is running, but config.toml does not point at it."),
    "dashboard_opened": Message("The dashboard is open in your browser."),
    "dashboard_found": Message("No browser was opened.", "Open the URL in a browser on this machine."),
    "stopped": Message("The proxy is stopped."),
    "no_requests_logged": Message("The proxy has not logged a request yet."),
    "no_requests_counted": Message("The proxy has no request to a model on record for this time."),
    "usage_gap": Message(
        "The log was removed before all of it was counted: requests between {after} and {before} may be missing."),
    "usage_merged": Message(
        'There is a row "other": of a day, a bounded number of names is kept apart, and sessions on the newest days only ({names}).'),
    "usage_unpriced": Message("The prices have none for {models}, so amounts that include it are null."),
    "demo_passed": Message("Each step of the story did what it should."),
    "demo_failed": Message("A step of the story did not do what it should."),
}
FAST: Final[dict[FastCode, Message]] = {
    "fast_with_key": Message(
        "Fast is on: the proxy adds `{tier}` to every model request without a tier, because Codex talks to the provider with an API key."),
    "fast_always": Message("Fast is on: the proxy adds `{tier}` to every model request without a tier, as the policy inject_missing says."),
    "fast_refused": Message("Fast is off for {models}: the provider refuses `{tier}` there, and the proxy sends these requests without it."),
    "fast_opted_out": Message('Fast is off: {place} says service_tier = "{stated}", so the proxy adds no tier.'),
    "fast_stated": Message('Fast is left to Codex: {place} says service_tier = "{stated}", and the proxy adds no tier.'),
    "fast_never": Message("Fast is left to Codex: with the policy preserve the proxy adds no tier."),
    "fast_switch": Message("Fast is left to Codex: with a ChatGPT login its own Fast switch decides, and the proxy adds no tier."),
    "fast_login_unknown": Message(
        "Fast is left to Codex: how Codex is signed in cannot be seen, so the proxy adds no tier."),
}
EFFECTS: Final[dict[EffectCode, Message]] = {
    "new_processes": Message("Running Codex processes keep their route until they are restarted."),
    "interrupted": Message("Sessions that used the proxy were cut off."),
    "none": Message("Running Codex processes are not affected."),
}
# fmt: on
