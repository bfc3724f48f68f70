"""Results of commands that succeeded, and their effect on running Codex processes."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import CLI, RESTART, Message

ResultCode = Literal[
    "installed",
    "prepared",
    "uninstalled",
    "uninstall_deferred",
    "uninstall_skipped",
    "journal_at_work",
    "recover_clean",
    "recover_rolled_back",
    "recover_finished",
    "recover_repaired",
    "recover_would_settle",
    "recover_would_refuse",
    "upstream_updated",
    "upstream_deferred",
    "upstream_saved",
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
]

EffectCode = Literal[
    "new_processes",
    "interrupted",
    "none",
]

# fmt: off
RESULTS: Final[dict[ResultCode, Message]] = {
    "installed": Message("The proxy is enabled for new Codex processes; the current one keeps its old route.", RESTART),
    "prepared": Message("Settings are saved; config.toml is as it was.", f"Run `{CLI} install --start`."),
    "uninstalled": Message("Everything is given back and removed."),
    "uninstall_deferred": Message(
        "config.toml is given back; the proxy still runs so that current sessions can finish.",
        RESTART + " `codex app-server daemon restart` makes Codex's background daemon forget the old address. Then "
        f"run `{CLI} uninstall` again."),
    "uninstall_skipped": Message(
        "The provider was pointed elsewhere by others, so its URL, the proxy and its state stay as they are.",
        f"Decide which URL is right; `{CLI} uninstall --force` gives back the one from before."),
    "journal_at_work": Message("A command is at work in this Codex home.", "Wait for it to end, then look again."),
    "recover_clean": Message("No change is half done, and there was nothing to mend."),
    "recover_rolled_back": Message("What was interrupted is undone: the files are as before it."),
    "recover_finished": Message("What was interrupted had been decided, and is finished now."),
    "recover_repaired": Message(
        "The record of the proxy was lost: {provider} points at {base_url} again, as {source} says, and what was ours "
        "beside it is taken out."),
    "recover_would_settle": Message("Nothing was done yet: {work}.", f"Run `{CLI} recover`."),
    "recover_would_refuse": Message(
        "Nothing was done yet: {work}.",
        "Compare the listed files with your backups and mend them by hand; then move {records} away, and run "
        f"`{CLI} status`."),
    "upstream_updated": Message("The new route is saved and in use."),
    "upstream_deferred": Message(
        "The new route is saved; the running proxy still serves the old one.",
        f"Restart the Codex App, open a new CLI process, or run `{CLI} start`; turns that run end undisturbed."),
    "upstream_saved": Message("The new route is saved; no proxy is running.", f"Run `{CLI} start`."),
    "verified": Message("The route answers as Codex needs it; nothing was changed."),
    "login_dry_run": Message("A key was found and nothing was written.", f"Run `{CLI} prepare-chatgpt-login --apply`."),
    "login_prepared": Message(
        "The proxy keeps the provider's key.", f"Run `{CLI} set-upstream --use-provider-auth-file`."),
    "login_ready": Message("The proxy keeps the provider's key and sends it.", "Sign in with ChatGPT when you like."),
    "skill_linked": Message("The skill is linked.", RESTART),
    "skill_unlinked": Message("The skill is not linked.", RESTART),
    "started": Message("The proxy is running."),
    "started_unused": Message("The proxy is running, and config.toml does not point at it."),
    "dashboard_opened": Message("The dashboard is open in your browser."),
    "dashboard_found": Message("No browser was opened.", "Open the URL in a browser on this machine."),
    "stopped": Message("The proxy is stopped."),
    "no_requests_logged": Message("No request has been logged yet."),
}
EFFECTS: Final[dict[EffectCode, Message]] = {
    "new_processes": Message("Running Codex processes keep their route until they are restarted."),
    "interrupted": Message("Sessions that used the proxy lost it now."),
    "none": Message("Running Codex processes are not affected."),
}
# fmt: on
