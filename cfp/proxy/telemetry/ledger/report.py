"""The ledger's rows, added up by one of their names, with money where the user states prices."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from cfp.proxy.telemetry.ledger.prices import Prices
from cfp.proxy.telemetry.ledger.table import OTHER, Key
from cfp.proxy.telemetry.ledger.totals import Totals

_DIGITS: Final = 6  # of an amount of money, behind the point


class By(enum.StrEnum):
    DAY = "day"
    MODEL = "model"
    TIER = "tier"
    KIND = "kind"
    SESSION = "session"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSums:
    """Sums of requests.

    rows      one for each name, days in order of time, others with the most requests first
    total     the sums of all rows
    unpriced  models whose tokens have no price, each with its tier; amounts that include them are null
    merged    the kinds of names of which some are merged as "other"
    """

    rows: list[dict[str, Any]]
    total: dict[str, Any]
    unpriced: list[str]
    merged: list[str]


class _Group:
    def __init__(self, *, priced: bool) -> None:
        self.totals = Totals()
        self.money = Decimal(0) if priced else None

    def add(self, totals: Totals, money: Decimal | None) -> None:
        self.totals.merge(totals)
        self.money = None if money is None or self.money is None else self.money + money

    def to_json(self) -> dict[str, Any]:
        return {
            **self.totals.to_json(),
            "money": None if self.money is None else float(round(self.money, _DIGITS)),
        }


def report(rows: Iterable[tuple[str, Key, Totals]], by: By, prices: Prices | None) -> UsageSums:
    """Add the rows up; without prices each amount of money is null."""
    groups: dict[str | None, _Group] = {}
    priced = prices is not None
    whole = _Group(priced=priced)
    unpriced: dict[str, None] = {}
    merged: dict[str, None] = {}
    for day, key, totals in rows:
        merged |= dict.fromkeys(name for name, value in key._asdict().items() if value == OTHER)
        money = _money(key, totals, prices)
        if money is None:
            unpriced[" at ".join(name for name in (key.model or "a model without a name", key.tier) if name)] = None
        group = groups.setdefault(day if by is By.DAY else getattr(key, by), _Group(priced=priced))
        for one in (group, whole):
            one.add(totals, money)
    names = [*groups]
    if by is not By.DAY:
        names.sort(key=lambda name: (-groups[name].totals.requests, name or ""))
    return UsageSums(
        rows=[{by.value: name, **groups[name].to_json()} for name in names],
        total=whole.to_json(),
        unpriced=[] if prices is None else [*unpriced],
        merged=[*merged],
    )


def _money(key: Key, totals: Totals, prices: Prices | None) -> Decimal | None:
    price = None if prices is None else prices.find(key.model, key.tier)
    if price is not None:
        return price.of(totals)
    has_tokens = totals.input_tokens or totals.output_tokens
    return None if prices is None or has_tokens else Decimal(0)
