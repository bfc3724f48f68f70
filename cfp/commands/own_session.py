"""The Codex session that runs this command, which a command that ends its proxy would cut off."""

from __future__ import annotations

from typing import Final

from cfp.core.facts import Facts
from cfp.core.state import uses_proxy
from cfp.host.home import Host
from cfp.proxy.telemetry.log_lines import decode
from cfp.proxy.telemetry.log_reader import LogReader

THREAD: Final = "CODEX_THREAD_ID"  # Codex 0.130 to 0.171 sets it for each command of a session
_LINES: Final = 5000  # of the log; a session that has sent nothing for so long is not at work


def needs_running_proxy(host: Host, facts: Facts) -> bool:
    """Whether this command belongs to a session of Codex that has used the running proxy, and would do so again.

    Once config.toml is restored, it cannot be told whether the session was restarted since: False.
    """
    thread = host.environ.get(THREAD)
    if not thread or facts.running_worker is None or not uses_proxy(facts):
        return False
    lines = LogReader(host.layout.request_log).last_lines(_LINES)
    return any(line.session == thread for line in decode(b"\n".join(lines)))
