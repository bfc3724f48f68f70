"""The reasons for which Codex has no key: one for each cell in which it refuses, or sends none where it should."""

from __future__ import annotations

import itertools

from cfp.codex.auth_json import Login
from cfp.core.identities import NEWEST, OLDEST, Identity, ProviderAuth, direct_identity
from cfp.core.keys.obstacles import key_obstacle
from cfp.messages.failures import FAILURES

CELLS = list(itertools.product(ProviderAuth, Login, (True, False), (OLDEST, (0, 138), (0, 147), NEWEST)))


def test_each_refusal_has_its_reason() -> None:
    """A cell in which Codex refuses to start has a reason; one in which a key or a login goes out has none."""
    for auth, login, requires, version in CELLS:
        identity = direct_identity(auth, login, requires_openai_auth=requires, version=version)
        reason = key_obstacle(auth, login, requires_openai_auth=requires, version=version)
        assert reason is None or reason in FAILURES
        if identity is Identity.CODEX_REFUSES:
            assert reason is not None
        elif identity is not Identity.NONE or not requires:
            assert reason is None


def test_the_reason_mends_it() -> None:
    """With the very thing changed that the reason is about, it is gone."""
    for auth, login, requires, version in CELLS:
        reason = key_obstacle(auth, login, requires_openai_auth=requires, version=version)
        mended = {
            "auth_table_refused": (ProviderAuth.COMMAND, login, False, version),
            "auth_json_broken": (auth, Login.API_KEY, requires, version),
            "login_needs_newer_codex": (auth, login, requires, NEWEST),
            "codex_key_unset": (ProviderAuth.ENV_KEY, login, requires, version),
            "not_signed_in": (auth, Login.API_KEY, requires, version),
        }
        if reason is not None:
            other_auth, other_login, other_requires, other_version = mended[reason]
            assert reason != key_obstacle(
                other_auth, other_login, requires_openai_auth=other_requires, version=other_version
            )
