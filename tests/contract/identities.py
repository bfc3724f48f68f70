"""README's table of identities, made from the program's own."""

from __future__ import annotations

import itertools
from typing import Final

from cfp.codex.auth_json import Login
from cfp.core.identities import LOGIN_GATED_SINCE, Identity, ProviderAuth, direct_identity, identity_through_proxy
from cfp.messages.identities import IDENTITIES

_ROWS: Final[dict[ProviderAuth, str]] = {
    ProviderAuth.ENV_KEY: "`env_key`",
    ProviderAuth.BEARER_TOKEN: "`experimental_bearer_token`",
    ProviderAuth.COMMAND: "`auth.command`",
    ProviderAuth.HEADER: "Authorization in `http_headers`",
    ProviderAuth.ENV_KEY_UNSET: "`env_key`, variable not set",
    ProviderAuth.NONE: "no key",
}
_COLUMNS: Final[dict[Login, str]] = {
    Login.NONE: "nobody",
    Login.API_KEY: "API key",
    Login.CHATGPT: "ChatGPT",
    Login.PERSONAL_ACCESS_TOKEN: "personal access token",
    Login.AGENT_IDENTITY: "agent identity",
}
_REQUIRES: Final = {
    (True, False): "",
    (True,): " with `requires_openai_auth`",
    (False,): " without `requires_openai_auth`",
}
_CELLS: Final = {
    **IDENTITIES,
    Identity.CODEX_REFUSES: "nothing: Codex refuses",
    Identity.OPENAI_API_KEY: "that API key",
}


def identity_table() -> str:
    """The newest Codex, one line for each outcome; and the sentence on older ones."""
    groups: dict[tuple[Identity, ...], dict[ProviderAuth, tuple[bool, ...]]] = {}
    for auth, requires in itertools.product(_ROWS, (True, False)):
        outcome = tuple(direct_identity(auth, login, requires_openai_auth=requires) for login in _COLUMNS)
        members = groups.setdefault(outcome, {})
        members[auth] = (*members.get(auth, ()), requires)
    head = ["provider's key in config.toml", *_COLUMNS.values(), "any, through the proxy with the key saved"]
    lines = [head, ["---"] * len(head)]
    for outcome, members in groups.items():
        label = "; ".join(_ROWS[auth] + _REQUIRES[requires] for auth, requires in members.items())
        (split,) = {identity_through_proxy(identity, overrides_auth=True) for identity in outcome}
        lines.append([label, *(_CELLS[identity] for identity in (*outcome, split))])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    version = ".".join(map(str, LOGIN_GATED_SINCE))
    return (
        f"{table}\n\nBefore Codex {version}, `http_headers` and no key have the rows with `requires_openai_auth`"
        " without it, too.\n"
    )
