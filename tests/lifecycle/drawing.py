"""The tables of the lifecycle by name, drawn as Mermaid state diagrams."""

from __future__ import annotations

from typing import Any, Final

from cfp.lifecycle.effects import Switch
from cfp.lifecycle.machine import RunState, Table
from cfp.lifecycle.tables import (
    GIVE_BACK,
    HANDOVER,
    INSTALL,
    INSTALL_FILES,
    INSTALL_HANDOVER,
    INSTALL_OVER,
    RESTART,
    RETIRE,
    SAVE,
    START,
    STOP,
)

TABLES: Final[dict[str, Table[Switch]]] = {
    "install": INSTALL,
    "install over a running worker": INSTALL_HANDOVER,
    "install over a worker that cannot hand over": INSTALL_OVER,
    "install beside the right worker": INSTALL_FILES,
    "install --prepare-only, set-upstream, prepare-chatgpt-login": SAVE,
    "start": START,
    "start over an older worker": HANDOVER,
    "start over one that cannot hand over": RESTART,
    "stop": STOP,
    "uninstall, files": GIVE_BACK,
    "uninstall, worker and state": RETIRE,
}


def diagram(table: Table[Any]) -> str:
    """Draw a table as a Mermaid state diagram; rollback edges are those rows that a failure walks back."""
    lines = ["stateDiagram-v2", "    direction LR", f"    [*] --> {table[0].source}"]
    lines += [f"    {step.source} --> {step.target}: {step.effect.__name__}" for step in table]
    committed = False
    for step in table:
        committed = committed or step.commits
        if not committed and step.undo is not None:
            lines.append(f"    {step.target} --> {RunState.ROLLED_BACK}: {step.undo.__name__}")
    lines.append(f"    {table[-1].target} --> [*]")
    return "\n".join(lines) + "\n"
