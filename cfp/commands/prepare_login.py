"""Let the proxy keep the provider's key, so that Codex can be signed in with ChatGPT; a dry run without --apply."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from cfp.advice import quoted
from cfp.audience import is_agents
from cfp.commands.command import Command
from cfp.commands.settle import settle
from cfp.commands.verification import codex_files
from cfp.core.facts import Facts
from cfp.core.keys.bearer import is_key
from cfp.core.plan.install import check_readable
from cfp.core.plan.prepare_login import LoginPlan, login_provider, plan_prepare_login
from cfp.core.provider import BUILT_IN_URL, provider_url
from cfp.core.state import state_of
from cfp.core.wire.steps import key_steps
from cfp.errors import Refused
from cfp.host.home import LOCK_TIMEOUT_S, Host
from cfp.host.provider import keys
from cfp.host.provider.secret import Secret, redact
from cfp.lifecycle.effects import Switch
from cfp.lifecycle.session import locked, transact
from cfp.lifecycle.tables import SAVE
from cfp.messages.results import RESULTS
from cfp.places import check_place
from cfp.result import Result

EXAMPLES = (
    ("", "show which key would be saved; writes nothing and shows no key"),
    ("--apply", "save it in a file that only you can read; asks for it on a terminal where Codex sends none"),
    ("--from-stdin --apply", "save a key that you enter; it is not shown"),
    ("--from-env RELAY_API_KEY --apply", "save the key that this variable has"),
    ("--source-auth-key RELAY_API_KEY --apply", "save the key that auth.json has under this name"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    provider: str | None
    source_auth_key: str | None
    from_env: str | None
    from_stdin: bool
    apply: bool
    target_env: str | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--provider", metavar="NAME", help="the provider (default: the recorded, else the active one)"
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--source-auth-key", metavar="NAME", help="save the key that auth.json has under this name")
    source.add_argument("--from-env", metavar="NAME", help="save the key that this variable has, in .env or here")
    source.add_argument("--from-stdin", action="store_true", help="save the first line of the standard input")
    parser.add_argument("--apply", action="store_true", help="save the key; without this flag nothing is written")
    parser.add_argument("--target-env", metavar="NAME", help="ignored; accepted for older scripts")


def run(args: Args, host: Host) -> Result:
    """Find the key that Codex sends now, or take one that the user has, and keep it; it is never shown."""
    if args.apply:
        check_place(host.place)
    recovered = settle(host, "prepare-chatgpt-login") if args.apply else {}
    entered = Secret(host.enter_key()) if args.from_stdin else None
    try:
        facts, key, plan = _look(args, host, entered, settled=args.apply)
    except Refused as refusal:
        if refusal.code != "source_key_unknown" or not _may_ask(args, host):
            raise
        entered = Secret(host.enter_key())
        facts, key, plan = _look(args, host, entered, settled=True)
    if args.apply and plan.change is not None:
        with locked(host.journal, "prepare-chatgpt-login", LOCK_TIMEOUT_S, host.waiting) as (lease, _):
            facts, key, plan = _look(args, host, entered, settled=True)
            switch = Switch(lease=lease, layout=host.layout, workers=host.workers, settings=facts.settings)
            state = state_of(facts)
            transact(
                switch,
                SAVE,
                command="prepare-chatgpt-login",
                argv=("prepare-chatgpt-login", "--apply"),
                states=(state, state),
                changes=(plan.change,) if plan.change is not None else (),
            )
    return _result(args, facts, key, plan, recovered)


def _may_ask(args: Args, host: Host) -> bool:
    """Whether a person at a terminal, and no agent at a terminal of its own, can be asked for a key to save."""
    is_named = args.from_stdin or args.from_env is not None or args.source_auth_key is not None
    return args.apply and not is_named and host.has_user() and not is_agents(host.environ)


def _look(
    args: Args, host: Host, entered: Secret | None, *, settled: bool
) -> tuple[Facts, keys.ProviderKey, LoginPlan]:
    facts = host.survey(settled=settled)
    check_readable(facts)
    named = (args.source_auth_key, args.from_env, entered)
    provider = login_provider(facts, args.provider, is_named=any(source is not None for source in named))
    layout = host.layout
    key = _key(args, host, facts, provider, entered)
    if key.location is keys.KeyLocation.AUTH_COMMAND:
        raise Refused("source_key_short_lived", provider=provider)
    keys.checked_bearer(key, _upstream(facts, provider))
    present = host.disk.read(layout.provider_auth)
    return facts, key, plan_prepare_login(facts, provider, key.secret.reveal(), present)


def _key(args: Args, host: Host, facts: Facts, provider: str, entered: Secret | None) -> keys.ProviderKey:
    """Return the key to save, from the place that the command line names; raises Refused(source_key_unknown)."""
    steps = key_steps(facts, provider)
    if entered is not None:
        if not is_key(entered.reveal()):
            place = "the standard input had none" if args.from_stdin else "none was entered"
            raise Refused("source_key_unknown", provider=provider, place=place, **steps)
        return keys.ProviderKey(secret=entered, location=keys.KeyLocation.STDIN, name="")
    source, place = None, "Codex sends none now"
    if args.from_env is not None:
        source, place = (
            keys.KeySource.env(args.from_env),
            f"no variable {redact(args.from_env)} is set here or in {host.layout.dotenv}",
        )
    elif args.source_auth_key is not None:
        source = keys.KeySource.auth_json(args.source_auth_key)
        place = f"auth.json has no key under {redact(args.source_auth_key)}"
    files = codex_files(host, facts.codex_config)
    key = keys.discover_key(files, provider, source=source)
    if key is None and source is None:  # the user may have saved one before
        settings = facts.settings
        in_use = settings is not None and settings.provider == provider and settings.upstream_api_key_file
        saved = keys.KeySource.provider_auth_file(settings.key_entry if settings is not None and in_use else provider)
        key = keys.discover_key(files, provider, host.disk.read(host.layout.provider_auth), source=saved)

    if key is not None:
        return key
    if facts.auth_flaw and args.from_env is None:  # nobody finds a key in it, whatever it is called
        raise Refused("auth_json_broken", auth_json=str(host.layout.auth), reason=facts.auth_flaw)
    raise Refused("source_key_unknown", provider=provider, place=place, **steps)


def _upstream(facts: Facts, provider: str) -> str:
    """Return the provider's URL: with the proxy enabled it stands in the settings, not in config.toml."""
    if facts.settings is not None and facts.settings.provider == provider:
        return facts.settings.upstream_base
    return provider_url(facts.codex_config, provider) or BUILT_IN_URL


def _flags(args: Args) -> str:
    """Return the command line's flags for the key, each behind a space."""
    named = {"--provider": args.provider, "--source-auth-key": args.source_auth_key, "--from-env": args.from_env}
    words = [f" {flag} {quoted(value)}" for flag, value in named.items() if value is not None]
    return "".join([*words, *([" --from-stdin"] if args.from_stdin else [])])


def _result(args: Args, facts: Facts, key: keys.ProviderKey, plan: LoginPlan, recovered: dict[str, object]) -> Result:
    status = "already_prepared" if plan.matches else "prepared" if args.apply else "dry_run"
    in_use = facts.settings is not None and facts.settings.upstream_api_key_file
    done = RESULTS["login_dry_run" if status == "dry_run" else "login_ready" if in_use else "login_prepared"]
    done = done.filled({**key_steps(facts, plan.provider), "flags": _flags(args)})
    return Result(
        status=status,
        fields={
            "provider": plan.provider,
            "source": key.source,
            "target_auth": "provider_auth_file",
            "provider_auth_path": str(facts.layout.provider_auth),
            "target_exists": plan.target_exists or args.apply,
            "target_matches_source": plan.matches or args.apply,
            "applied": status == "prepared",
            "settings_changed": False,
            "secret_printed": False,
            "restart_required": False,
            "ignored_flags": ["--target-env"] if args.target_env is not None else [],
            "message": done.sentence,
            "next_action": done.action,
            "next_user_action": done.action,
            **recovered,
        },
    )


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    writes=lambda args: args.apply,
)
