"""Waiting for a worker ends when it is healthy, when it exits, or when time is up."""

from __future__ import annotations

import pytest

from cfp.errors import Failed
from cfp.host.worker.probe import wait_healthy
from tests.host.conftest import Workers


class TestWaitHealthy:
    def test_a_death_is_reported_at_once_with_its_last_stderr_line(self, workers: Workers) -> None:
        """Nobody waits out a time limit for a worker that is dead."""
        spec = workers.spec()
        child = workers.spawn(spec, say="OSError: address in use", exit=1)
        child.send_go()
        with pytest.raises(Failed) as caught:
            wait_healthy("127.0.0.1", spec.settings.port, spec.nonce, 60, child)
        assert caught.value.code == "worker_did_not_start"
        assert caught.value.details == {
            "reason": "exited",
            "detail": "OSError: address in use",
            "log": str(workers.layout.worker_stderr),
        }

    def test_another_workers_answer_is_not_health(self, workers: Workers) -> None:
        """The port is taken by a worker with another nonce, and that is said."""
        spec, child, _ = workers.start(nonce="another")
        with pytest.raises(Failed) as caught:
            wait_healthy("127.0.0.1", spec.settings.port, spec.nonce, 1, child)
        assert caught.value.details["reason"] == "port_taken"

    def test_time_is_limited(self, workers: Workers) -> None:
        """Silence is not health, and is not waited for longer than asked."""
        spec = workers.spec()
        child = workers.spawn(spec, mute=True)
        child.send_go()
        with pytest.raises(Failed) as caught:
            wait_healthy("127.0.0.1", spec.settings.port, spec.nonce, 0.5, child)
        assert caught.value.details["reason"] == "timed_out"
