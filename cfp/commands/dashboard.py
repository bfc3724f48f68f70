"""Open the dashboard of the running proxy: its state, its route, the effect of Fast, and its requests."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from cfp.commands.command import Command
from cfp.core.facts import Facts, PortFact, PortState
from cfp.errors import Refused
from cfp.host.home import Host
from cfp.host.system.browser import open_page
from cfp.layout import DASHBOARD_PATH
from cfp.messages.results import RESULTS
from cfp.result import Result

EXAMPLES = (
    ("", "open it in the browser"),
    ("--no-open", "print its URL only"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    no_open: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flag."""
    parser.add_argument("--no-open", action="store_true", help="print the URL and open nothing")


def run(args: Args, host: Host) -> Result:
    """Find the worker, and send the browser there; raises Refused where none runs."""
    url = page_url(_worker(host.survey()))
    opened = not args.no_open and open_page(url, host.environ, host.python)
    text = RESULTS["dashboard_opened" if opened else "dashboard_found"]
    return Result(
        status="opened" if opened else "found",
        fields={"url": url, "opened": opened, "message": text.sentence, "next_user_action": text.action},
    )


def page_url(worker: PortFact) -> str:
    host = f"[{worker.host}]" if ":" in worker.host else worker.host
    return f"http://{host}:{worker.port}{DASHBOARD_PATH}"


def _worker(facts: Facts) -> PortFact:
    worker = next(
        (
            worker
            for worker in (facts.worker, facts.worker_by_process)
            if worker is not None and worker.state is PortState.OURS
        ),
        None,
    )
    if worker is not None and worker.health is not None and worker.health.ok:
        return worker
    if facts.settings is None:
        raise Refused("settings_missing")
    raise Refused("proxy_not_running")


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
)
