"""Whether what a command did is what the lifecycle's tables list for the state that it met."""

from __future__ import annotations

from cfp.core.state import REFUSED_ANYWHERE, State, Verb, listed
from tests.homes.site import Said


def is_listed(verb: Verb, before: State, after: State, said: Said) -> bool:
    """One transition, or one refusal, that is listed for this very pair, or a refusal that any state may meet."""
    refused = said.refusal or (str(said.json["reason"]) if said.status == "skipped" else "")
    if refused:
        return refused in listed(verb, before) or refused in REFUSED_ANYWHERE[verb]
    return after in {outcome for outcome in listed(verb, before) if isinstance(outcome, State)}
