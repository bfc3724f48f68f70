"""Interrupted and incomplete commands, and bugs."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import CLI, Message

InterruptionCode = Literal[
    "finish_incomplete",
    "rollback_incomplete",
    "interrupted",
    "journal_damaged",
    "recovery_conflict",
    "interrupted_by_user",
    "uninstall_interrupted",
    "uninstall_incomplete",
    "interrupted_when_done",
    "stop_interrupted",
    "bug",
]

# fmt: off
INTERRUPTIONS: Final[dict[InterruptionCode, Message]] = {
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
}
# fmt: on
