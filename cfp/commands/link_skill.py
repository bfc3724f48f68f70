"""Link the skill of this program, so that Codex finds SKILL.md; what is not ours is never replaced."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from cfp.commands.command import Command
from cfp.host.home import Host
from cfp.host.system.distribution import check_lasting
from cfp.host.system.skill_link import SkillLink
from cfp.host.system.skill_link import link as make_link
from cfp.layout import skill_link
from cfp.messages import Message
from cfp.messages.results import RESULTS
from cfp.result import Result

EXAMPLES = (("", "link it into ~/.agents/skills"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    repo_root: str | None
    skills_root: str | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--repo-root",
        metavar="DIR",
        help="the folder with SKILL.md, such as a checkout (default: this program's own)",
    )
    parser.add_argument("--skills-root", metavar="DIR", help="the folder of skills (default: ~/.agents/skills)")


def run(args: Args, host: Host) -> Result:
    """Make the link; raises Refused without a SKILL.md that stays, or where something else stands at the place."""
    if args.repo_root is None:
        check_lasting(host.python, skill_link(args.skills_root, host.environ), "link-skill")
    return skill_result(make_link(args.repo_root, args.skills_root, host.environ), RESULTS["skill_linked"])


def skill_result(link: SkillLink, text: Message) -> Result:
    """Return the result of making or removing a link."""
    return Result(
        status=link.status,
        fields={
            "path": str(link.path),
            "target": str(link.target),
            "link_type": link.link_type,
            "replaced": str(link.replaced) if link.replaced else None,
            "message": text.sentence,
            "next_user_action": "" if link.status == "missing" else text.action,
        },
    )


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    needs_sockets=False,
)
