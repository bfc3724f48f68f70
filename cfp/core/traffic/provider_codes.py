"""The codes by which providers and gateways name the cause of an error, whatever the status; in lower case.

Each is the `code` or the `type` of an error as it is sent: fixtures/wire/refusals.json has the answers.
"""

from __future__ import annotations

from typing import Final

CREDIT: Final = frozenset(
    {
        "insufficient_quota",
        "insufficient_user_quota",
        "insufficient_balance",
        "insufficient_credits",
        "billing_hard_limit_reached",
        "billing_not_active",
        "budget_exceeded",
        "quota_exceeded",
        "usage_limit_reached",
        "pre_consume_token_quota_failed",
    }
)
RATE: Final = frozenset({"rate_limit_exceeded", "rate_limit_error", "rate_limited", "too_many_requests"})
MODEL: Final = frozenset({"model_not_found", "key_model_access_denied", "team_model_access_denied"})
KEY: Final = frozenset(
    {
        "invalid_api_key",
        "authentication_error",
        "invalid_authentication",
        "token_not_found_in_db",
        "no_db_connection",  # LiteLLM without a database, to every key but its master key
        "invalid_token",
    }
)
