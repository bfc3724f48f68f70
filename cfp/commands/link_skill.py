"""Link this checkout as an agent skill, so that Codex finds SKILL.md; what is not ours is never replaced."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from cfp.commands.command import Command
from cfp.host.home import Host
from cfp.host.system.skill_link import SkillLink, link
from cfp.messages import message
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
    return told(link(args.repo_root, args.skills_root, host.environ), "done.skill_linked")


def told(found: SkillLink, done: str) -> Result:
    """The result of both ways."""
    said = message(done)
    return Result(
        status=found.status,
        fields={
            "path": str(found.path),
            "target": str(found.target),
            "link_type": found.link_type,
            "message": said.sentence,
            "next_user_action": "" if found.status == "missing" else said.action,
        },
    )


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
)
