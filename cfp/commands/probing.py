"""One turn of the real Codex, in the user's own home, to a provider of ours: nothing leaves this machine."""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Final

from cfp.codex.auth_json import api_key
from cfp.commands.overrides import overrides
from cfp.core.checks.turn import SentTurn, identities
from cfp.core.facts import Facts
from cfp.core.identities import Identity
from cfp.core.plan.model_catalog import catalog_url
from cfp.core.provider import choose_provider
from cfp.demo.provider import BASE_PATH, DemoProvider, Received
from cfp.errors import Failed
from cfp.fastpath import PROBE
from cfp.host.home import Host
from cfp.host.system.scratch import scratch

_PROMPT: Final = "Reply with one word."
_SECONDS: Final = 60.0  # a turn takes one; a slow `auth.command` and a cold start come on top
_ACCOUNT: Final = "chatgpt-account-id"
_LONGEST: Final = 300  # characters of Codex's words
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def sent_turn(host: Host, facts: Facts, provider: str | None) -> SentTurn:
    """Return the turn that Codex sends with this home; raises Refused or Failed where it sends none.

    Codex gets another URL for this one session and keeps no record of it (`--ephemeral`). Whatever else it would ask
    the network for meets our provider as its outbound proxy, which refuses it. Our hook does no more than say that it
    has run. The provider keeps the requests in memory, for as long as this function runs.
    """
    if host.codex is None:
        raise Failed("codex_cli_not_found")
    target = choose_provider(facts.config.root, provider)
    with DemoProvider(models=()) as ours, scratch("probe", host.environ) as folder:
        mark = folder / "hook"
        catalog = None if catalog_url(facts.config.root, target.provider) is None else f"{ours.base_url}/models"
        output = host.codex.exec(
            (*overrides(target, ours.base_url, catalog), _PROMPT),
            folder=folder,
            environ=_environ(ours.base_url.removesuffix(BASE_PATH), mark),
            timeout=_SECONDS,
        )
        if not ours.turns:
            raise Failed("codex_sent_no_turn", words=_words(output))
        turn = ours.turns[0]
        return SentTurn(
            identities=_identities(turn, facts, api_key(host.disk.read(host.layout.auth), "OPENAI_API_KEY")),
            account_id=turn.header(_ACCOUNT) is not None,
            service_tier=turn.json().get("service_tier"),
            transport="websocket" if any(request.header("upgrade") for request in ours.received) else "http",
            hook_run=mark.exists(),
        )


def _environ(origin: str, mark: Path) -> dict[str, str]:
    proxies = {spelled: origin for name in _PROXIES for spelled in (name, name.lower())}
    return {**proxies, **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"), PROBE: str(mark)}


def _identities(turn: Received, facts: Facts, key: str | None) -> frozenset[Identity]:
    authorization = turn.header("authorization")
    is_key = key is not None and hmac.compare_digest((authorization or "").encode(), f"Bearer {key}".encode())
    return identities(
        has_key=authorization is not None,
        account_id=turn.header(_ACCOUNT) is not None,
        is_key_of_auth_json=is_key,
        login=facts.codex_login,
    )


def _words(output: str) -> str:
    """Return the last error that Codex has printed, without its mark."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    text = errors[-1].partition(":")[2].strip() if errors else (lines or ["nothing"])[-1]
    return text.rstrip(".")[:_LONGEST]
