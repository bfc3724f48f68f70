"""Prices of tokens as the user states them. The program knows none of its own: they change, and differ by contract.

The file is TOML. Prices are for a million tokens; a table below a model holds the prices of one of its tiers:

    currency = "USD"

    [models."gpt-5.5"]
    input = 1.25
    cached = 0.125
    output = 10

    [models."gpt-5.5".priority]
    input = 2.5
    cached = 0.25
    output = 20
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from cfp.core.tiers.names import AUTO, DEFAULT, canonical
from cfp.core.traffic.models import plain_name
from cfp.proxy.telemetry.ledger.totals import Totals

_TOKENS: Final = Decimal(1_000_000)
_NAMES: Final = ("input", "cached", "output")
_STANDARD: Final = frozenset({None, DEFAULT, AUTO})


class PricesInvalid(ValueError):
    """The file does not hold prices; the text says why."""


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a million tokens of each kind; reasoning tokens are output tokens."""

    input: Decimal
    cached: Decimal
    output: Decimal

    def of(self, totals: Totals) -> Decimal:
        fresh = totals.input_tokens - totals.cached_tokens
        return (
            fresh * self.input + totals.cached_tokens * self.cached + totals.output_tokens * self.output
        ) / _TOKENS


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by model and tier; the standard tier is None."""

    currency: str | None
    prices: Mapping[tuple[str, str | None], Price]

    def find(self, model: str | None, tier: str | None) -> Price | None:
        """Return the price of a model at a tier; None where the user states none, and never that of another tier."""
        if model is None:
            return None
        billed = None if tier in _STANDARD else tier
        return self.prices.get((model, billed)) or self.prices.get((plain_name(model), billed))


def parse_prices(text: str) -> Prices:
    """Read the file's text; raises PricesInvalid."""
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, InvalidOperation, RecursionError) as error:
        raise PricesInvalid(f"it is not TOML: {error}") from error
    currency, models = document.get("currency"), document.get("models")
    if not isinstance(models, dict) or not all(isinstance(table, dict) for table in models.values()):
        raise PricesInvalid('it needs a table for each model, as [models."gpt-5.5"]')
    if currency is not None and not isinstance(currency, str):
        raise PricesInvalid("`currency` must be a text")
    prices: dict[tuple[str, str | None], Price] = {}
    for model, table in models.items():
        tiers = {name: value for name, value in table.items() if isinstance(value, dict)}
        own = {name: value for name, value in table.items() if name not in tiers}
        if own:
            prices[model, None] = _price(own, model)
        for tier, values in tiers.items():
            prices[model, None if tier in _STANDARD else canonical(tier)] = _price(values, f"{model}, {tier}")
    return Prices(currency, prices)


def _price(values: Mapping[str, Any], subject: str) -> Price:
    unknown = sorted(set(values) - set(_NAMES))
    if unknown:
        raise PricesInvalid(f"{subject} has `{unknown[0]}`; known are {', '.join(_NAMES)}")
    if "input" not in values or "output" not in values:
        raise PricesInvalid(f"{subject} needs `input` and `output`")
    for name, value in values.items():
        is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
        if not is_number or not Decimal(value).is_finite() or value < 0:
            raise PricesInvalid(f"{subject}: `{name}` must be a number of at least 0")
    return Price(*(Decimal(values.get(name, values["input"])) for name in _NAMES))
