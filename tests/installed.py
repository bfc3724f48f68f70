"""Every verb of an installed program, as its user runs it: the life of a Codex home from first look to last file.

    python tests/installed.py INSTALLER WORD...

The words start the program, wherever it was installed; INSTALLER is the tool that did it: uv, pipx or pip, or `once`
where a cache holds it (`uvx`, `pipx run`): then what lasts is refused, and the rest works. The home is temporary, and
the provider the embedded one of the program itself. Standard library only: nothing of the checkout is imported. A
Codex CLI on PATH takes a turn. Exits 1 with the first step that is not as it should be.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from typing import Any
from urllib.parse import urljoin

KEY = "sk-a-key-of-the-story"
CONFIG = """\
# mine, with its spelling
model = "gpt-5.5"
model_provider = 'relay'

[model_providers.relay]
name     = "Relay"
base_url = "{base_url}"   # do not lose this
env_key  = "RELAY_KEY"
wire_api = "responses"
"""
_SERVE = """\
import sys
from cfp.demo.provider import DemoProvider
with DemoProvider(key=sys.argv[1]) as provider:
    print(provider.base_url, flush=True)
    sys.stdin.read()
"""
# The skill's folder: each page that the agent is led to.
PAGES = (
    *("SKILL.md", "README.md", "docs/troubleshooting.md", "docs/reference.md", ".codex-plugin/plugin.json"),
    *(f".codex/{name}.md" for name in ("INSTALL", "UPDATE", "SET_UPSTREAM", "UNINSTALL")),
)


@dataclass(slots=True)
class Story:
    """One home on this machine; `program` are the words that start ours, `verbs` those that ran so far."""

    program: tuple[str, ...]
    root: Path
    verbs: set[str] = field(default_factory=set)

    @property
    def home(self) -> Path:
        return self.root / "user" / ".codex"

    @property
    def environ(self) -> dict[str, str]:
        kept = ("PATH", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "NUMBER_OF_PROCESSORS")
        user = str(self.home.parent)
        return {
            **{name: os.environ[name] for name in kept if name in os.environ},
            **{name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_", "PIPX_"))},
            "HOME": user,
            "USERPROFILE": user,
            "CODEX_HOME": str(self.home),
            "RELAY_KEY": KEY,
            **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self.root / "tmp")),
            # Even a Codex on PATH leaves this machine by no way.
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1,localhost",
            "PYTHONUTF8": "1",
        }

    def run(self, *words: str, code: int = 0) -> str:
        """Run a verb in a folder of the user's; return its stdout. Fails where it exits otherwise."""
        self.verbs.add(words[0])
        done = subprocess.run(
            [*self.program, *words],
            cwd=self.root / "work",
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        if done.returncode != code:
            raise AssertionError(f"{' '.join(words)} exits {done.returncode}\n{done.stdout}\n{done.stderr}")
        if KEY in done.stdout + done.stderr:
            raise AssertionError(f"{' '.join(words)} prints the key")
        return done.stdout

    def ask(self, *words: str, code: int = 0, **fields: Any) -> dict[str, Any]:
        """Run a verb that prints one object; fails where one of these fields is another; `code_` is `code`."""
        answer: dict[str, Any] = json.loads(self.run(*words, code=code))
        fields = {name.rstrip("_"): value for name, value in fields.items()}
        wrong = {name: answer.get(name) for name, value in fields.items() if answer.get(name) != value}
        if wrong:
            raise AssertionError(
                f"{' '.join(words)} has {wrong} in place of {fields}\n{json.dumps(answer, indent=2)}"
            )
        return answer


def must(truth: object, sentence: str) -> None:
    """Fail with this sentence."""
    if not truth:
        raise AssertionError(sentence)


@contextmanager
def provider(python: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Run the program's own embedded provider; yield its URL."""
    words = [python, "-I", "-c", _SERVE, KEY]
    with subprocess.Popen(words, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            process.communicate("")


def get(url: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Return status and body, without any outbound proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    with opener.open(urllib.request.Request(url, body, headers if body else {}), timeout=20) as response:  # noqa: S310  loopback
        return response.status, response.read()


def before_the_install(story: Story) -> None:
    """Look at the home, print what shells need, and try the whole story of the demo."""
    story.run("serve", "--help")
    for shell in ("bash", "zsh", "fish"):
        must("codex-fast-proxy" in story.run("completion", shell), f"completion for {shell}")
    story.ask("demo", status="passed")
    story.ask("status", status="stopped")


def a_session_without_an_install(story: Story) -> None:
    """Run Codex through a temporary proxy, where there is one."""
    if which("codex") is None:
        story.ask("run", "--", "codex", code=2, status="error")
        return
    answer = story.run("run", "--quiet", "--", "codex", "exec", "--skip-git-repo-check", "Say hello")
    must("Hello from the embedded upstream" in answer, "Codex prints the provider's words")


def switched_on(story: Story, base_url: str) -> None:
    """Enable the proxy, send it a request, and look at it in every way."""
    story.ask("install", "--dry-run", status="planned")
    must(not (story.home / "codex-fast-proxy-state").exists(), "a dry run writes nothing")
    story.ask("prepare-chatgpt-login", status="dry_run")
    installed = story.ask("install", "--start", "--port", str(free_port()), status="installed")
    must(installed["upstream_base"] == base_url, "requests go on to the provider")
    story.ask("start", status="already_running")
    must(not story.run("autostart", "--quiet"), "the hook says nothing where all is well")
    story.ask("stop", code=2)
    turn = {"model": "gpt-5.5", "stream": True, "input": "Say hello", "store": False}
    status, body = get(f"{installed['base_url']}/responses", json.dumps(turn).encode())
    must(status == 200 and b"response.completed" in body, "a turn ends well")
    until(lambda: '"POST"' in story.run("logs", "--lines", "5"), "the log has the turn")
    must(story.ask("usage", "--by", "model")["rows"], "its tokens are counted")
    url = story.ask("dashboard", "--no-open")["url"]
    for path in ("", *re.findall(r'(?:src|href)="([^"#:]+)"', get(url)[1].decode())):
        must(get(urljoin(url, path))[0] == 200, f"the page has {path}")
    must(story.ask("status", status="running")["diagnosis"]["code"] == "ready", "the proxy is ready")
    story.ask("doctor", status="ok")


def changed(story: Story, base_url: str) -> None:
    """Rules, saved routes, another URL, a measurement."""
    story.ask("fast", "add", "--kind", "subagent", "--action", "remove")
    story.ask("fast", "test", "--kind", "subagent")
    story.ask("fast", "remove", "1")
    story.ask("upstream", "add", "main")
    must(story.ask("upstream", "list")["upstreams"], "the route is saved")
    story.ask("upstream", "add", "spare", "--upstream-base", f"{base_url}/")
    story.ask("upstream", "use", "spare")
    story.ask("upstream", "use", "main")
    story.ask("upstream", "remove", "spare")
    story.ask("verify-upstream", "--upstream-base", base_url, status="verified")
    story.ask("set-upstream", "--service-tier-policy", "preserve", status="upstream_updated")
    story.ask("start", status="restarted")
    story.ask("benchmark", "--mode", "direct", "--pairs", "1", "--profile", "smoke", "--no-save", status="completed")
    story.ask("journal", "list")
    story.ask("recover", status="clean")


def skill(story: Story, installer: str) -> None:
    """The skill for agents is in the package, whole, and the program knows how it was installed."""
    target = Path(story.ask("link-skill", status="linked")["target"])
    link = story.home.parent / ".agents" / "skills" / "codex-fast-proxy"
    must([] == [page for page in PAGES if not (link / page).is_file()], f"the pages of {target}")
    story.ask("link-skill", status="already_linked")
    story.ask("unlink-skill", status="unlinked")
    must(not link.exists(), "the link is gone")
    story.ask("check-update", status="checked", installed_as="package", installed_by=installer)


def switched_off(story: Story, config: bytes) -> None:
    """Give everything back."""
    story.ask("uninstall", "--defer-stop", status="uninstalled", config_restore="restored")
    story.ask("uninstall", status="uninstalled", files="removed")
    must(config == (story.home / "config.toml").read_bytes(), "config.toml is as it was, to the byte")
    left = {path.name for path in story.home.iterdir() if "codex-fast-proxy" in path.name}
    must(not left, f"nothing of ours is left: {left}")


def until(holds: Callable[[], bool], sentence: str) -> None:
    """Await it for ten seconds."""
    end = time.monotonic() + 10
    while not holds():
        must(time.monotonic() < end, sentence)


def free_port() -> int:
    """Return a port of loopback that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def for_this_once(story: Story) -> None:
    """Run the program from a cache: what would write its path elsewhere refuses, and names the line that lasts."""
    for words in (["install", "--start"], ["install", "--dry-run"], ["link-skill"]):
        refused = story.ask(*words, code=2, code_="program_place_temporary", changed=False)
        must(
            re.search(r"`(uv tool|pipx) install ", refused["next_user_action"]), "the line that installs it for good"
        )
    must("cache" in story.ask("check-update", status="checked")["message"], "there is nothing to update")
    story.ask("uninstall", status="uninstalled")


def tell(program: tuple[str, ...], installer: str) -> set[str]:
    """Run the whole story; return the verbs that ran. Raises AssertionError at the first step that is wrong."""
    with tempfile.TemporaryDirectory(prefix="installed-", ignore_cleanup_errors=True) as folder:
        story = Story(program, Path(folder).resolve())
        for place in (story.home, story.root / "work", story.root / "tmp"):
            place.mkdir(parents=True)
        checks = json.loads(story.run("doctor", code=2))["checks"]
        python = next(check["evidence"]["executable"] for check in checks if check["name"] == "python")
        with provider(python, story.environ) as base_url:
            config = CONFIG.format(base_url=base_url).encode()
            (story.home / "config.toml").write_bytes(config)
            try:
                before_the_install(story)
                a_session_without_an_install(story)
                if installer == "once":
                    for_this_once(story)
                else:
                    story.ask("doctor", status="ok")
                    switched_on(story, base_url)
                    changed(story, base_url)
                    skill(story, installer)
                    switched_off(story, config)
            except BaseException:
                story.run("uninstall", "--force")
                raise
        listed = set(re.findall(r"^  ([a-z]+(?:-[a-z]+)*)  +\w", story.run("--help"), re.MULTILINE))
        must(
            installer == "once" or listed == story.verbs - {"--help"},
            f"verbs that did not run: {listed - story.verbs}",
        )
        return story.verbs


def main(words: list[str]) -> int:
    """Tell it of the program that the command line names."""
    installer, *program = words
    began = time.monotonic()
    try:
        verbs = tell(tuple(program), installer)
    except AssertionError as error:
        sys.stderr.write(f"{' '.join(program)}: {error}\n")
        return 1
    sys.stdout.write(f"{' '.join(program)}: {len(verbs)} verbs in {time.monotonic() - began:.0f} s\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
