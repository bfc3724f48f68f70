"""The way in which a running worker gives way to a next one, for every command and every worker."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cfp.core.facts import Facts
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.core.plan.set_upstream import plan_set_upstream
from cfp.core.plan.start import plan_autostart, plan_start, plan_stop
from cfp.core.plan.worker import WorkerAction
from cfp.core.settings import Policy
from tests.facts import facts, installed, worker_of

KEEP, HAND_OVER, REPLACE = WorkerAction.KEEP, WorkerAction.HAND_OVER, WorkerAction.REPLACE


def running(*, lends: bool, busy: int = 0, settings: bool = True, code: bool = True, lost: bool = False) -> Facts:
    """An enabled home whose worker serves the saved settings and the installed code, or others."""
    plain = facts()
    home = installed(plain, plan_install(plain, RouteRequest()))
    assert home.settings is not None
    served = home.settings if settings else replace(home.settings, service_tier_policy=Policy.PRESERVE)
    at = worker_of(
        served, home.runtime.runtime_id if code else "old", requests_in_flight=busy, hands_over=lends or lost
    )
    at = replace(at, hands_over=lends)
    return replace(home, worker=at, candidate=at)


@pytest.mark.parametrize(("lends", "busy"), [(True, 0), (True, 2), (False, 0), (False, 2)])
def test_who_refreshes_what(*, lends: bool, busy: int) -> None:
    """`start` refreshes for settings and for code, the hook for settings, and never to cut a turn."""
    way = HAND_OVER if lends else REPLACE
    hook = KEEP if busy and not lends else way
    for settings, code, by_start, by_hook in (
        (True, True, KEEP, KEEP),
        (True, False, way, KEEP),
        (False, True, way, hook),
        (False, False, way, hook),
    ):
        home = running(lends=lends, busy=busy, settings=settings, code=code)
        assert (by_start, by_hook) == (plan_start(home).worker, plan_autostart(home).worker)
        assert by_start == plan_install(home, RouteRequest()).worker


@pytest.mark.parametrize("lends", [True, False])
def test_an_upstream_is_applied_the_same_way(*, lends: bool) -> None:
    """With --restart at once, else by whoever comes next."""
    home, request = running(lends=lends, busy=1), RouteRequest(service_tier_policy=Policy.PRESERVE)
    at_once = plan_set_upstream(home, request, restart=True)
    deferred = plan_set_upstream(home, request, restart=False)
    assert (HAND_OVER if lends else REPLACE, False) == (at_once.worker, at_once.restart_required)
    assert (KEEP, True) == (deferred.worker, deferred.restart_required)


def test_a_worker_that_has_lost_its_home_is_replaced() -> None:
    """It says that it hands over, and the way to it is gone: whatever it serves, nobody can manage it."""
    assert REPLACE is plan_start(running(lends=False, lost=True)).worker


def test_a_stop_ends_what_drains_too() -> None:
    """Also where nothing accepts any more."""
    home = running(lends=True)
    gone = replace(home, worker=None, candidate=None)
    assert not plan_stop(gone, force=True)
    assert plan_stop(replace(gone, draining=(home.worker,)), force=True)
