"""Compare this checkout with its remote; read-only: nothing is pulled, installed, restarted or written."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from cfp.commands.command import Command
from cfp.errors import Refused
from cfp.host.home import Host
from cfp.host.system import git
from cfp.host.worker import code_id
from cfp.messages import Message
from cfp.messages.updates import UPDATES
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
    """Say how the installed code stands to its source."""
    place = Path(args.repo) if args.repo else Path(code_id.package_path())
    repo = git.find_checkout(place, host.environ)
    if repo is None and args.repo is not None:
        raise Refused("not_a_checkout", path=args.repo)
    if repo is None:
        return _package()
    compared = git.compare(repo, args.remote, args.branch, host.environ)
    text = _MESSAGES[compared.relation]
    return Result(
        status="checked",
        fields={
            "read_only": True,
            "installed_as": "checkout",
            "repo": str(repo),
            "remote": args.remote,
            **asdict(compared),
            "update_available": compared.relation is git.BranchRelation.REMOTE_AHEAD,
            "message": text.sentence,
            "next_action": text.action,
            "next_user_action": text.action,
        },
    )


_MESSAGES: Final[dict[git.BranchRelation, Message]] = {
    git.BranchRelation.SAME: UPDATES["same"],
    git.BranchRelation.REMOTE_AHEAD: UPDATES["remote_ahead"],
    git.BranchRelation.LOCAL_AHEAD: UPDATES["local_ahead"],
    git.BranchRelation.DIVERGED: UPDATES["diverged"],
    git.BranchRelation.REMOTE_UNKNOWN: UPDATES["remote_unknown"],
}


def _package() -> Result:
    text = UPDATES["package"]
    return Result(
        status="checked",
        fields={
            "read_only": True,
            "installed_as": "package",
            **dict.fromkeys(("repo", "remote", "remote_url", "branch", "local_commit", "remote_commit")),
            "relation": git.BranchRelation.REMOTE_UNKNOWN,
            "local_changes": False,
            "update_available": None,
            "message": text.sentence,
            "next_action": text.action,
            "next_user_action": text.action,
        },
    )


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    needs_home=False,
)
