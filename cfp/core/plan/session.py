"""Whether the SessionStart hook lets a session go on.

Codex sends the session's first message to the address in config.toml, whoever listens there. It may go on only where
that is a worker of this home, or where config.toml does not send it to the proxy, or where the proxy was before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cfp.core.facts import Facts, PortState
from cfp.core.plan.worker import hangs, port_details
from cfp.core.provider import BUILT_IN, active_provider, provider_url, without_secrets
from cfp.core.settings import loopback_port
from cfp.core.state import uses_proxy
from cfp.core.unrecorded import Owner, find_unrecorded_proxy, owner_of
from cfp.errors import Busy, CfpError
from cfp.messages import message
from cfp.messages.diagnoses import DIAGNOSES, HOOK_STOPS, HookStopCode
from cfp.messages.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStop:
    """The reason to stop a session; `may_pass`: another look in a moment may find the proxy."""

    code: HookStopCode
    details: Mapping[str, Any]
    may_pass: bool = False

    @property
    def message(self) -> Message:
        return HOOK_STOPS[self.code].filled(self.details)


def plan_session(facts: Facts, error: CfpError | None) -> SessionStop | None:
    """Return the reason to stop the session, None to let it go on.

    error  of the hook's try to start the proxy, before `facts` were read; None where nothing was tried
    """
    worker = facts.answering_worker
    if not sends_here(facts):
        return _at_former_address(facts)
    if worker is not None and worker.health is not None and worker.health.ok:
        return None
    address, details = facts.worker, port_details(facts)
    if address is not None and hangs(facts, address) and facts.worker_by_process is not None:
        return SessionStop(code="stop_hanging", details={"pid": facts.worker_by_process.pid}, may_pass=True)
    if address is not None and address.state is PortState.OTHER_HOME:
        default = facts.is_default_home and facts.sharing_home != ""
        return SessionStop(code="stop_other_home_of_default" if default else "stop_other_home", details=details)
    if address is not None and address.state is PortState.FOREIGN and not address.barred:
        return SessionStop(code="stop_other_user" if address.other_user else "stop_other_program", details=details)
    if isinstance(error, Busy):
        return SessionStop(code="stop_busy", details={**details, **error.details}, may_pass=True)
    text = DIAGNOSES["proxy_stopped"] if error is None else message(error.code, error.details)
    return SessionStop(code="stop_not_running", details={"error": text.sentence, "action": text.action})


def _at_former_address(facts: Facts) -> SessionStop | None:
    """Return the reason to stop where an older config.toml is back: the proxy is not at its former address."""
    doc = facts.config.root
    url = provider_url(doc, active_provider(doc) or BUILT_IN)
    if url is None or owner_of(facts, url) is Owner.OTHER:
        return None
    worker = facts.answering_worker
    if worker is not None and worker.port == loopback_port(url):  # another spelling of the present address
        return None
    return SessionStop(code="stop_former_address", details={"url": without_secrets(url)})


def sends_here(facts: Facts) -> bool:
    """Whether config.toml sends a session to the proxy: the provider that Codex uses, and not just another one."""
    if not uses_proxy(facts):
        return False
    settings, unrecorded = facts.recorded_settings, find_unrecorded_proxy(facts)
    provider = unrecorded.provider if unrecorded else settings.provider if settings else None
    doc = facts.config.doc
    return doc is None or (active_provider(doc) or BUILT_IN) == provider
