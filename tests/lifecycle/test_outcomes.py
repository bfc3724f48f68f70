"""Every command has a listed outcome in every state."""

from __future__ import annotations

from cfp.core.state import State
from cfp.messages import ERRORS
from tests.lifecycle.outcomes import OUTCOMES, Refusal, Verb


def test_every_state_and_command_has_a_listed_outcome() -> None:
    """A transition to a named state, or a named refusal."""
    assert set(OUTCOMES) == set(Verb)
    for outcomes in OUTCOMES.values():
        assert set(outcomes) == set(State)
        assert all(isinstance(outcome, State | Refusal) for outcome in outcomes.values())


def test_no_command_but_uninstall_leads_to_absent() -> None:
    """Nothing else may remove an installation."""
    for verb, outcomes in OUTCOMES.items():
        for state, outcome in outcomes.items():
            if outcome is State.ABSENT and state is not State.ABSENT:
                assert verb is Verb.UNINSTALL


def test_every_refusal_has_a_sentence() -> None:
    """A refusal that no message explains is a code that the product does not know."""
    assert set() == {str(refusal) for refusal in Refusal} - set(ERRORS)
