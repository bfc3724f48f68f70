"""Checks of the installation: its code, its settings, and config.toml's URL."""

from __future__ import annotations

from cfp.core.checks.check import CheckResult, DoctorFacts, advice, failure, success
from cfp.core.diagnosis import diagnose
from cfp.core.facts import Facts
from cfp.core.plan.install import newer_details
from cfp.core.state import State, is_enabled, state_of, uses_proxy
from cfp.messages import message
from cfp.messages.diagnoses import DIAGNOSES
from cfp.messages.doctor import FINDINGS, PASSES


def python(facts: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Name the interpreter."""
    executable = facts.runtime.python
    return success(
        PASSES["python"].filled({"version": surroundings.python, "executable": executable}), executable=executable
    )


def module_names(_: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Check that nothing else has the names of our modules, where a Python would take it for ours."""
    if others := surroundings.sharing_distributions:
        text = FINDINGS["modules_of_another_package"].filled({"packages": others})
        return failure("modules_of_another_package", text, packages=list(others))
    if files := surroundings.namesakes:
        return advice("modules_shadowed", FINDINGS["modules_shadowed"].filled({"files": files}), files=list(files))
    return success(PASSES["module_names"])


def skill_link(_: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Check that the link of `link-skill`, where there is one, leads to the skill of this program."""
    if target := surroundings.stale_skill:
        return advice("skill_link_stale", FINDINGS["skill_link_stale"].filled({"target": target}), target=target)
    return success(PASSES["skill_link"])


def home_place(_: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Check that the home lies where it can be changed safely, and name other systems that have one of their own."""
    place, beside = surroundings.place, surroundings.beside
    if place.refusal is not None:
        return failure(place.refusal, message(place.refusal, place.details), **place.details)
    if not beside:
        return success(PASSES["home_place"])
    text = PASSES["home_beside_windows" if place.system == "wsl" else "home_beside_wsl"]
    return success(text.filled({"beside": beside}), beside=list(beside))


def home_owner(facts: Facts, _: DoctorFacts) -> CheckResult:
    """Check that the home and our files in it belong to the user of this process, and can be read."""
    ownership = facts.ownership
    if ownership.refusal is not None:
        details = ownership.details
        return failure(ownership.refusal, message(ownership.refusal, details), **details)
    if facts.newer_version:
        details = newer_details(facts)
        return failure("record_of_newer_version", message("record_of_newer_version", details), **details)
    for path, reason in facts.all_unreadable:
        details = {"path": path, "reason": reason}
        return failure("record_unreadable", message("record_unreadable", details), **details)
    return success(PASSES["home_owner"])


def private_files(_: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Check that no other user may read our files, which have keys and logs, nor Codex's own keys and logins."""
    ours, codex = surroundings.open_files, surroundings.open_secrets
    if ours:
        return failure(
            "files_open_to_others", FINDINGS["files_open_to_others"].filled(_readers(ours)), **_readers(ours)
        )
    if codex:
        text = FINDINGS["codex_files_open_to_others"].filled(_readers(codex))
        return advice("codex_files_open_to_others", text, **_readers(codex))
    return success(PASSES["private_files"])


def _readers(files: tuple[tuple[str, tuple[str, ...]], ...]) -> dict[str, list[str]]:
    """Return the paths, and the names of all who may read one of them."""
    names = dict.fromkeys(name for _, others in files for name in others)
    return {"paths": [path for path, _ in files], "readers": list(names)}


def runtime_source(facts: Facts, _: DoctorFacts) -> CheckResult:
    """Name the installed code, and check that the Codex CLI is there."""
    runtime = facts.runtime
    code = {"version": runtime.version, "package": runtime.package}
    if facts.codex_version is None:
        text = FINDINGS["codex_cli_missing"].filled(code)
        return advice("codex_cli_missing", text, runtime_id=runtime.runtime_id)
    version = ".".join(map(str, facts.codex_version))
    text = PASSES["runtime"].filled({**code, "codex_version": version})
    return success(text, runtime_id=runtime.runtime_id, codex_version=version)


def install_possible(facts: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Check that an install would not refuse, by its own code, where the proxy is not enabled yet."""
    error = surroundings.install_error
    if error is not None:
        return failure(error.code, message(error.code, error.details))
    return success(PASSES["install_not_needed" if is_enabled(facts) else "install_possible"])


def proxy_settings(facts: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Check that settings are saved, and that Codex reaches loopback without an outbound proxy."""
    error = facts.settings_error or facts.manifest_error
    if error:
        return failure("settings_invalid", message("settings_invalid", {"reason": error}))
    if facts.settings is None:
        return _not_enabled(facts)
    if surroundings.proxies:
        text = FINDINGS["loopback_through_proxy"].filled(
            {"variables": surroundings.proxies, "dotenv": facts.layout.dotenv}
        )
        return advice("loopback_through_proxy", text)
    return success(PASSES["settings"].filled({"provider": facts.settings.provider}), base_url=facts.settings.base_url)


def config_points_to_proxy(facts: Facts, _: DoctorFacts) -> CheckResult:
    """Check that config.toml points at the proxy."""
    if uses_proxy(facts):
        return success(PASSES["config_points_to_proxy"])
    if not facts.is_installed:
        return _not_enabled(facts)
    return failure("config_not_proxy", DIAGNOSES["config_not_proxy"])


def _not_enabled(facts: Facts) -> CheckResult:
    """Return the result of a home that is not enabled: only an unfinished uninstall is a failure."""
    if state_of(facts) is not State.RESTORED_DEFERRED:
        return success(PASSES["not_enabled"])
    diagnosis = diagnose(facts)
    text = diagnosis.message if diagnosis.code == "not_enabled" else DIAGNOSES["not_enabled"]
    return failure("not_enabled", text)
