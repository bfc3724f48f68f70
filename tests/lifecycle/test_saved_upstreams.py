"""Saved upstreams, in any order of commands: each key stays with its provider, and the user's files come back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from cfp.codex.config_toml import parse
from cfp.core.keys.provider_auth import stored_keys
from cfp.core.provider import active_provider, provider_url
from cfp.core.settings import Settings
from cfp.core.upstreams.saved import parse_upstreams
from tests.crash.commands import CONFIG, HOOKS, INSTALL
from tests.crash.sizes import size
from tests.homes.site import ENVIRONMENT, CommandAnswer, Site, host_on, in_memory, run_on

SEQUENCES = size("SEQUENCES", 50, 3_000)
HOME_URL, OTHER_URL, THIRD_URL = (f"https://{name}.example/v1" for name in ("relay", "other", "third"))
SECOND_URL = "https://relay.example/v2"  # for the same key
# The keys of each provider: two accounts at the third.
OWNERS = {
    ENVIRONMENT["RELAY_KEY"]: HOME_URL,
    ENVIRONMENT["OTHER_KEY"]: OTHER_URL,
    "canary-third-1": THIRD_URL,
    "canary-third-2": THIRD_URL,
}
NAMES = ("one", "two", "three")
Route = tuple[str, str | None]  # flags, and the key that is entered
Act = tuple[str, str | None]  # a command line, and the key that is entered
ROUTES: tuple[Route, ...] = (
    ("", None),
    (f" --upstream-base {HOME_URL} --clear-upstream-auth", None),
    (f" --upstream-base {OTHER_URL} --upstream-api-key-env OTHER_KEY --service-tier-policy preserve", None),
    (f" --upstream-base {THIRD_URL} --from-stdin", "canary-third-1"),
    (f" --upstream-base {THIRD_URL} --from-stdin --pass-rate-limits", "canary-third-2"),
)
ADDS = st.builds(
    lambda name, route, replaces: (f"upstream add {name}{route[0]}{' --replace' * replaces}", route[1]),
    st.sampled_from(NAMES),
    st.sampled_from(ROUTES),
    st.booleans(),
)
NAMED = st.builds(
    lambda verb, name: (f"upstream {verb} {name}" + " --no-verify" * (verb == "use"), None),
    st.sampled_from(["use", "use", "use", "remove"]),
    st.sampled_from(NAMES),
)
OTHERS = st.sampled_from(
    [
        "prepare-chatgpt-login --apply",
        "set-upstream --no-verify --service-tier-policy inject_missing",
        "set-upstream --no-verify --service-tier-policy auto --restart",
        f"set-upstream --no-verify --upstream-base {SECOND_URL} --restart",
        f"set-upstream --no-verify --upstream-base {HOME_URL} --clear-upstream-auth",
        "set-upstream --no-verify --use-provider-auth-file",
        "prepare-chatgpt-login --apply",
        "fast add --kind subagent --action remove",
        "uninstall --keep-state",
        "uninstall --defer-stop",
        INSTALL,
        INSTALL,
        INSTALL,
        "start",
    ]
).map(lambda line: (line, None))


@dataclass
class Life:
    """A home, and the commands that it has seen."""

    site: Site = field(default_factory=lambda: in_memory({"config.toml": CONFIG, "hooks.json": HOOKS}))
    seen: list[str] = field(default_factory=list)

    def run(self, line: str, key: str | None = None) -> CommandAnswer:
        site = self.site
        site.computer.seconds += 1
        host = replace(host_on(site.home, site.computer), enter_key=lambda: key or "")
        answer = run_on(host, line.split())
        self.seen.append(f"{line}: {answer.status} {answer.refusal}")
        assert answer.code in {0, 2, 3}, (self.seen, answer.text)
        assert "canary" not in answer.text, (self.seen, answer.text)
        return answer

    def key_of(self, served: Settings) -> str | None:
        """Return the key that a worker with these settings sends: its own, else the one of Codex's table."""
        if served.upstream_api_key_env is not None:
            return ENVIRONMENT[served.upstream_api_key_env]
        if served.upstream_api_key_file:
            return stored_keys(self.site.disk.read(self.site.home.layout.provider_auth)).get(served.key_entry)
        return ENVIRONMENT["RELAY_KEY"]

    def check(self) -> None:
        """Each running worker sends a provider its own key alone; config.toml has one provider, always the same."""
        layout, disk = self.site.home.layout, self.site.disk
        for worker in self.site.computer.workers.values():
            key = self.key_of(worker.settings)
            url = worker.settings.upstream_base.replace(SECOND_URL, HOME_URL)
            assert key is not None, self.seen
            assert OWNERS[key] == url, self.seen
        config = parse(disk.read(layout.config))
        assert "relay" == active_provider(config), self.seen
        for name in ("upstreams.json", "settings.json"):
            assert b"canary" not in (disk.read(layout.state / name) or b""), self.seen
        saved = parse_upstreams(disk.read(layout.upstreams))
        own = {name for name in stored_keys(disk.read(layout.provider_auth)) if name != "relay"}
        assert own == {one.entry for one in saved.values() if one.upstream_api_key_file}, self.seen


@settings(max_examples=SEQUENCES, deadline=None)
@given(
    routes=st.tuples(*[st.sampled_from(ROUTES)] * len(NAMES)),
    acts=st.lists(st.one_of(NAMED, ADDS, NAMED, OTHERS, NAMED), max_size=12),
)
def test_each_key_stays_with_its_provider(routes: tuple[Route, ...], acts: list[Act]) -> None:
    """In any order of commands no provider is sent another one's key, and an uninstall gives the bytes back."""
    life = Life()
    assert life.run(INSTALL).code == 0
    saved = [(f"upstream add {name}{flags}", key) for name, (flags, key) in zip(NAMES, routes, strict=True)]
    for line, key in (*saved, *acts):
        before = life.run("upstream list").json
        answer = life.run(line, key)
        life.check()
        after = life.run("upstream list").json
        active = [one["name"] for one in after["upstreams"] if one["active"]]
        assert active == [after["active"]] if after["active"] else active == [], life.seen
        if line.startswith("upstream use") and not answer.refusal:
            (one,) = (one for one in after["upstreams"] if one["active"])
            assert (line.split()[2], False) == (one["name"], one["changed"]), life.seen
            (worker,) = life.site.computer.workers.values() or [None]
            assert worker is None or one["upstream_base"] == worker.settings.upstream_base, life.seen
        if answer.refusal:
            assert before == after, life.seen
    _leaves(life)


def _leaves(life: Life) -> None:
    gone = life.run("uninstall")
    assert (0, "removed") == (gone.code, gone.json["files"]), (life.seen, gone.text)
    left = life.site.disk.read(life.site.home.layout.config)
    url = provider_url(parse(left), "relay")
    moved = any(line.startswith("set-upstream") and SECOND_URL in line for line in life.seen)
    assert url == HOME_URL or (moved and url == SECOND_URL), life.seen
    assert CONFIG == (left or b"").replace(str(url).encode(), HOME_URL.encode()), life.seen
    assert [] == life.site.disk.names(life.site.home.layout.state), life.seen
