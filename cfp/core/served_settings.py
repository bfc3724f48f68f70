"""The settings that the worker serves: a row each, for its command line, its health answer and their comparison.

Imported by the SessionStart hook's no-op path, so it imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing would cost the hook more than this module does
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Final

TEXT = "text"  # --flag VALUE
NUMBER = "number"  # --flag DIGITS
SWITCH = "switch"  # --flag, for True
LISTED = "listed"  # --flag VALUE for each value


class ServedSetting:
    """One setting.

    name      of the field in settings.json and in the health answer
    flag      on the worker's command line
    kind      TEXT, NUMBER, SWITCH or LISTED
    metavar   the value's name in `serve --help`
    help      its sentence there
    compared  whether a worker with another value serves other settings; the address is that of the health request,
              and the catalogue is served in any case
    """

    __slots__ = ("compared", "flag", "help", "kind", "metavar", "name")

    def __init__(self, name: str, flag: str, kind: str, metavar: str, help: str, *, compared: bool = True) -> None:  # noqa: A002  argparse's own name
        self.name = name
        self.flag = flag
        self.kind = kind
        self.metavar = metavar
        self.help = help
        self.compared = compared


# fmt: off
SERVED_SETTINGS: Final = (
    #             name                     flag                        kind    metavar    help
    ServedSetting("provider",              "--provider",               TEXT,   "NAME",
                  "whose saved key is sent, with --use-provider-auth-file"),
    ServedSetting("host",                  "--host",                   TEXT,   "ADDRESS",
                  "loopback address to serve (default: 127.0.0.1)", compared=False),
    ServedSetting("port",                  "--port",                   NUMBER, "NUMBER",
                  "port to serve (default: 8787)", compared=False),
    ServedSetting("proxy_base",            "--proxy-base",             TEXT,   "PATH",
                  "path prefix on our side (default: /v1)"),
    ServedSetting("upstream_base",         "--upstream-base",          TEXT,   "URL",
                  "the provider's URL"),
    ServedSetting("service_tier",          "--service-tier",           TEXT,   "TIER",
                  "the tier to inject (default: priority)"),
    ServedSetting("service_tier_policy",   "--service-tier-policy",    TEXT,   "POLICY",
                  "auto, inject_missing or preserve"),
    ServedSetting("upstream_api_key_env",  "--upstream-api-key-env",   TEXT,   "NAME",
                  "send the key in this environment variable"),
    ServedSetting("upstream_api_key_file", "--use-provider-auth-file", SWITCH, "",
                  "send the key that prepare-chatgpt-login keeps"),
    ServedSetting("upstream_api_key_entry", "--provider-auth-entry",   TEXT,   "ENTRY",
                  "the key's entry in that file (default: the provider's)"),
    ServedSetting("upstream",              "--upstream",               TEXT,   "NAME",
                  "the saved upstream that these settings come from", compared=False),
    ServedSetting("pass_rate_limits",      "--pass-rate-limits",       SWITCH, "",
                  "add no Retry-After to a 429 about a rate limit"),
    ServedSetting("fast_requests_a_day",   "--fast-requests-a-day",    NUMBER, "NUMBER",
                  "requests with Fast on a day; the next ones go without"),
    ServedSetting("fast_tokens_a_day",     "--fast-tokens-a-day",      NUMBER, "NUMBER",
                  "tokens of requests with Fast on a day; the next requests go without"),
    ServedSetting("catalogue",             "--catalogue",              SWITCH, "",
                  "Codex reads its catalogue of models here; it is served in any case", compared=False),
    ServedSetting("service_tier_rules",    "--service-tier-rule",      LISTED, "RULE",
                  "a rule of `fast add`, such as 'remove kind=subagent'; the first that matches decides"),
)
# fmt: on

COMPARED: Final = tuple(setting.name for setting in SERVED_SETTINGS if setting.compared)


def arguments(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the worker's arguments for settings.json's fields; a setting that is None or False has none."""
    for setting in SERVED_SETTINGS:
        value = settings[setting.name]
        if setting.kind == LISTED:
            for one in value:
                yield setting.flag
                yield one
        elif setting.kind == SWITCH:
            if value:
                yield setting.flag
        elif value is not None:
            yield setting.flag
            yield str(value)


def serves(health: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether a health answer reports every compared setting with the value that settings.json has."""
    return all(_is_same(setting, health, settings) for setting in SERVED_SETTINGS if setting.compared)


def _is_same(setting: ServedSetting, health: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    # An older settings.json, or an older worker, lacks the newest.
    if setting.kind == SWITCH:
        return bool(health.get(setting.name)) == bool(settings.get(setting.name))
    if setting.kind == LISTED:
        return list(health.get(setting.name) or ()) == list(settings.get(setting.name) or ())
    return bool(health.get(setting.name) == settings.get(setting.name))
