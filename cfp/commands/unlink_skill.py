"""Remove the link that `link-skill` made; anything else at that place is refused."""

from __future__ import annotations

from cfp.commands.command import Command
from cfp.commands.link_skill import Args, add_arguments, skill_result
from cfp.host.home import Host
from cfp.host.system.skill_link import unlink
from cfp.messages.results import RESULTS
from cfp.result import Result

EXAMPLES = (("", "remove that link"),)


def run(args: Args, host: Host) -> Result:
    """Remove the link; `missing` where there is none."""
    return skill_result(unlink(args.repo_root, args.skills_root, host.environ), RESULTS["skill_unlinked"])


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    needs_sockets=False,
)
