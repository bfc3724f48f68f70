"""Say whether there is an update, and how to get it; read-only: nothing is pulled, installed, restarted or written.

A checkout is compared with its remote. For a package, the result names the commands of the tool that installed it.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import cfp
from cfp.commands.command import Command
from cfp.errors import Refused
from cfp.host.home import Host
from cfp.host.system import git
from cfp.host.system.distribution import Distribution, read_distribution
from cfp.host.system.interpreters import cached_by
from cfp.host.worker import code_id
from cfp.messages.updates import UPDATES, UpdateCode
from cfp.result import Result

EXAMPLES = (
    ("", "compare with origin's branch of the same name"),
    ("--remote fork --branch main", "compare with another branch"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    repo: str | None
    remote: str
    branch: str | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--repo", metavar="DIR", help="the checkout (default: the one that this program runs from)")
    parser.add_argument(
        "--remote", default="origin", metavar="NAME", help="the remote to compare with (default: origin)"
    )
    parser.add_argument("--branch", metavar="NAME", help="its branch (default: the one that is checked out)")


def run(args: Args, host: Host) -> Result:
    """Say how the installed code stands to its source; raises Refused where --repo names no checkout."""
    own = Path(code_id.package_path()).parent
    named = Path(args.repo) if args.repo is not None else None
    package = None if named or git.is_top(own, host.environ) else read_distribution(host.python)
    place = named or (own if package is None else Path(package.source) if package.is_of_folder else None)
    repo = git.find_checkout(place, host.environ) if place is not None else None
    if repo is None and args.repo is not None:
        raise Refused("not_a_checkout", path=args.repo)
    compared = git.NOT_COMPARED
    if repo is not None:
        with host.waiting(f"waiting for git to ask {args.remote}", git.TIMEOUT_S):
            compared = git.compare(repo, args.remote, args.branch, host.environ)
    text = UPDATES[_code(repo, compared.relation, package, host.python)]
    if package is not None:
        text = text.filled({**package.details, "version": cfp.__version__})
    return Result(
        status="checked",
        fields={
            "read_only": True,
            "installed_as": "checkout" if package is None else "package",
            "installed_by": None if package is None else package.installer,
            "installed_from": None if package is None else package.source or None,
            "version": cfp.__version__,
            "repo": str(repo) if repo is not None else None,
            "remote": args.remote if repo is not None else None,
            **asdict(compared),
            "update_available": compared.relation is git.BranchRelation.REMOTE_AHEAD if repo is not None else None,
            "message": text.sentence,
            "next_action": text.action,
            "next_user_action": text.action,
        },
    )


_MESSAGES: Final[dict[git.BranchRelation, UpdateCode]] = {
    git.BranchRelation.SAME: "same",
    git.BranchRelation.REMOTE_AHEAD: "remote_ahead",
    git.BranchRelation.LOCAL_AHEAD: "local_ahead",
    git.BranchRelation.DIVERGED: "diverged",
    git.BranchRelation.REMOTE_UNKNOWN: "remote_unknown",
}
_OF_SOURCE: Final[dict[git.BranchRelation, UpdateCode]] = {
    git.BranchRelation.SAME: "source_same",
    git.BranchRelation.REMOTE_AHEAD: "source_behind",
    git.BranchRelation.LOCAL_AHEAD: "source_same",
    git.BranchRelation.REMOTE_UNKNOWN: "package_of_source",
}


def _code(repo: Path | None, relation: git.BranchRelation, package: Distribution | None, python: str) -> UpdateCode:
    """Return the code of the message: about a checkout, or about a package and what it came from."""
    if package is None:
        return _MESSAGES[relation]
    if cached_by(python):
        return "package_in_cache"
    if repo is None:
        return "package_of_source" if package.source else "package_of_index"
    return _OF_SOURCE.get(relation, _MESSAGES[relation])


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    needs_home=False,
)
