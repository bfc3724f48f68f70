"""The reasons for which Codex has no key for a provider that wants one, by the cells of the identity table."""

from __future__ import annotations

from typing import Literal

from cfp.codex.auth_json import Login
from cfp.core.identities import (
    ACCESS_TOKENS_SINCE,
    NEWEST,
    UNREADABLE_IGNORED_SINCE,
    Identity,
    ProviderAuth,
    Version,
    direct_identity,
)

KeyObstacle = Literal[
    "auth_table_refused",
    "auth_json_broken",
    "login_needs_newer_codex",
    "codex_key_unset",
    "not_signed_in",
]


def key_obstacle(
    auth: ProviderAuth, login: Login, *, requires_openai_auth: bool, version: Version | None = None
) -> KeyObstacle | None:
    """Return the reason for which Codex refuses to start a turn, or sends none of its logins where it should; total.

    The proxy's own key mends the second kind alone: `auth_json_broken` of a newer Codex, and `not_signed_in`. Reasons
    come in the order in which Codex finds them.
    """
    identity = direct_identity(auth, login, requires_openai_auth=requires_openai_auth, version=version)
    if identity is Identity.CODEX_REFUSES:
        known = version or NEWEST
        if auth is ProviderAuth.INVALID or (auth is ProviderAuth.COMMAND and requires_openai_auth):
            return "auth_table_refused"
        if login is Login.UNREADABLE and known < UNREADABLE_IGNORED_SINCE:
            return "auth_json_broken"
        if login is Login.PERSONAL_ACCESS_TOKEN and known < ACCESS_TOKENS_SINCE:
            return "login_needs_newer_codex"
        return "codex_key_unset"
    if identity is Identity.NONE and requires_openai_auth and auth is not ProviderAuth.BLANK_BEARER_TOKEN:
        return "auth_json_broken" if login is Login.UNREADABLE else "not_signed_in"
    return None
