"""The decision of `prepare-chatgpt-login`: the provider's key, copied into provider-auth.json."""

from __future__ import annotations

from dataclasses import dataclass

from cfp.core.facts import Facts
from cfp.core.keys.provider_auth import stored_keys, with_key
from cfp.core.provider import choose_provider
from journal.values import FileChange


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPlan:
    """The whole effect; `change` None where the file has this key already."""

    provider: str
    target_exists: bool
    matches: bool
    change: FileChange | None


def login_provider(facts: Facts, requested: str | None) -> str:
    """Return the provider whose key is copied: the requested, else the saved, else the active one; raises Refused."""
    saved = facts.settings.provider if facts.settings else None
    return choose_provider(facts.config.root, requested or saved).provider


def plan_prepare_login(facts: Facts, provider: str, key: str, present: bytes | None) -> LoginPlan:
    """Decide what to write; `present` is provider-auth.json as it is. Raises Refused(provider_auth_invalid)."""
    stored = stored_keys(present).get(provider)
    after = with_key(present, provider, key)
    change = FileChange(path=facts.layout.provider_auth, before=present, after=after, secret=True)
    return LoginPlan(
        provider=provider,
        target_exists=stored is not None,
        matches=stored == key,
        change=None if stored == key else change,
    )
