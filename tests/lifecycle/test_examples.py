"""Short lives of a home that once falsified a promise, or the model of it: they are lived again in every run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lifecycle.rules import Lifecycle
from tests.lifecycle.world import CALM, Trouble


def begin(home: Lifecycle, trouble: Trouble = CALM, *, config: str = "built-in", install: bool = True) -> None:
    home.begin(config=config, hooks="none", install=install, lends=True, trouble=trouble)


def an_uninstall_by_force_is_cut_short_when_the_files_are_back(home: Lifecycle) -> None:
    begin(home)
    home.user_decides_about_hooks(wanted=False)
    home.uninstall(force=True, trouble=Trouble(kind="fail", share=784), yes=False)


def the_power_goes_after_an_uninstall_was_killed(home: Lifecycle) -> None:
    begin(home, install=False)
    home.prepare_chatgpt_login(trouble=CALM)
    home.uninstall(force=False, trouble=Trouble(kind="kill", share=385), yes=False)
    home.code_is_updated()
    home.power_cut(seed=0)


def an_old_text_points_at_an_earlier_address_of_ours(home: Lifecycle) -> None:
    begin(home)
    home.codex_reads()
    home.install(port="8788", trouble=CALM, url=None)
    home.uninstall_and_keep_the_settings(trouble=CALM, yes=False)
    home.codex_writes_what_it_read_before(number=1)
    home.uninstall(force=False, trouble=CALM, yes=False)


def the_hook_is_switched_off_while_an_install_is_interrupted(home: Lifecycle) -> None:
    begin(home, Trouble(kind="kill", share=783))
    home.user_switches_our_hook_off()
    home.recover(trouble=CALM)
    home.install(port=None, trouble=CALM, url=None)
    home.uninstall(force=False, trouble=CALM, yes=False)


def codex_reads_while_an_uninstall_is_undecided(home: Lifecycle) -> None:
    home.begin(config="built-in", hooks="none", install=True, lends=False, trouble=CALM)
    home.user_decides_about_hooks(wanted=False)
    home.uninstall(force=True, trouble=Trouble(kind="kill", share=517), yes=False)
    home.codex_reads()
    home.codex_writes_what_it_read_before(number=1)


def codex_writes_while_an_uninstall_is_taken_back(home: Lifecycle) -> None:
    begin(home)
    home.uninstall_and_keep_the_worker(trouble=Trouble(kind="kill", share=730), yes=False)
    home.worker_dies()
    home.uninstall(force=False, trouble=Trouble(kind="edit", share=150), yes=False)


def our_address_is_spelled_otherwise_while_an_install_is_interrupted(home: Lifecycle) -> None:
    begin(home, Trouble(kind="kill", share=825), config="plain")
    home.somebody_spells_our_address_otherwise(spelling="HTTP://LOCALHOST:{port}/v1")
    home.recover(trouble=CALM)


EXAMPLES = (
    our_address_is_spelled_otherwise_while_an_install_is_interrupted,
    codex_writes_while_an_uninstall_is_taken_back,
    codex_reads_while_an_uninstall_is_undecided,
    an_uninstall_by_force_is_cut_short_when_the_files_are_back,
    the_power_goes_after_an_uninstall_was_killed,
    an_old_text_points_at_an_earlier_address_of_ours,
    the_hook_is_switched_off_while_an_install_is_interrupted,
)


@pytest.mark.parametrize("live", EXAMPLES, ids=lambda live: live.__name__)
def test_an_example(live: Callable[[Lifecycle], None]) -> None:
    """Every promise holds after each of its acts."""
    home = Lifecycle()
    try:
        live(home)
    finally:
        home.teardown()
