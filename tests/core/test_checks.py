"""doctor's checks: their names, and each result for the home that earns it."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Any

import pytest

from cfp.codex.auth_json import Login, LoginMode
from cfp.core.checks.check import DoctorFacts
from cfp.core.checks.table import CHECKS, OF_CONFIG, OF_SOCKETS, run_checks
from cfp.core.facts import BrokenProgram, PortFact, PortState, SystemFiles, TextFact
from cfp.core.health import parse_health
from cfp.core.manifest import ManifestState
from cfp.core.ownership import Ownership, User
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.core.settings import Policy
from cfp.core.tiers.records import new_record
from cfp.core.tiers.verdict import Measurement
from cfp.errors import Failed, Refused
from tests.facts import CONFIG, LOGIN_CONFIG, facts, former_hook, installed, listing_of, worker_of

MACHINE = DoctorFacts(python="3.11.0")
NAMES = [
    *(
        "python",
        "module_names",
        "skill_link",
        "home_place",
        "home_owner",
        "private_files",
        "codex_config",
        "active_provider",
        "provider_base_url",
        "runtime_source",
        "login_mode",
    ),
    *(
        "install_possible",
        "proxy_settings",
        "config_points_to_proxy",
        "upstream_saved",
        "upstream_encryption",
        "service_tier_policy",
        "tier_served",
        "upstream_auth",
        "key_format",
        "app_environment",
    ),
    *("model_catalog", "provider_answers", "proxy_port", "proxy_health", "last_requests", "proxy_pending_restart"),
    "proxy_runtime",
    *("hooks_enabled", "startup_hook", "codex_turn"),
]


def enabled(**request: Any) -> Any:
    home = facts()
    return installed(home, plan_install(home, RouteRequest(**request)))


def codes(home: Any, machine: DoctorFacts = MACHINE) -> dict[str, tuple[bool, str]]:
    return {name: (result.ok, result.code) for name, result in run_checks(home, machine).items()}


def test_the_names_and_their_order() -> None:
    """Scripts look for these."""
    assert NAMES == list(run_checks(facts(), MACHINE))


def test_an_enabled_home_is_well() -> None:
    """Every check is ok, with nothing to mend."""
    assert dict.fromkeys(CHECKS, (True, "ok")) == codes(enabled())


def test_a_bad_verdict_says_what_mends_it() -> None:
    """No check fails without a fix, and a good one needs none."""
    for home in (facts(), facts(b""), enabled(), replace(enabled(), worker=None)):
        for result in run_checks(home, MACHINE).values():
            assert (result.code == "ok") == (result.fix == "")


ENABLED = enabled()
ANSWER = {"upstream_base": "u", "model": "m", "first_event_ms": 7, "service_tier_refused": False}
ALICE, ROOT = User(uid=1, name="alice"), User(uid=0, name="root")
THEIRS = Ownership(path="/home/alice/.codex", user=ROOT, owner=ALICE)
LEFT = Ownership(path="/home/alice/.codex", user=ALICE, owner=ALICE, foreign_files=("/home/alice/.codex/hooks.json",))
_LOGIN_HOME = facts(LOGIN_CONFIG, codex_login=Login.CHATGPT)
LOGIN_ENABLED = replace(installed(_LOGIN_HOME, plan_install(_LOGIN_HOME, RouteRequest())), codex_login=Login.CHATGPT)
SETTINGS = ENABLED.settings
OTHER_ACTIVE = replace(
    ENABLED,
    config=facts(
        ENABLED.config.data.replace(b'model_provider = "relay"', b'model_provider = "other"')
        + b'\n[model_providers.other]\nname = "Other"\nbase_url = "https://other.example/v1"\n'
    ).config,
)
UNFINISHED = replace(
    facts(), manifest=replace(ENABLED.manifest, state=ManifestState.RESTORED), settings=None, worker=None
)
TAKEN = PortFact(host="127.0.0.1", port=8787, state=PortState.FOREIGN, free_port=8788)
CATALOG = facts(
    ENABLED.config.data.replace(
        b'env_key = "RELAY_KEY"', b'requires_openai_auth = true\nmodel_catalog_url = "https://relay.example/c"'
    )
).config


AT = ENABLED.now.timestamp()
ANSWERED = new_record(SETTINGS.upstream_base, "m", "priority", AT).with_answer("fast", AT)
REFUSED = ANSWERED.with_refusal(AT)


def measured(*, faster: bool) -> Measurement:
    return Measurement(upstream_base=SETTINGS.upstream_base, model="m", tier="priority", at=AT, faster=faster)


BARRED = SystemFiles(requirements={"allow_managed_hooks_only": True})
CACHED = replace(ENABLED.runtime, temporary="/home/user/.cache/uv/archive-v0")
GONE = BrokenProgram(path="/gone/bin/python", reason="is not there any more")


@pytest.mark.parametrize(
    ("home", "check", "result"),
    [
        (replace(ENABLED, ownership=THEIRS), "home_owner", (False, "home_of_another_user")),
        (replace(ENABLED, ownership=LEFT), "home_owner", (False, "files_of_another_user")),
        (replace(ENABLED, unreadable=(("/f", "denied"),)), "home_owner", (False, "record_unreadable")),
        (facts(), "private_files", (True, "ok")),
        (
            replace(ENABLED, worker=worker_of(SETTINGS, service_tier_refused_by=["m"])),
            "tier_served",
            (True, "tier_refused"),
        ),
        (replace(ENABLED, tier_records=(ANSWERED,)), "tier_served", (True, "ok")),
        (replace(ENABLED, tier_records=(REFUSED,)), "tier_served", (True, "tier_refused")),
        (
            replace(ENABLED, tier_records=(ANSWERED,), measurements=(measured(faster=False),)),
            "tier_served",
            (True, "tier_ignored"),
        ),
        (
            replace(ENABLED, tier_records=(ANSWERED,), measurements=(measured(faster=True),)),
            "tier_served",
            (True, "ok"),
        ),
        (facts(), "proxy_settings", (True, "ok")),
        (UNFINISHED, "proxy_settings", (False, "not_enabled")),
        (replace(ENABLED, interrupted=("tx",)), "codex_config", (False, "interrupted")),
        (facts(home_exists=False), "codex_config", (False, "codex_home_missing")),
        (replace(facts(), config=replace(facts().config, doc=None)), "codex_config", (False, "config_unparseable")),
        (facts(b'[model_providers.a]\nname="A"'), "active_provider", (False, "ambiguous_provider")),
        (
            facts(b'model_provider="a"\n[model_providers.a]\nname="A"'),
            "provider_base_url",
            (False, "upstream_unknown"),
        ),
        (facts(codex_version=None), "runtime_source", (True, "codex_cli_missing")),
        (facts(login=LoginMode.UNKNOWN, codex_login=Login.NONE), "login_mode", (True, "ok")),
        (facts(LOGIN_CONFIG, login=LoginMode.UNKNOWN, codex_login=Login.NONE), "login_mode", (True, "login_unknown")),
        (facts(settings_error="broken"), "proxy_settings", (False, "settings_invalid")),
        (facts(), "config_points_to_proxy", (True, "ok")),
        (replace(ENABLED, config=facts().config), "config_points_to_proxy", (False, "config_not_proxy")),
        (facts(), "upstream_saved", (True, "ok")),
        (replace(ENABLED, settings=None), "upstream_saved", (False, "settings_missing")),
        (LOGIN_ENABLED, "upstream_auth", (False, "chatgpt_auth_preserved")),
        (replace(ENABLED, codex_login=Login.CHATGPT), "upstream_auth", (True, "ok")),
        (replace(ENABLED, environment=frozenset()), "upstream_auth", (False, "codex_key_unset")),
        (facts(environment=frozenset()), "upstream_auth", (False, "codex_key_unset")),
        (facts(LOGIN_CONFIG, codex_login=Login.UNREADABLE), "upstream_auth", (False, "auth_json_broken")),
        (facts(LOGIN_CONFIG, codex_login=Login.NONE), "upstream_auth", (False, "not_signed_in")),
        (replace(LOGIN_ENABLED, codex_login=Login.NONE), "upstream_auth", (False, "not_signed_in")),
        (facts(codex_login=Login.UNREADABLE), "login_mode", (True, "auth_json_broken")),
        (facts(login=LoginMode.CHATGPT, codex_login=Login.PERSONAL_ACCESS_TOKEN), "login_mode", (True, "ok")),
        (
            replace(ENABLED, config=CATALOG, settings=replace(SETTINGS, upstream_api_key_file=True)),
            "model_catalog",
            (False, "catalog_receives_login"),
        ),
        (replace(ENABLED, config=CATALOG), "model_catalog", (True, "ok")),
        (
            replace(ENABLED, settings=replace(SETTINGS, upstream_api_key_file=True)),
            "upstream_auth",
            (False, "upstream_auth_missing"),
        ),
        (
            replace(ENABLED, settings=replace(SETTINGS, upstream_api_key_env="RELAY_KEY")),
            "upstream_auth",
            (True, "upstream_auth_not_persistent"),
        ),
        (
            replace(ENABLED, worker=PortFact(host="127.0.0.1", port=8787, state=PortState.FREE)),
            "proxy_health",
            (False, "proxy_stopped"),
        ),
        (
            replace(ENABLED, worker=PortFact(host="127.0.0.1", port=8787, state=PortState.FOREIGN)),
            "proxy_health",
            (False, "port_in_use"),
        ),
        (facts(candidate=TAKEN), "proxy_port", (False, "port_in_use")),
        (facts(candidate=replace(TAKEN, state=PortState.FREE)), "proxy_port", (True, "ok")),
        (
            replace(ENABLED, worker=replace(ENABLED.worker, state=PortState.FOREIGN, other_user=True)),
            "proxy_port",
            (False, "port_of_another_user"),
        ),
        (replace(ENABLED, sharing_home="/other"), "proxy_port", (False, "port_shared")),
        (
            replace(ENABLED, settings=replace(SETTINGS, service_tier_policy=Policy.PRESERVE)),
            "proxy_pending_restart",
            (False, "settings_pending_restart"),
        ),
        (replace(ENABLED, worker=worker_of(SETTINGS, "f" * 16)), "proxy_runtime", (False, "runtime_stale")),
        (facts(CONFIG + b"[features]\nhooks = false\n"), "hooks_enabled", (False, "hooks_disabled")),
        (
            facts(CONFIG + b"[features]\nhooks = false\ncodex_hooks = true\n"),
            "hooks_enabled",
            (False, "hooks_disabled"),
        ),
        (facts(CONFIG + b"[features]\nhooks = true\ncodex_hooks = false\n"), "hooks_enabled", (True, "ok")),
        (replace(ENABLED, hook_entries=()), "startup_hook", (False, "startup_hook_missing")),
        (
            replace(ENABLED, hook_entries=(replace(ENABLED.hook_entries[0], enabled=False),)),
            "startup_hook",
            (False, "startup_hook_untrusted"),
        ),
        (
            replace(ENABLED, hook_entries=(former_hook(ENABLED),)),
            "startup_hook",
            (True, "startup_hook_not_isolated"),
        ),
    ],
)
def test_what_the_home_earns(home: Any, check: str, result: tuple[bool, str]) -> None:
    """One result for one fact."""
    assert result == codes(home)[check]


def test_a_provider_of_the_system_file_is_checked_as_one_of_config_toml() -> None:
    """Before an install and after it, each check has the same result, wherever the provider's table stands."""
    table = (
        'base_url = "http://relay.example/v1"\nrequires_openai_auth = true\n'
        'model_catalog_url = "https://relay.example/c"\nenv_key = "RELAY_KEY"\n'
    )
    config = f'model_provider = "relay"\n[model_providers.relay]\nname = "Relay"\n{table}'
    by_user = facts(config.encode())
    by_system = facts(b"", system=SystemFiles(config=tomllib.loads(config)))
    machine = replace(MACHINE, app_variables=frozenset())
    assert codes(by_user, machine) == codes(by_system, machine)
    expected = {
        "upstream_encryption": "upstream_unencrypted",
        "app_environment": "key_of_this_shell",
        "model_catalog": "ok",
    }
    assert expected == {name: codes(by_system, machine)[name][1] for name in expected}
    (one, other) = (run_checks(home, machine)["model_catalog"].detail for home in (by_user, by_system))
    assert one == other


def test_the_file_that_opts_out_is_named() -> None:
    """It need not be config.toml."""
    system = SystemFiles(config={"service_tier": "default"})
    policy = run_checks(replace(ENABLED, system=system), MACHINE)["service_tier_policy"]
    assert f'{system.layout.config} says service_tier = "default"' in policy.detail


@pytest.mark.parametrize("owner", [{"other_user": True}, {}])
def test_two_checks_of_a_taken_port_name_one_remedy(owner: dict[str, bool]) -> None:
    """`Stop that program` would stop the proxy of another home; and no proxy of this one serves any settings."""
    state = PortState.FOREIGN if owner else PortState.OTHER_HOME
    home = replace(ENABLED, worker=replace(ENABLED.worker, state=state, **owner))
    results = run_checks(home if owner else replace(home, sharing_home="/other"), MACHINE)
    assert results["proxy_port"].fix == results["proxy_health"].fix
    assert "uses the saved settings" not in results["proxy_pending_restart"].detail


def test_what_is_not_checked_is_said() -> None:
    """A system that shows no owner of a socket cannot tell the proxy from another user's program."""
    details = [
        run_checks(ENABLED, replace(MACHINE, shows_owners=shown))["proxy_health"].detail for shown in (True, False)
    ]
    assert [False, True] == ["another user" in detail for detail in details]


def test_a_config_that_does_not_parse_is_one_finding() -> None:
    """Of an enabled home too: no check guesses what it would say."""
    broken = replace(ENABLED, config=TextFact(data=b"a = [", doc=None, error="no end"))
    results = codes(broken)
    failed = {name for name, (ok, _) in results.items() if not ok}
    assert {"codex_config"} <= failed <= {"codex_config", "config_points_to_proxy"}
    assert {(True, "ok")} == {results[name] for name in OF_CONFIG}


def test_nothing_is_told_of_ports_from_inside_a_sandbox() -> None:
    """Each check that rests on a socket says so; the others go on."""
    results = codes(replace(ENABLED, is_walled=True))
    assert {(False, "inside_sandbox")} == {results[name] for name in OF_SOCKETS}
    assert {(True, "ok")} == {result for name, result in results.items() if name not in OF_SOCKETS}


@pytest.mark.parametrize("known", ["served", "not_served", "untried", None])
@pytest.mark.parametrize("base", [SETTINGS.upstream_base, "https://other.example/v1"])
def test_what_the_upstream_is_known_to_serve(known: str | None, base: str) -> None:
    """The worker's knowledge of WebSocket is reported, unless it serves another upstream or is of 0.1.0."""
    health = parse_health({**ENABLED.worker.health.raw, "upstream_base": base, "upstream_websocket": known})
    home = replace(ENABLED, worker=replace(ENABLED.worker, health=health))
    result = run_checks(home, MACHINE)["upstream_saved"]
    reported = known if base == SETTINGS.upstream_base else None
    assert (reported, reported is not None) == (result.evidence["websocket"], "WebSocket" in result.detail)


@pytest.mark.parametrize(
    ("machine", "home", "check", "result"),
    [
        ({"proxies": ("HTTP_PROXY",)}, ENABLED, "proxy_settings", (True, "loopback_through_proxy")),
        ({}, OTHER_ACTIVE, "active_provider", (True, "provider_not_active")),
        ({"provider": "other"}, OTHER_ACTIVE, "active_provider", (True, "ok")),
        ({}, replace(ENABLED, system=BARRED), "hooks_enabled", (True, "hooks_disabled_by_policy")),
        ({}, replace(ENABLED, system=BARRED), "startup_hook", (True, "hooks_disabled_by_policy")),
        (
            {"cli_login": Login.API_KEY},
            replace(ENABLED, login=LoginMode.UNKNOWN),
            "login_mode",
            (True, "login_in_keyring"),
        ),
        ({"model": "m", "model_tiers": ()}, ENABLED, "service_tier_policy", (True, "ok")),
        (
            {"model": "m", "model_tiers": ()},
            replace(ENABLED, login=LoginMode.CHATGPT),
            "service_tier_policy",
            (True, "model_without_tier"),
        ),
        (
            {
                "open_files": (("/state/provider-auth.json", ("Users",)),),
                "open_secrets": (("/auth.json", ("Users",)),),
            },
            ENABLED,
            "private_files",
            (False, "files_open_to_others"),
        ),
        (
            {"open_secrets": (("/auth.json", ("Users",)),)},
            ENABLED,
            "private_files",
            (True, "codex_files_open_to_others"),
        ),
        (
            {},
            replace(ENABLED, codex=listing_of(ENABLED, "modified")),
            "startup_hook",
            (False, "startup_hook_untrusted"),
        ),
        ({}, replace(ENABLED, codex=listing_of(ENABLED, "trusted")), "startup_hook", (True, "ok")),
        ({}, replace(ENABLED, runtime=CACHED), "startup_hook", (True, "startup_hook_python_temporary")),
        ({}, replace(ENABLED, broken_hook=GONE), "startup_hook", (False, "startup_hook_program_broken")),
        ({"sharing_distributions": ("a",)}, ENABLED, "module_names", (False, "modules_of_another_package")),
        ({"namesakes": ("/here/journal.py",)}, ENABLED, "module_names", (True, "modules_shadowed")),
        ({"stale_skill": "/python3.11/skill"}, ENABLED, "skill_link", (True, "skill_link_stale")),
        ({"versioned_python": "/Cellar"}, ENABLED, "startup_hook", (True, "startup_hook_python_versioned")),
        ({"app_variables": frozenset()}, ENABLED, "app_environment", (True, "key_of_this_shell")),
        ({"app_variables": frozenset()}, facts(), "app_environment", (True, "key_of_this_shell")),
        ({"app_variables": frozenset({"RELAY_KEY"})}, ENABLED, "app_environment", (True, "ok")),
        ({"app_variables": frozenset()}, LOGIN_ENABLED, "app_environment", (True, "ok")),
        ({"app_variables": frozenset()}, facts(environment=frozenset()), "app_environment", (True, "ok")),
        ({"install_error": Refused("nothing_asked")}, facts(), "install_possible", (False, "nothing_asked")),
        ({}, facts(), "install_possible", (True, "ok")),
        (
            {"online_error": Failed("upstream_dns", host="h", reason="r")},
            facts(),
            "provider_answers",
            (False, "upstream_dns"),
        ),
        (
            {"online": {**ANSWER, "service_tier_refused": True, "service_tier_request": "priority"}},
            facts(),
            "provider_answers",
            (True, "tier_refused"),
        ),
        (
            {"online": ANSWER},
            facts(),
            "provider_answers",
            (True, "ok"),
        ),
    ],
)
def test_what_the_machine_adds(machine: dict[str, Any], home: Any, check: str, result: tuple[bool, str]) -> None:
    """Advice about the surroundings never makes doctor fail; Codex's own word on the hook and a refusal do."""
    assert result == codes(home, replace(MACHINE, **machine))[check]
