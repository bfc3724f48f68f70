"""The headers and query parameters of a provider's table are added, as Codex adds them."""

from __future__ import annotations

from typing import Any

from cfp.host.provider.request_extras import RequestExtras, request_extras


def config(**table: Any) -> dict[str, Any]:
    return {"model_providers": {"relay": table}}


class TestRequestExtras:
    def reveal(self, extras: RequestExtras) -> tuple[dict[str, str], dict[str, str]]:
        return tuple({name: secret.reveal() for name, secret in part} for part in (extras.headers, extras.query))  # type: ignore[return-value]  # two parts

    def test_headers_and_parameters_of_the_table(self) -> None:
        """Variables are read as Codex's own environment holds them; a missing or blank one gives no header."""
        doc = config(
            http_headers={"X-Static": "s", "X-Number": 3},
            env_http_headers={"X-Env": "FROM_ENV", "X-File": "FROM_FILE", "X-Missing": "NO_SUCH", "X-Blank": "BLANK"},
            query_params={"api-version": "2025-04-01"},
        )
        environ = {"FROM_ENV": "e", "FROM_FILE": "overridden", "BLANK": " "}
        extras = request_extras(doc, "relay", b"FROM_FILE=f", environ)
        expected = ({"X-Static": "s", "X-Env": "e", "X-File": "f"}, {"api-version": "2025-04-01"})
        assert expected == self.reveal(extras)
        assert "2025" not in repr(extras)

    def test_no_table_has_none(self) -> None:
        """A built-in provider brings no extras."""
        assert request_extras({}, "openai", None, {}) == RequestExtras()
        assert (
            request_extras({"model_providers": {"openai": {"http_headers": {"a": "b"}}}}, "openai", None, {})
            == RequestExtras()
        )
