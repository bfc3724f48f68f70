"""A worker is given every setting, and reports every setting that it was given."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.served_settings import COMPARED, SERVED_SETTINGS, serves
from cfp.core.settings import Policy, Settings
from cfp.host.worker.spawn import WorkerSpec
from cfp.layout import Layout
from cfp.proxy.config import WorkerConfig
from cfp.proxy.telemetry.health import report
from cfp.proxy.worker.command_line import parse
from cfp.proxy.worker.peer_check import PeerGuard
from cfp.proxy.worker.worker import Worker
from tests.strategies import valid_settings


def reported(settings: Settings) -> dict[str, Any]:
    """The health answer of a worker with these settings, as its reader gets it."""

    async def answer() -> dict[str, Any]:
        config = WorkerConfig(settings=settings, layout=Layout(Path("/no/home")), environ={})
        return report(Worker(config, guard=PeerGuard((), 0)))

    value = json.loads(json.dumps(asyncio.run(answer())))
    assert isinstance(value, dict)
    return value


def test_every_setting_has_a_row() -> None:
    """A field that settings.json has and the worker is not given would be lost on the way."""
    assert {field.name for field in dataclasses.fields(Settings)} == {setting.name for setting in SERVED_SETTINGS}


@given(settings=valid_settings(), nonce=st.text("0123456789abcdef", max_size=32), verbose=st.booleans())
def test_the_worker_parses_what_it_is_started_with(settings: Settings, nonce: str, *, verbose: bool) -> None:
    """Settings to command line to settings is the identity; so are the nonce and the switches."""
    spec = WorkerSpec(settings=settings, codex_home=Path("/home"), python="python", nonce=nonce, verbose=verbose)
    words = spec.argv()
    args = parse(words[words.index("serve") + 1 :], {})
    assert (settings, Path("/home"), nonce, verbose) == (args.settings, args.codex_home, args.nonce, args.verbose)
    assert args.await_go


@given(valid_settings())
def test_a_worker_reports_the_settings_that_it_serves(settings: Settings) -> None:
    """Its health answer compares equal to the saved settings."""
    assert serves(reported(settings), settings.to_json())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("provider", "other"),
        ("proxy_base", "/v2"),
        ("upstream_base", "https://other.example/v1"),
        ("service_tier", "flex"),
        ("service_tier_policy", Policy.PRESERVE),
        ("upstream_api_key_env", "OTHER_KEY"),
        ("upstream_api_key_file", True),
        ("pass_rate_limits", True),
        ("service_tier_rules", ("keep",)),
        ("fast_requests_a_day", 7),
        ("fast_tokens_a_day", 7),
    ],
)
def test_a_worker_with_another_setting_serves_others(name: str, value: Any) -> None:
    """Each compared setting counts."""
    settings = Settings(provider="relay", upstream_base="https://relay.example/v1")
    other = dataclasses.replace(settings, **{name: value})
    assert name in COMPARED
    assert not serves(reported(other), settings.to_json())
