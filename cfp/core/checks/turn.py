"""A turn of Codex as its provider sees it: predicted from the home, or sent to a provider of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cfp.codex.auth_json import Login
from cfp.core.identities import Identity, identity_of_login

_ANY_LOGIN = frozenset({Identity.CHATGPT_LOGIN, Identity.PERSONAL_ACCESS_TOKEN, Identity.AGENT_IDENTITY})


@dataclass(frozen=True, slots=True, kw_only=True)
class SentTurn:
    """A turn that Codex sent.

    identities    those that the headers can stand for; two where the provider's key is that of auth.json too
    account_id    chatgpt-account-id went along
    service_tier  of the body; None where it has none
    transport     websocket where Codex tried that first, else http
    hook_run      our SessionStart hook ran before it
    """

    identities: frozenset[Identity]
    account_id: bool
    service_tier: str | None
    transport: str
    hook_run: bool

    def to_json(self, predicted: Mapping[str, Any]) -> dict[str, Any]:
        """Return it in the members of a prediction."""
        identity = predicted.get("identity")
        return {
            "identity": identity if identity in self.identities else min(self.identities),
            "account_id": self.account_id,
            "service_tier": self.service_tier,
            "transport": self.transport,
            "hook_run": self.hook_run,
        }


def identities(*, has_key: bool, account_id: bool, is_key_of_auth_json: bool, login: Login) -> frozenset[Identity]:
    """Return the identities that the headers of a request can stand for.

    has_key              it has an Authorization
    account_id           it has a chatgpt-account-id, which comes with every login and with no key
    is_key_of_auth_json  its Authorization is auth.json's OPENAI_API_KEY
    login                the login that Codex uses
    """
    if not has_key:
        return frozenset({Identity.NONE})
    if account_id:
        own = identity_of_login(login)
        return frozenset({own}) if own in _ANY_LOGIN else _ANY_LOGIN
    if is_key_of_auth_json:
        return frozenset({Identity.OPENAI_API_KEY, Identity.PROVIDER_KEY})
    return frozenset({Identity.PROVIDER_KEY})
