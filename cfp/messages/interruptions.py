"""Interrupted and incomplete commands, and bugs."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import CLI, Message

InterruptionCode = Literal[
    "finish_incomplete",
    "rollback_incomplete",
    "interrupted",
    "journal_damaged",
    "journal_of_newer_version",
    "journal_of_another_home",
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
        "The change was made, but cleaning up afterwards failed ({reason}).", f"Run `{CLI} recover`."),
    "rollback_incomplete": Message(
        "The change failed ({after}), and undoing it failed too ({reason}).", f"Run `{CLI} recover`."),
    "interrupted": Message("An earlier command was interrupted.", f"Run `{CLI} recover`."),
    "journal_damaged": Message(
        "The journal record of transaction {transaction} is damaged. Nothing was changed.",
        f"Run `{CLI} recover --dry-run` and compare the files that it lists with your backups."),
    "journal_of_newer_version": Message(
        "A newer version of this program was interrupted, and this one does not know its journal record {record}. Nothing was changed.",
        "Run `recover` with the newer version."),
    "journal_of_another_home": Message(
        "{copy} is a copy of {home}, made while a command was interrupted there, and undoing that command would change files outside "
        "of the copy: {paths}. Nothing was changed.",
        f"For {{home}}, run `{CLI} recover` there. In the copy, correct config.toml by hand, then delete {{record}}."),
    "recovery_conflict": Message(
        "The interrupted command was settled, except for these keys, which another program or a person changed: {conflicts}.", "Set them yourself if needed."),
    "interrupted_by_user": Message("Interrupted. Nothing was changed.", "Run the command again when you like."),
    "uninstall_interrupted": Message(
        "Interrupted. The Codex config is restored, but the proxy and its files are not fully removed yet.",
        f"Run `{CLI} uninstall` again to finish."),
    "uninstall_incomplete": Message(
        "The Codex config is restored, but the file system refused a change to {path}: {reason}.",
        f"Free some disk space or correct the file permissions, then run `{CLI} uninstall` again to finish."),
    "interrupted_when_done": Message("Interrupted, but the change was already made.", f"Run `{CLI} status`."),
    "stop_interrupted": Message(
        "Interrupted. The proxy is stopping, and ends when its running streams have ended.", f"Run `{CLI} status`."),
    "bug": Message("This is a bug in codex-fast-proxy ({kind}). The traceback is in {log}.", "Report it, and attach that file."),
}
# fmt: on
