"""Diagnoses of `status`, in the order in which it looks for them."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import CLI, Message

_WHEN_IDLE: Final = f"Run `{CLI} start` while no turn runs: it would be cut."

DiagnosisCode = Literal[
    "interrupted",
    "config_unparseable",
    "unrecorded",
    "unrecorded_and_lost",
    "not_enabled",
    "home_missing",
    "home_deleted",
    "uninstall_unfinished",
    "config_not_proxy",
    "proxy_stopped",
    "chatgpt_auth_preserved",
    "upstream_auth_missing",
    "upstream_auth_not_persistent",
    "settings_pending_restart",
    "proxy_unhealthy",
    "runtime_stale",
    "settings_pending_restart_cut",
    "runtime_stale_cut",
    "startup_hook_not_ready",
    "fast_policy_unknown",
    "ready",
]

# fmt: off
DIAGNOSES: Final[dict[DiagnosisCode, Message]] = {
    "interrupted": Message("A command was interrupted before it was done.", f"Run `{CLI} recover`."),
    "config_unparseable": Message("Neither we nor Codex can read config.toml.", f"`{CLI} doctor` names the place."),
    "unrecorded": Message(
        "config.toml points at a proxy whose record here is lost.",
        f"Run `{CLI} recover --dry-run`, then `{CLI} recover` to give the URL back."),
    "unrecorded_and_lost": Message(
        "config.toml points at a proxy of ours, and neither a record nor a backup tells where it pointed before.",
        f"Run `{CLI} install --start --upstream-base URL` with your provider's own URL, or set that in config.toml."),
    "not_enabled": Message("The proxy is not enabled.", f"Run `{CLI} install --start`."),
    "home_missing": Message("There is no Codex home here.", "Start Codex once, or pass --codex-home with another."),
    "home_deleted": Message(
        "The Codex home was deleted, and its proxy still runs.", f"Run `{CLI} stop`: that ends it, and nothing else is left."),
    "uninstall_unfinished": Message(
        "The proxy is uninstalled, but for some files and perhaps its process.",
        f"Once the sessions that began with it have ended, run `{CLI} uninstall` again."),
    "config_not_proxy": Message(
        "The proxy is installed, but config.toml does not point at it.",
        f"Run `{CLI} install --start` to switch again, or `{CLI} uninstall` to remove the rest."),
    "proxy_stopped": Message("Codex points at the proxy, and none is running.", f"Run `{CLI} start`."),
    "chatgpt_auth_preserved": Message(
        "Codex is signed in with ChatGPT and the proxy passes that login on; a third-party provider may answer 401.",
        f"Run `{CLI} prepare-chatgpt-login --apply`, then `{CLI} set-upstream --use-provider-auth-file`."),
    "upstream_auth_missing": Message(
        "The provider's key that the proxy should send is not there.", f"Run `{CLI} prepare-chatgpt-login --apply`."),
    "upstream_auth_not_persistent": Message(
        "The provider's key is in this process's environment only and gone after a new login.",
        f"Run `{CLI} prepare-chatgpt-login --apply`, then `{CLI} set-upstream --use-provider-auth-file`."),
    "settings_pending_restart": Message(
        "The running proxy serves older settings than the saved ones.",
        f"Start a new Codex session, or run `{CLI} start`; turns that run end undisturbed."),
    "proxy_unhealthy": Message("The proxy's address does not answer as it should.", f"Run `{CLI} doctor`."),
    "runtime_stale": Message(
        "The running proxy is older than the installed code.", f"Run `{CLI} start`; turns that run end undisturbed."),
    "settings_pending_restart_cut": Message(
        "The running proxy serves older settings, and cannot hand its streams over.", _WHEN_IDLE),
    "runtime_stale_cut": Message("The running proxy is older, and cannot hand its streams over.", _WHEN_IDLE),
    "startup_hook_not_ready": Message(
        "Codex will not start the proxy by itself: its hook is missing, disabled or not trusted.",
        f"Run `{CLI} install --start` again."),
    "fast_policy_unknown": Message(
        "How Codex is signed in is unclear, so requests without a tier stay without one.",
        f"Sign in, or choose with `{CLI} set-upstream --service-tier-policy inject_missing`."),
    "ready": Message("Ready: requests go through the proxy."),
}
# fmt: on
