"""One installation's life, told once: every answer of every verb on the way, with what varies made equal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from cfp.layout import Layout
from journal import FileChange, Journal, RealFs
from tests.end_to_end.harness import Machine, Ran, api_key_login, chatgpt_login
from tests.systems import IN_WINE, WINDOWS

Step = tuple[str, Callable[[], Ran]]

_VARYING = (
    (re.compile(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{40}\b"), "HASH"),
    (re.compile(r"\b\d{8}T\d{6}\d*Z(?:-[0-9a-f]{8})?\b"), "STAMP"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+(?:\+00:00|Z)"), "TIME"),
    (re.compile(r'"3\.\d+\.\d+\S*"'), '"PYTHON VERSION"'),
    (re.compile(r"Python \d+\.\d+\.\d+\S*"), "Python VERSION"),
    (re.compile(r"python[\w.]* \(process \d+\)"), "PYTHON (process PID)"),
    (re.compile(r"process \d+"), "process PID"),
)
_NUMBERS = frozenset(
    {
        *("pid", "old_pid", "first_event_ms", "total_ms", "requests_served", "seconds", "ttfb_ms", "first_output_ms"),
        *("median_total_ms", "median_ttfb_ms", "median_first_output_ms"),
        *("since", "at"),
        *("observed_speedup_total", "observed_speedup_ttfb", "observed_speedup_first_output"),
    }
)
_TEXTS = frozenset({"runtime_id", "running", "nonce", "started", "boot_id", "python", "package", "executable", "tx"})


def life(machine: Machine) -> Iterator[Step]:
    """Each step has a name, which is that of its golden file."""
    port = str(machine.port)
    machine.relay()
    machine.write("auth.json", api_key_login())
    yield "usage_error", lambda: machine.cfp("frobnicate")
    yield "demo", lambda: machine.cfp("demo", timeout=120)
    yield "run_without_program", lambda: machine.cfp("run")
    yield "run_of_no_codex", lambda: machine.cfp("run", "--", "cmd" if WINDOWS else "sh")
    yield "run_of_a_missing_codex", lambda: machine.cfp("run", "--", "codex")
    yield "logs_usage_error", lambda: machine.cfp("logs", "--frobnicate")
    yield "doctor_absent", lambda: machine.cfp("doctor", "--port", port)
    yield "status_absent", lambda: machine.cfp("status")
    yield "install_without_start", lambda: machine.cfp("install")
    yield "install_dry_run", lambda: machine.cfp("install", "--dry-run", "--port", port)
    yield "install", lambda: machine.cfp("install", "--start", "--port", port)
    yield "install_again", lambda: machine.cfp("install", "--start")
    yield "status_ready", lambda: machine.cfp("status")
    yield "doctor_ready", lambda: machine.cfp("doctor")
    yield "usage", lambda: machine.cfp("usage")
    yield "dashboard_found", lambda: machine.cfp("dashboard", "--no-open")
    yield "start_running", lambda: machine.cfp("start")
    yield "autostart_running", lambda: machine.cfp("autostart")
    yield "stop_refused", lambda: machine.cfp("stop")
    yield "verify_upstream", lambda: machine.cfp("verify-upstream", "--service-tier-policy", "preserve")
    yield "set_upstream_nothing_asked", lambda: machine.cfp("set-upstream")
    yield "set_upstream_deferred", lambda: machine.cfp("set-upstream", "--service-tier-policy", "preserve")
    yield from _rules(machine)
    yield "status_pending", lambda: machine.cfp("status")
    yield "start_restarted", lambda: machine.cfp("start")
    yield "prepare_login_dry_run", lambda: machine.cfp("prepare-chatgpt-login")
    yield "prepare_login", lambda: machine.cfp("prepare-chatgpt-login", "--apply")
    yield "prepare_login_again", lambda: machine.cfp("prepare-chatgpt-login", "--apply")
    yield "set_upstream_restarted", lambda: machine.cfp("set-upstream", "--use-provider-auth-file", "--restart")
    yield from _saved_upstreams(machine)
    yield "recover_clean", lambda: machine.cfp("recover")
    yield "recover_dry_run", lambda: machine.cfp("recover", "--dry-run")
    yield "journal_list", lambda: machine.cfp("journal", "list")
    yield "journal_show", lambda: machine.cfp("journal", "show", _last_transaction(machine))
    yield from _interruption(machine)
    yield "benchmark", lambda: machine.cfp("benchmark", "--mode", "direct", "--pairs", "1")
    if not IN_WINE:  # it has neither git nor links
        yield from _checked_out(machine)
    machine.write(
        "config.toml", machine.config.read_text().replace('env_key = "RELAY_KEY"', "requires_openai_auth = true")
    )
    machine.write("auth.json", chatgpt_login())
    yield "status_split", lambda: machine.cfp("status")
    yield "uninstall_confirmation", lambda: machine.cfp("uninstall")
    yield "uninstall_deferred", lambda: machine.cfp("uninstall", "--defer-stop", "--confirm-chatgpt-direct-uninstall")
    yield "uninstall_second", lambda: machine.cfp("uninstall")
    yield "uninstall_absent", lambda: machine.cfp("uninstall")
    yield "dashboard_refused", lambda: machine.cfp("dashboard")


def _rules(machine: Machine) -> Iterator[Step]:
    """Add a rule about Fast, try it and remove it again."""
    yield "fast_none", lambda: machine.cfp("fast", "list")
    yield "fast_added", lambda: machine.cfp("fast", "add", "--kind", "subagent", "--action", "remove")
    yield "fast_listed", lambda: machine.cfp("fast", "list")
    yield "fast_tested", lambda: machine.cfp("fast", "test", "--kind", "subagent", "--tier", "priority")
    yield "fast_budget", lambda: machine.cfp("fast", "budget", "--requests", "200")
    yield "fast_removed", lambda: machine.cfp("fast", "remove", "1")
    yield "fast_usage_error", lambda: machine.cfp("fast", "remove", "1")


def _saved_upstreams(machine: Machine) -> Iterator[Step]:
    yield "upstream_list_none", lambda: machine.cfp("upstream", "list")
    yield "upstream_add_present", lambda: machine.cfp("upstream", "add", "mine")
    yield "upstream_add", lambda: machine.cfp("upstream", "add", "spare", "--service-tier-policy", "auto")
    yield "upstream_list", lambda: machine.cfp("upstream", "list")
    yield "upstream_use", lambda: machine.cfp("upstream", "use", "spare")
    yield "upstream_remove_refused", lambda: machine.cfp("upstream", "remove", "spare")
    yield "upstream_use_again", lambda: machine.cfp("upstream", "use", "mine")
    yield "upstream_remove", lambda: machine.cfp("upstream", "remove", "spare")


def _last_transaction(machine: Machine) -> str:
    return str(machine.cfp("journal", "list").json["transactions"][-1]["id"])


def _interruption(machine: Machine) -> Iterator[Step]:
    """Run the read-only commands on a home with an interrupted command, then settle it."""
    _killed(machine)
    yield "status_interrupted", lambda: machine.cfp("status")
    yield "doctor_interrupted", lambda: machine.cfp("doctor")
    yield "journal_list_interrupted", lambda: machine.cfp("journal", "list")
    yield "journal_show_interrupted", lambda: machine.cfp("journal", "show", _open_transaction(machine))
    yield "recover_dry_run_interrupted", lambda: machine.cfp("recover", "--dry-run")
    yield "recover", lambda: machine.cfp("recover")


def _open_transaction(machine: Machine) -> str:
    return str(machine.cfp("journal", "list").json["open"][0])


def _killed(machine: Machine) -> None:
    """A command that died before it had touched anything but its record."""
    journal = Journal(Layout(machine.home).journal, fs=RealFs(), formats={}, processes=None, tool="codex-fast-proxy")
    seen = machine.config.read_bytes()
    with journal.acquire(command="set-upstream", timeout=5) as lease:
        lease.begin(
            command="set-upstream",
            argv=("set-upstream",),
            from_state="enabled",
            to_state="enabled",
            changes=[FileChange(path=machine.config, before=seen, after=seen + b"\n")],
        ).prepare()


def _checked_out(machine: Machine) -> Iterator[Step]:
    """Run the commands that need a git checkout of this project."""
    skill = ("--repo-root", str(machine.root / "repo"), "--skills-root", str(machine.root / "skills"))
    yield "link_skill_missing", lambda: machine.cfp("link-skill", *skill)
    _checkout(machine)
    yield "link_skill", lambda: machine.cfp("link-skill", *skill)
    yield "link_skill_again", lambda: machine.cfp("link-skill", *skill)
    yield "unlink_skill", lambda: machine.cfp("unlink-skill", *skill)
    yield "check_update", lambda: machine.cfp("check-update", "--repo", str(machine.root / "repo"))


def _checkout(machine: Machine) -> None:
    """A checkout with a skill, and its remote."""
    repo, remote = machine.root / "repo", machine.root / "remote.git"
    repo.mkdir()
    (repo / "SKILL.md").write_text("---\nname: codex-fast-proxy\n---\n")
    git = [
        "git",
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b.example",
        "-c",
        "init.defaultBranch=main",
        "-C",
        str(repo),
    ]
    for words in (
        ("init", "-q"),
        ("add", "."),
        ("commit", "-qm", "one"),
        ("init", "-q", "--bare", str(remote)),
        ("remote", "add", "origin", f"file://{remote}"),
        ("push", "-q", "origin", "main"),
    ):
        assert 0 == machine.run([*git, *words], timeout=30).code


def made_equal(machine: Machine, ran: Ran) -> dict[str, Any]:
    """The answer with paths, ports, process ids, hashes and times named instead of told."""
    text = ran.stdout
    for value, name in ((str(machine.root), "ROOT"), (machine.upstream.base_url, "http://UPSTREAM/v1")):
        text = text.replace(json.dumps(value)[1:-1], name)
    text = re.sub(rf"\b{machine.port}\b", "PORT", text)
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    # A port is a number in JSON, and its name is not.
    value = json.loads(re.sub(r": PORT\b", ': "PORT"', text))
    equal = _named(value)
    assert isinstance(equal, dict)
    return {"exit_code": ran.code, **equal}


def _named(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _named(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_named(item, key) for item in value]
    if key in _NUMBERS and isinstance(value, int | float) and not isinstance(value, bool):
        return 0
    if key == "self_contained":  # a worker becomes that a moment after it has started
        return True
    if isinstance(value, str):
        if key in _TEXTS:
            return key.upper()
        return re.sub(r"\S*/python3?(?=\.?(?:\s|$))", "PYTHON", re.sub(r"from \S*/cfp;", "from PACKAGE;", value))
    return value
