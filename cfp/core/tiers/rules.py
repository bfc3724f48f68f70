"""The user's rules about the tier of a request: the first one that matches decides, else the policy."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from cfp.core.tiers.names import DEFAULT, is_fast
from cfp.core.traffic.kinds import Kind
from cfp.errors import Refused

POLICY: Final = "policy"  # the name of the rule behind all others
BUDGET: Final = "budget"  # the name of the rule before all others, once the day's budget is spent
MOST_RULES: Final = 50
_GLOB: Final = re.compile(r"[!-~]{1,200}")


class Action(enum.StrEnum):
    """The treatment of a matching request's tier. A tier that is not Fast, such as `flex`, stays but for DEFAULT."""

    ADD = "add"  # Fast where the request names no tier, whatever policy and opt-out say
    REMOVE = "remove"  # no Fast: it goes out without a tier
    KEEP = "keep"  # as the client sent it
    DEFAULT = "default"  # the tier `default`, in so many words: also where the provider makes Fast its default


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRule:
    """One rule; a condition that is None holds for every request.

    model  a glob: `*` stands for any characters, `?` for one, and the rest for itself, in its case
    """

    action: Action
    kind: Kind | None = None
    model: str | None = None
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.model is not None and not _GLOB.fullmatch(self.model):
            raise _invalid("a model's name has from 1 to 200 ASCII characters and no white space")
        parts = re.split(r"([*?])", "*" if self.model is None else self.model)
        wild = {"*": ".*", "?": "."}
        text = "".join(wild.get(part) or re.escape(part) for part in parts)
        object.__setattr__(self, "_pattern", re.compile(text, re.DOTALL))

    @property
    def text(self) -> str:
        """The rule in a line, as settings.json, the worker's command line and the request log have it."""
        conditions = {"kind": self.kind, "model": self.model}
        return " ".join(
            [self.action, *(f"{name}={value}" for name, value in conditions.items() if value is not None)]
        )

    def matches(self, kind: Kind | None, model: str | None) -> bool:
        """Whether the rule is about a request of this kind, for this model; a request may name no model."""
        return (self.kind is None or self.kind is kind) and self._pattern.fullmatch(model or "") is not None

    def apply(self, before: str | None, fast: str) -> str | None:
        """Return the tier of a request that came with `before`; None is no tier. `fast` is the tier to add."""
        match self.action:
            case Action.ADD:
                return fast if before is None else before
            case Action.REMOVE:
                return None if is_fast(before) else before
            case Action.DEFAULT:
                return DEFAULT
        return before


class Decision(NamedTuple):
    """The tier of a request on its way out, None for none; the text of the rule that decided, or POLICY or BUDGET."""

    rule: str
    tier: str | None


def decide(
    rules: Iterable[TierRule],
    kind: Kind | None,
    model: str | None,
    before: str | None,
    *,
    fast: str,
    adds: bool,
    spent: bool = False,
) -> Decision:
    """Decide about a request that came with the tier `before`, None for none.

    fast   the tier to add
    adds   the policy adds it to a request without one
    spent  the day's budget is spent: nothing goes out with Fast
    """
    decision = Decision(POLICY, fast if adds and before is None else before)
    for rule in rules:
        if rule.matches(kind, model):
            decision = Decision(rule.text, rule.apply(before, fast))
            break
    return Decision(BUDGET, None) if spent and is_fast(decision.tier) else decision


def parse_rule(text: str) -> TierRule:
    """Return the rule of a line; raises Refused(invalid_settings)."""
    action, *conditions = text.split(" ")
    names = [condition.partition("=")[0] for condition in conditions]
    if action not in list(Action) or len(set(names)) < len(names) or not {"kind", "model"} >= set(names):
        raise _invalid(f"no rule about tiers: {text[:80]!r}")
    values = dict(condition.split("=", 1) for condition in conditions if "=" in condition)
    kind = values.get("kind")
    if len(values) < len(names) or (kind is not None and kind not in list(Kind)):
        raise _invalid(f"no rule about tiers: {text[:80]!r}")
    return TierRule(action=Action(action), kind=None if kind is None else Kind(kind), model=values.get("model"))


def parse_rules(texts: Sequence[str]) -> tuple[TierRule, ...]:
    """Return the rules of the settings, in their order; raises Refused(invalid_settings)."""
    if len(texts) > MOST_RULES:
        raise _invalid(f"there are at most {MOST_RULES} rules")
    return tuple(map(parse_rule, texts))


def with_rule(rules: Sequence[TierRule], rule: TierRule, place: int | None = None) -> tuple[TierRule, ...]:
    """Return the rules with one more at a place from 1 on, by default behind all others.

    A rule with the same conditions is replaced where it stands: of two of them the second would never decide.
    """
    twins = [one for one in rules if (one.kind, one.model) == (rule.kind, rule.model)]
    if twins and place is None:
        return tuple(replace(one, action=rule.action) if one in twins else one for one in rules)
    others = [one for one in rules if one not in twins]
    at = len(others) if place is None else min(place - 1, len(others))
    return (*others[:at], rule, *others[at:])


def _invalid(reason: str) -> Refused:
    return Refused("invalid_settings", field="service_tier_rules", reason=reason)
