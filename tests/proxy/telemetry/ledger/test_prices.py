"""Money by the user's own prices: exact, and null rather than guessed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.proxy.telemetry.ledger.prices import PricesInvalid, parse_prices
from cfp.proxy.telemetry.ledger.report import By, report
from cfp.proxy.telemetry.ledger.table import Key
from cfp.proxy.telemetry.ledger.totals import Totals

TEXT = """
currency = "USD"
[models."gpt-5.5"]
input = 1.25
cached = 0.125
output = 10
[models."gpt-5.5".fast]
input = 2.5
output = 20
"""
STANDARD = Key("gpt-5.5", None, None, None)


def money(*rows: tuple[Key, Totals], text: str = TEXT) -> object:
    return report((("2026-11-01", *row) for row in rows), By.DAY, parse_prices(text)).total["money"]


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_an_amount_is_exact(fresh: int, cached: int, output: int) -> None:
    """A million tokens of each kind cost what the file says; cached tokens are a part of the input."""
    totals = Totals(requests=1, input_tokens=fresh + cached, cached_tokens=cached, output_tokens=output)
    exact = (fresh * Decimal("1.25") + cached * Decimal("0.125") + output * 10) / 1_000_000
    assert float(round(exact, 6)) == money((STANDARD, totals))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (STANDARD, 11.25),
        (STANDARD._replace(tier="default"), 11.25),
        (STANDARD._replace(model="openai/GPT-5.5-2026-11-01"), 11.25),
        (STANDARD._replace(tier="priority"), 22.5),  # `fast` and `priority` are one tier
        (STANDARD._replace(tier="flex"), None),
        (STANDARD._replace(model="gpt-6"), None),
        (STANDARD._replace(model=None), None),
    ],
)
def test_a_price_is_that_of_model_and_tier(key: Key, expected: float | None) -> None:
    """A dated name has its model's price; another model or tier has none, and makes the total null."""
    row = (key, Totals(requests=1, input_tokens=1_000_000, output_tokens=1_000_000))
    assert expected == money(row)
    assert (None if expected is None else expected + 11.25) == money(row, (STANDARD, row[1]))


def test_a_request_without_tokens_costs_nothing() -> None:
    """A failed request of a model without a price leaves the total known."""
    assert 0 == money((STANDARD._replace(model="gpt-6"), Totals(requests=1, failed=1)))


def test_without_prices_there_is_no_money() -> None:
    """No price is known to the program itself."""
    view = report([("2026-11-01", STANDARD, Totals(requests=1, input_tokens=5))], By.MODEL, None)
    assert (None, []) == (view.total["money"], view.unpriced)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("models = 1", "a table for each model"),
        ("[models", "it is not TOML"),
        ("currency = 3\n[models.a]\ninput = 1\noutput = 1", "`currency` must be a text"),
        ("[models.a]\ninput = 1", "a needs `input` and `output`"),
        ("[models.a]\ninput = -1\noutput = 1", "a: `input` must be a number of at least 0"),
        ("[models.a]\ninput = true\noutput = 1", "a: `input` must be a number of at least 0"),
        ("[models.a]\ninput = nan\noutput = 1", "a: `input` must be a number of at least 0"),
        ("[models.a.flex]\ninput = 1\noutput = 1\nextra = 1", "a, flex has `extra`; known are input, cached, output"),
    ],
)
def test_a_wrong_file_is_named(text: str, reason: str) -> None:
    """The reason says which entry is wrong."""
    with pytest.raises(PricesInvalid, match=reason):
        parse_prices(text)
