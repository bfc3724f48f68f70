"""The result of a replacement in which the old worker is stopped and the new one does not start."""

from __future__ import annotations

import dataclasses

import pytest

from cfp.core.state import State
from tests.homes.site import Site, host_on, in_memory, run_on
from tests.lifecycle.writers import PLAIN

PORT = 8787


def site_with_a_worker_that_lends_nothing() -> Site:
    site = in_memory({"config.toml": PLAIN.encode(), "auth.json": b'{"OPENAI_API_KEY": "sk"}'})
    assert site.run(("install", "--start", "--no-verify")).code == 0
    site.computer.lends = False
    site.computer.change(runtime_id="older")
    return site


@pytest.mark.parametrize("stays", [True, False])
def test_a_worker_that_was_stopped_for_nothing_is_told(stays: bool) -> None:  # noqa: FBT001  the parameter
    """Somebody takes the port in between: where they leave it again all is as it was, else the proxy is down."""
    site = site_with_a_worker_that_lends_nothing()
    strangers, before = site.computer.strangers, site.twin()

    def act(what: str) -> None:
        if what == "stopped":
            strangers.add(PORT)
        elif what == "relaunch" and not stays:
            strangers.clear()

    answer = run_on(dataclasses.replace(host_on(site.home, site.computer), act=act), ["start"])
    strangers.clear()
    files = {path: site.disk.read(path) for path in (site.home.layout.config, site.home.layout.settings)}
    assert files == {path: before.disk.read(path) for path in files}
    if stays:
        assert (answer.code, answer.json["code"]) == (2, "worker_lost")
        assert answer.json["changed"] == "the former proxy is stopped"
        assert site.state() is State.ENABLED_DOWN
        assert site.run(["start"]).code == 0
    else:
        assert (answer.code, answer.json["code"], answer.json["changed"]) == (2, "worker_did_not_start", False)
        assert site.computer.at(PORT) is not None
