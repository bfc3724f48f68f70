"""Remove the link that `link-skill` made; anything else at that place is refused."""

from __future__ import annotations

from cfp.commands.link_skill import Args, add_arguments
from cfp.host.machine import Host
from cfp.host.skill_link import unlink
from cfp.messages import message
from cfp.result import Result

__all__ = ["Args", "add_arguments", "run"]


def run(args: Args, host: Host) -> Result:
    """Remove the link; `missing` where there is none."""
    found = unlink(args.repo_root, args.skills_root, host.environ)
    done = message("done.skill_unlinked")
    return Result(
        status=found.status,
        fields={
            "path": str(found.path),
            "target": str(found.target),
            "link_type": found.link_type,
            "message": done.sentence,
            "next_user_action": done.action,
        },
    )
