"""Save routes to the provider under names, with a key for each, and switch between them without cutting a session.

One saved upstream at the most is active. Nothing chooses another one but `upstream use`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cfp.commands.command import Command
from cfp.commands.route_flags import RouteArgs, add_clear_argument, add_rate_limit_argument, add_route_arguments
from cfp.commands.set_upstream import RouteChange, change_route
from cfp.commands.settle import settle
from cfp.core.facts import Facts
from cfp.core.keys.bearer import is_key
from cfp.core.plan.candidate import RouteRequest
from cfp.core.settings import upstream_url
from cfp.core.state import state_of
from cfp.core.upstreams.plan import (
    UpstreamFiles,
    UpstreamsPlan,
    active_name,
    is_changed,
    plan_add,
    plan_remove,
    request_to_use,
)
from cfp.core.upstreams.saved import SavedUpstream, is_name, parse_upstreams
from cfp.core.wire.key import key_available
from cfp.errors import Refused, UsageError
from cfp.host.home import LOCK_TIMEOUT_S, Host
from cfp.host.provider import keys
from cfp.host.provider.secret import Secret
from cfp.lifecycle.effects import Switch
from cfp.lifecycle.session import locked, transact
from cfp.lifecycle.tables import SAVE
from cfp.messages.results import RESULTS
from cfp.result import Result

EXAMPLES = (
    ("list", "the saved upstreams, the active one, and whether each key is there"),
    ("add work", "save the present route as `work`"),
    (
        "add home --upstream-base https://relay.example/v1 --upstream-api-key-env RELAY_KEY",
        "save another route, with the key in that variable",
    ),
    ("add home --upstream-base https://relay.example/v1 --from-stdin", "with a key that you enter; it is not shown"),
    ("use home", "try it with a request, then switch; turns in progress finish on the old route"),
    ("remove work", "forget it, and its key"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args(RouteArgs):
    operation: str
    name: str | None
    from_stdin: bool
    replace: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words and flags."""
    parser.add_argument("operation", choices=["list", "add", "use", "remove"], help="what to do with saved upstreams")
    parser.add_argument("name", nargs="?", help="of the saved upstream: letters, digits, dots, dashes, underscores")
    add_route_arguments(parser, default_url="the present one")
    add_clear_argument(parser)
    parser.add_argument(
        "--from-stdin", action="store_true", help="keep the first line of the standard input as its key"
    )
    add_rate_limit_argument(parser)
    parser.add_argument("--replace", action="store_true", help="save it in the place of one of this name")
    parser.add_argument("--no-verify", action="store_true", help="do not try the provider with a request first")
    parser.add_argument("--verbose-proxy", action="store_true", help="the proxy logs more to stderr")


def run(args: Args, host: Host) -> Result:
    """List, save, use or forget a route; raises CfpError with everything as it was."""
    if args.operation == "list":
        _check(args, name=False, route=False)
        facts = host.survey()
        upstreams = parse_upstreams(_files(host).upstreams)
        done = RESULTS["upstreams_listed" if upstreams else "upstreams_none"]
        fields = {"message": done.sentence, "next_user_action": done.action}
        return Result(status="listed", fields={**_listed(facts, upstreams), **fields})
    _check(args, name=True, route=args.operation == "add")
    name = args.name or ""
    if args.operation == "use":
        return _use(args, name, host)
    return _add(args, name, host) if args.operation == "add" else _remove(name, host)


def _check(args: Args, *, name: bool, route: bool) -> None:
    """Refuse a command line that says less or more than the operation takes; raises UsageError(usage)."""
    if name and not is_name(args.name or ""):
        raise UsageError(
            "usage",
            reason=f"`upstream {args.operation}` needs a name of at most 64 letters, digits, dots, dashes or _",
        )
    if not name and args.name is not None:
        raise UsageError("usage", reason=f"`upstream {args.operation}` takes no name")
    if not route and (args.request() != RouteRequest() or args.from_stdin or args.replace):
        raise UsageError("usage", reason=f"`upstream {args.operation}` takes no flag of a route or a key")
    sources = (args.upstream_api_key_env, args.use_provider_auth_file, args.clear_upstream_auth, args.from_stdin)
    if sum(map(bool, sources)) > 1:
        raise UsageError("two_auth_sources")


def _add(args: Args, name: str, host: Host) -> Result:
    recovered = settle(host, "upstream")
    entered = Secret(host.enter_key()) if args.from_stdin else None
    if entered is not None:
        _check_entered(args, host, entered)

    def plan(facts: Facts) -> UpstreamsPlan:
        key = None if entered is None else entered.reveal()
        return plan_add(facts, _files(host), name, args.request(), key=key, replaces=args.replace)

    facts, done = _save(host, ("upstream", "add", name), plan)
    words = RESULTS["upstream_added_active" if done.active == name else "upstream_added"].filled({"name": name})
    fields = {"name": name, "message": words.sentence, "next_user_action": words.action}
    return Result(status="added", fields={**_listed(facts, done.upstreams), **fields, **recovered})


def _check_entered(args: Args, host: Host, entered: Secret) -> None:
    """Raises Refused(no_key_entered), Failed(upstream_key_malformed)."""
    settings = host.survey(settled=True).settings
    if settings is None:
        raise Refused("not_enabled")
    if not is_key(entered.reveal()):
        raise Refused("no_key_entered", name=args.name)
    upstream = settings.upstream_base if args.upstream_base is None else upstream_url(args.upstream_base)
    keys.checked_bearer(keys.ProviderKey(secret=entered, location=keys.KeyLocation.STDIN, name=""), upstream)


def _remove(name: str, host: Host) -> Result:
    recovered = settle(host, "upstream")
    facts, done = _save(host, ("upstream", "remove", name), lambda facts: plan_remove(facts, _files(host), name))
    words = RESULTS["upstream_removed"].filled({"name": name})
    fields = {"name": name, "message": words.sentence, "next_user_action": words.action}
    return Result(status="removed", fields={**_listed(facts, done.upstreams), **fields, **recovered})


def _save(host: Host, argv: tuple[str, ...], plan: Any) -> tuple[Facts, UpstreamsPlan]:
    """Carry out a plan in one transaction, which leaves the worker as it is; return the facts after it."""
    with locked(host.journal, argv[0], LOCK_TIMEOUT_S, host.waiting) as (lease, _):
        facts = host.survey(settled=True)
        done = plan(facts)
        state = state_of(facts)
        switch = Switch(lease=lease, layout=host.layout, workers=host.workers, settings=facts.settings)
        if done.changes:
            transact(switch, SAVE, command=argv[0], argv=argv, states=(state, state), changes=done.changes)
    return host.survey(settled=True), done


def _use(args: Args, name: str, host: Host) -> Result:
    recovered = settle(host, "upstream")
    saved = parse_upstreams(_files(host).upstreams).get(name)
    change = RouteChange(
        argv=("upstream", "use", name),
        request=lambda facts: request_to_use(facts, _files(host).upstreams, name),
        upstream_base=None if saved is None else saved.upstream_base,
        no_verify=args.no_verify,
        verify_timeout=args.verify_timeout,
        restart=True,
        verbose_proxy=args.verbose_proxy,
    )
    return Result(status="in_use", fields={**change_route(host, change), "name": name, **recovered})


def _files(host: Host) -> UpstreamFiles:
    read, layout = host.disk.read, host.layout
    return UpstreamFiles(upstreams=read(layout.upstreams), provider_auth=read(layout.provider_auth))


def _listed(facts: Facts, upstreams: Mapping[str, SavedUpstream]) -> dict[str, Any]:
    return {"active": active_name(facts), "upstreams": [_to_json(facts, upstream) for upstream in upstreams.values()]}


def _to_json(facts: Facts, upstream: SavedUpstream) -> dict[str, Any]:
    """Return a saved upstream for a result: names and places of its key, and whether it is there."""
    settings = upstream.settings()
    return {
        "name": upstream.name,
        "active": upstream.name == active_name(facts),
        "changed": is_changed(facts, upstream),
        "provider": upstream.provider,
        "upstream_base": upstream.upstream_base,
        "service_tier_policy": upstream.service_tier_policy,
        "upstream_auth": settings.upstream_auth,
        "upstream_api_key_env": upstream.upstream_api_key_env,
        "upstream_api_key_file": upstream.upstream_api_key_file,
        "upstream_api_key_available": key_available(facts, settings),
        "pass_rate_limits": upstream.pass_rate_limits,
        "service_tier_rules": list(upstream.service_tier_rules),
    }


def _writes(args: Args) -> bool:
    return args.operation != "list"


COMMAND: Final = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    writes=_writes,
)
