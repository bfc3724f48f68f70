"""Results of `check-update`."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import CLI, Message

UpdateCode = Literal[
    "same",
    "remote_ahead",
    "local_ahead",
    "diverged",
    "remote_unknown",
    "package",
]

# fmt: off
UPDATES: Final[dict[UpdateCode, Message]] = {
    "same": Message("This checkout is up to date with the remote."),
    "remote_ahead": Message(
        "The remote has newer commits.",
        f"Update the checkout with `git pull --ff-only`, then run `{CLI} install --start` if the proxy is enabled."),
    "local_ahead": Message("This checkout has commits that the remote does not have."),
    "diverged": Message("This checkout and the remote have both new commits.", "Merge or rebase the checkout yourself."),
    "remote_unknown": Message("The remote could not be read.", "Check the network, --remote and --branch."),
    "package": Message(
        "This program is installed as a package, not as a git checkout, so there is no remote to compare with.",
        "Use the package installer: `pip list --outdated`."),
}
# fmt: on
