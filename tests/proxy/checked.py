"""The worker's classes, checked against the tables in the docstrings of their phases."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from cfp.proxy.exchange.client_connection import ClientConnection
from cfp.proxy.exchange.exchange import Exchange
from cfp.proxy.exchange.local_exchange import LocalExchange
from cfp.proxy.exchange.phases import ConnectionPhase, ExchangePhase, TunnelPhase
from cfp.proxy.exchange.websocket_tunnel import WebSocketTunnel
from cfp.proxy.worker.worker import Worker

Transition: TypeAlias = tuple[enum.Enum, enum.Enum]

_ROW = re.compile(r"^ +(?P<phase>[A-Z_]+)  .*?  +(?P<followers>-|[A-Z_]+(?: [A-Z_]+)*)$", re.MULTILINE)


def transitions(phases: type[enum.Enum]) -> frozenset[Transition]:
    """Return the transitions that a docstring's table allows."""
    rows = {match["phase"]: match["followers"] for match in _ROW.finditer(phases.__doc__ or "")}
    assert [phase.name for phase in phases] == list(rows)
    return frozenset(
        (phases[phase], phases[name]) for phase, names in rows.items() if names != "-" for name in names.split()
    )


_ALLOWED: Mapping[type[enum.Enum], frozenset[Transition]] = {
    phases: transitions(phases) for phases in (ConnectionPhase, ExchangePhase, TunnelPhase)
}


def checked(cls: Any, violations: list[str], performed: list[Transition] | None = None) -> Any:
    """Return a subclass that records its transitions, and those that the table does not allow."""

    class Checked(cls):  # type: ignore[misc]  # any of the three
        def __setattr__(self, name: str, value: Any) -> None:
            if name == "phase" and hasattr(self, "phase"):
                transition = (self.phase, value)
                if transition not in _ALLOWED[type(value)]:
                    violations.append(f"{self.phase} -> {value}")
                if performed is not None:
                    performed.append(transition)
            super().__setattr__(name, value)

    return Checked


def checked_worker(violations: list[str], performed: list[Transition] | None = None) -> type[Worker]:
    """Return a worker class whose connections, exchanges and tunnels are checked."""
    tunnel = checked(WebSocketTunnel, violations, performed)

    class CheckedLocalExchange(LocalExchange):
        def _new_tunnel(self) -> WebSocketTunnel:
            target = self._plan.route.target
            made: WebSocketTunnel = tunnel(self._services, self._client, self._head, target, self._record)
            return made

    class CheckedConnection(checked(ClientConnection, violations, performed)):  # type: ignore[misc]  # made above
        exchange_class = checked(Exchange, violations, performed)
        local_exchange_class = CheckedLocalExchange

    class CheckedWorker(Worker):
        connection_class = CheckedConnection

    return CheckedWorker
