"""Link this checkout as an agent skill, so that Codex finds SKILL.md; what is not ours is never replaced."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from cfp.commands.command import Command
from cfp.host.home import Host
from cfp.host.system.skill_link import SkillLink
from cfp.host.system.skill_link import link as make_link
from cfp.messages import Message
from cfp.messages.results import RESULTS
from cfp.result import Result

EXAMPLES = (("", "link this checkout into ~/.agents/skills"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    repo_root: str | None
    skills_root: str | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--repo-root", metavar="DIR", help="the checkout (default: the one this program runs from)")
    parser.add_argument("--skills-root", metavar="DIR", help="the folder of skills (default: ~/.agents/skills)")


def run(args: Args, host: Host) -> Result:
    """Make the link; raises Refused where there is no SKILL.md or something else stands at the place."""
    return skill_result(make_link(args.repo_root, args.skills_root, host.environ), RESULTS["skill_linked"])


def skill_result(link: SkillLink, text: Message) -> Result:
    """Return the result of making or removing a link."""
    return Result(
        status=link.status,
        fields={
            "path": str(link.path),
            "target": str(link.target),
            "link_type": link.link_type,
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
