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
    "source_same",
    "source_behind",
    "package_of_index",
    "package_of_source",
    "package_in_cache",
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
    "source_same": Message(
        "The checkout {source}, from which {installer} installed this program, has all that its remote has.",
        f"If the checkout is newer than the program, `{{upgrade_command}}` installs it; then run `{CLI} install --start` if the proxy is "
        "enabled."),
    "source_behind": Message(
        "The remote has newer commits than the checkout {source}, from which {installer} installed this program.",
        f"Update the checkout with `git pull --ff-only`, and install it by `{{upgrade_command}}`; then run `{CLI} install --start` if the "
        "proxy is enabled."),
    "package_of_index": Message(
        "Version {version} is a package that {installer} installed; no request was made to its index.",
        f"`{{list_command}}` shows whether there is a newer release. `{{upgrade_command}}` installs it; then run `{CLI} install --start` "
        f"if the proxy is enabled, and `{CLI} link-skill` if the skill is linked."),
    "package_of_source": Message(
        "Version {version} is a package that {installer} installed from {source}.",
        f"Where that has a newer state, `{{upgrade_command}}` installs it; then run `{CLI} install --start` if the proxy is enabled, and "
        f"`{CLI} link-skill` if the skill is linked."),
    "package_in_cache": Message(
        "Version {version} runs from the cache of {installer}, for this once.",
        "`{install_command}` installs the program for good."),
}
# fmt: on
