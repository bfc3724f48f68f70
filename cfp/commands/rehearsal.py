"""The part of `install` that changes and sends nothing: its refusals, for a dry run and for doctor too."""

from __future__ import annotations

from dataclasses import dataclass

from cfp.commands.verification import candidate_request, skipped_verification
from cfp.core.facts import Facts
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import InstallPlan, plan_install
from cfp.errors import Refused
from cfp.host.home import Host
from cfp.host.provider.verification import VerificationRequest
from cfp.host.system.distribution import check_lasting
from cfp.lifecycle.session import check_changes
from cfp.places import check_place


def check_machine(host: Host) -> None:
    """Refuse a home in a place, or a program in a Python, that an installation cannot be kept in; raises Refused."""
    check_place(host.place)
    check_lasting(host.python, host.layout.home, "install --start")
    reason = host.import_error()
    if reason:
        raise Refused("program_not_installed", python=host.python, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The plan of an install, and the request that tries its route; None where none is to be sent."""

    plan: InstallPlan
    request: VerificationRequest | None


def rehearse(host: Host, facts: Facts, request: RouteRequest, *, verified: bool) -> Rehearsal:
    """Return an install's plan and request; raises CfpError with what would stand in its way before that is sent.

    verified  the provider is to be tried where the route is a new one
    """
    plan = plan_install(facts, request)
    check_changes(host.journal, plan.changes)
    if verified and plan.changed_route:
        return Rehearsal(plan=plan, request=candidate_request(host, plan.facts, plan.settings))
    skipped_verification(host, plan.facts, plan.settings)
    return Rehearsal(plan=plan, request=None)
