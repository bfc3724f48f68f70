"""Checks of the installation: its code, its settings, and config.toml's URL."""

from __future__ import annotations

from cfp.core.checks.check import DoctorFacts, Verdict, advice, failure, success
from cfp.core.diagnosis import diagnose
from cfp.core.facts import Facts
from cfp.core.state import uses_proxy
from cfp.messages import Message, message


def python(facts: Facts, machine: DoctorFacts) -> Verdict:
    """Name the interpreter."""
    executable = facts.runtime.python
    return success(f"Python {machine.python} at {executable}", executable=executable)


def runtime_source(facts: Facts, _: DoctorFacts) -> Verdict:
    """Name the installed code, and check that the Codex CLI is there."""
    runtime = facts.runtime
    if facts.codex_version is None:
        text = Message(
            f"codex-fast-proxy {runtime.version} runs from {runtime.package}; no Codex CLI answers on PATH.",
            "Nothing, where only the Codex App is used.",
        )
        return advice("codex_cli_missing", text, runtime_id=runtime.runtime_id)
    version = ".".join(map(str, facts.codex_version))
    detail = f"codex-fast-proxy {runtime.version} runs from {runtime.package}; the Codex CLI is {version}."
    return success(detail, runtime_id=runtime.runtime_id, codex_version=version)


def proxy_settings(facts: Facts, machine: DoctorFacts) -> Verdict:
    """Check that settings are saved, and that Codex reaches loopback without an outbound proxy."""
    error = facts.settings_error or facts.manifest_error
    if error:
        return failure("settings_invalid", message("settings_invalid", {"reason": error}))
    if facts.settings is None:
        return _not_enabled(facts)
    if machine.proxies:
        text = Message(
            f"{', '.join(machine.proxies)} is set and NO_PROXY does not name 127.0.0.1: Codex would send "
            "our requests there.",
            f"Add NO_PROXY=127.0.0.1,localhost to the environment or to {facts.layout.dotenv}.",
        )
        return advice("loopback_through_proxy", text)
    return success(f"Settings are saved for {facts.settings.provider}.", base_url=facts.settings.base_url)


def config_points_to_proxy(facts: Facts, _: DoctorFacts) -> Verdict:
    """Check that config.toml points at the proxy."""
    if uses_proxy(facts):
        return success("config.toml points at the proxy.")
    if not facts.is_installed:
        return _not_enabled(facts)
    return failure("config_not_proxy", message("diagnosis.config_not_proxy"))


def _not_enabled(facts: Facts) -> Verdict:
    """Return the failure in the words of `status`: an unfinished uninstall has another next command."""
    diagnosis = diagnose(facts)
    text = diagnosis.message if diagnosis.code == "not_enabled" else message("diagnosis.not_enabled")
    return failure("not_enabled", text)
