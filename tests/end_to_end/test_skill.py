"""An agent with the skill in the real Codex: what it is offered and does, what its user is told, and what is left."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.agent import Answer, Model, Skill, Talk, ThinkingListener, advised, has, offer, report
from tests.end_to_end.app import opened
from tests.end_to_end.harness import KEY, KEY_ENV, Machine, api_key_login, chatgpt_login, login_config
from tests.house.source import REPOSITORY

pytestmark = pytest.mark.posix("the stand-in writes lines of a POSIX shell")

OFF = "to stop it, switch it off or remove it"
# With a ChatGPT login each turn would wait for OpenAI's plug-ins, which no network leads to.
FREE = ("-c", 'sandbox_mode="danger-full-access"', "-c", "features.apps=false")
# Fields of a part of an answer (a check, a sample), and those that only Windows has.
ELSEWHERE = {"ok", "count", "error_type", "chatgpt_login_windows_troubleshooting"}
INSTALL = ("`install`:", "`install` and")
STATUS = "`status`, `doctor`"
DEFERRED, WARNED, UNCONFIRMED = (
    *("`uninstall --defer-stop`", "`uninstall` with `direct_upstream_auth_warning`"),
    "`uninstall` with `status` `confirmation_required`",
)


@dataclass(slots=True)
class Session:
    """A user's machine with the skill, and the agent that they talk to."""

    machine: Machine
    model: Model
    flags: tuple[str, ...] = FREE

    def say(self, words: str, think: Callable[[Skill], Talk], *, on: bool = False) -> tuple[list[Answer], str]:
        """Say something in a new conversation, or go `on`; return the answers of the commands and the last words."""
        self.model.think = think
        ran = self.machine.codex_exec(*(("resume", "--last") if on else ()), *self.flags, prompt=words)
        self.model.think = None  # other turns have the usual reply
        self.check()
        assert ran.code == 0, ran.transcript
        return self.skill.answers, ran.stdout.strip()

    @property
    def skill(self) -> Skill:
        """The page as the agent has read it last."""
        assert self.model.skill is not None
        return self.model.skill

    def settle(self) -> None:
        """Let Codex make its own changes of the home: 0.150 writes into config.toml that it trusts the folder."""
        self.machine.settle()
        assert 0 == self.machine.codex_exec(*self.flags).code

    def check(self) -> None:
        """Raise what went wrong in a talk."""
        assert self.model.requests
        for error in self.model.errors:
            raise error

    def bodies(self) -> list[str]:
        """Return the bodies of the whole conversation with the model."""
        return [json.dumps(request.json()) for request in self.model.requests]


@pytest.fixture
def session(codex: Machine) -> Iterator[Session]:
    """A user whose login shell finds the program, with the skill linked; no key may come up in the conversation."""
    model = Model()
    with ThinkingListener(model, key=KEY) as upstream:
        codex.upstream = upstream
        checkout = codex.root / "checkout"
        checkout.mkdir()
        shutil.copy(REPOSITORY / "SKILL.md", checkout)
        (checkout / ".venv").symlink_to(sys.prefix)
        assert codex.codex is not None
        places = (Path(sys.prefix) / "bin", codex.codex.parent)
        (codex.home.parent / ".profile").write_text(f'PATH="{":".join(map(str, places))}:$PATH"\n')
        assert "linked" == codex.cfp("link-skill", "--repo-root", str(checkout)).json["status"]
        session = Session(codex, model)
        yield session
        secrets = (KEY, "rt-canary", "c2ln")  # of the login, its refresh token and a token's end
        assert [] == [secret for secret in secrets for body in session.bodies() if secret in body]


def lacking(answer: Answer, names: Collection[str]) -> set[str]:
    """Return the fields that the page names and the answer lacks."""
    return {name for name in names if not has(answer, name)} - ELSEWHERE


def own_files(machine: Machine) -> list[bytes]:
    """Return the files that an install writes and traffic does not."""
    places = (machine.config, machine.hooks, machine.state / "settings.json", machine.state / "install-manifest.json")
    return [path.read_bytes() for path in places]


def front_matter(name: str) -> str:
    """Return a value at the head of SKILL.md."""
    match = re.search(rf"^{name}: (.*)$", (REPOSITORY / "SKILL.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert match is not None
    return match[1]


def looking(skill: Skill) -> Talk:
    """Say how the proxy is."""
    (status,) = skill.commands("to know whether the proxy is well")
    answer = yield from skill.run(status)
    return report(answer, skill.fields(STATUS))


def finishing(skill: Skill) -> Talk:
    """Finish an uninstall after the restart."""
    answer = yield from skill.run(skill.commands(OFF)[1])
    return report(answer, skill.fields(DEFERRED))


def test_from_the_first_word_to_the_last_byte(session: Session) -> None:
    """The agent looks, enables, says how it is, and removes it; each time the user is told what the page names."""
    machine = session.machine
    machine.relay()
    session.settle()
    (machine.home.parent / ".profile").unlink()  # the program is beside the page alone
    before = machine.files()

    def enabling(skill: Skill) -> Talk:
        doctor, _, dry_run = skill.commands("to know whether it would work here")
        possible = yield from skill.run(doctor)
        obstacles = {check["code"] for check in possible["checks"] if not check["ok"]}
        assert obstacles <= {"port_in_use"}  # of 8787, where another program of this machine may listen
        planned = yield from skill.run(f"{dry_run} --port {machine.port}")
        assert "planned" == planned["status"]
        (install,) = skill.commands('Fast, or "enable the proxy"')
        answer = yield from skill.run(f"{install} --port {machine.port}")
        return report(answer, skill.fields(*INSTALL))

    answers, words = session.say(f"enable Codex Fast proxy; take port {machine.port}", enabling)
    skill = session.skill
    assert (REPOSITORY / "SKILL.md").read_text(encoding="utf-8") == skill.page  # Codex cuts long outputs of a tool
    assert skill.program.endswith("/.venv/bin/codex-fast-proxy")
    assert ["planned", "installed"] == [answer["status"] for answer in answers[1:]]
    assert set() == lacking(answers[-1], skill.fields(*INSTALL))
    assert answers[-1]["next_user_action"] in words
    assert answers[-1]["chatgpt_login_hint"]["message"] in words
    line = offer(session.model.requests[0].json())
    assert front_matter("description") in line

    (status,), words = session.say("Is the Codex Fast proxy healthy?", looking)
    assert ("running", "ready") == (status["status"], status["diagnosis"]["code"])
    assert set() == lacking(status, skill.fields(STATUS))
    assert status["diagnosis"]["message"] in words
    assert "priority" == session.model.requests[-1].json()["service_tier"]  # this conversation has gone through it

    def switching_off(skill: Skill) -> Talk:
        answer = yield from skill.run(skill.commands(OFF)[0])
        return report(answer, skill.fields(DEFERRED))

    (off,), words = session.say("Stop using the Codex Fast proxy", switching_off)
    assert ("uninstalled", "deferred") == (off["status"], off["stop_result"]["status"])
    assert set() == lacking(off, skill.fields(DEFERRED))
    assert off["next_user_action"] in words
    (done,), words = session.say("I have restarted Codex. Finish the uninstall.", finishing)
    assert ("stopped", "removed") == (done["stop_result"]["status"], done["files"])
    assert "service_tier" not in session.model.requests[-1].json()
    after = {name: value for name, value in machine.files().items() if not name.startswith("backups")}
    assert before == after
    assert [] == machine.workers()


def test_an_uninstall_in_its_own_session(session: Session) -> None:
    """Also without --defer-stop a session keeps its proxy until its restart; another session is no reason to wait."""
    machine = session.machine
    machine.relay()
    session.settle()
    machine.install()

    def cutting(skill: Skill) -> Talk:
        answer = yield from skill.run("uninstall")
        return report(answer, ["message"])

    (deferred,), words = session.say("uninstall the Codex Fast proxy at once", cutting)
    assert ("restored", "deferred") == (deferred["config_restore"], deferred["stop_result"]["status"])
    assert deferred["message"] in words
    (done,), _ = session.say("I have restarted", finishing, on=True)
    assert ("stopped", "removed") == (done["stop_result"]["status"], done["files"])

    machine.install()
    machine.turn()
    machine.environ["CODEX_THREAD_ID"] = "another"
    assert "stopped" == machine.cfp("uninstall").json["stop_result"]["status"]


def test_is_it_faster(session: Session) -> None:
    """The free verdict comes first; what costs quota waits for the user's yes, and is told with its counts."""
    machine = session.machine
    machine.relay()
    machine.install()

    def weighing(skill: Skill) -> Talk:
        status, *_ = skill.commands("to know whether the provider supports Fast")
        answer = yield from skill.run(status)
        return report(answer, ["tier_verdicts"]) + "\nOnly a benchmark is sure. It costs quota: shall I run it?"

    def measuring(skill: Skill) -> Talk:
        *_, benchmark = skill.commands("to know whether the provider supports Fast")
        answer = yield from skill.run(f"{benchmark} --mode direct --profile smoke --pairs 2 --no-save")
        return report(answer, skill.fields("`benchmark`"))

    (status,), words = session.say("Does my provider support Fast?", weighing)
    assert ["echo_uninformative"] == [verdict["verdict"] for verdict in status["tier_verdicts"]]
    assert "which proves nothing" in words
    before = len(machine.upstream.turns)
    (measured,), words = session.say("Yes, two pairs of the small direct kind", measuring, on=True)
    assert set() == lacking(measured, session.skill.fields("`benchmark`"))
    assert (2, 2, "direct") == (measured["default"]["ok"], measured["priority"]["count"], measured["benchmark_mode"])
    assert "smoke" in words
    assert 4 + 3 == len(machine.upstream.turns) - before  # its samples, and the three requests of this conversation


def keeping_the_key(skill: Skill) -> Talk:
    """After the user's yes: save the key and try it, by the commands that the answers name; then look."""
    (apply,) = advised((yield from skill.run(skill.commands("to sign in with ChatGPT")[0])))
    (use,) = advised((yield from skill.run(apply)))
    saved = yield from skill.run(use)
    status = yield from skill.run("status")
    return "\n".join((report(saved, skill.fields("`install` and")), report(status, ["chatgpt_login_hint"])))


def applying(skill: Skill) -> Talk:
    """Apply what is saved, and look."""
    yield from skill.run(skill.commands("to start the proxy again")[0])
    status = yield from skill.run("status")
    seen = (status["running"], status["needs_restart"], status["chatgpt_login_hint"]["status"])
    return report(status, ["chatgpt_login_hint"]) + (
        "\nYou can sign in with ChatGPT." if seen == (True, False, "ready") else ""
    )


def test_a_chatgpt_login_from_the_key_to_the_uninstall(session: Session) -> None:
    """The key is kept before the login, the login reaches nobody, and an uninstall warns of it before a restart."""
    machine = session.machine
    machine.write("config.toml", login_config(machine.upstream.base_url))
    machine.write("auth.json", api_key_login())
    session.settle()
    before = machine.files()
    machine.install()

    def preparing(skill: Skill) -> Talk:
        answer = yield from skill.run(skill.commands("to sign in with ChatGPT")[0])
        return report(answer, ["source", "provider_auth_path", "applied", "message"]) + "\nShall I save it?"

    (dry_run,), words = session.say("I want plug-ins: sign me in with ChatGPT and keep my provider", preparing)
    assert ("dry_run", "auth_json:OPENAI_API_KEY", False) == (
        dry_run["status"],
        dry_run["source"],
        dry_run["applied"],
    )
    assert dry_run["source"] in words
    (_, applied, saved, status), words = session.say("Yes", keeping_the_key, on=True)
    assert (True, True, True) == (applied["applied"], saved["restart_required"], status["needs_restart"])
    assert "verified" == saved["verification"]["status"]
    assert "ready" != status["chatgpt_login_hint"]["status"]
    assert status["chatgpt_login_hint"]["message"] in words
    (_, status), words = session.say("You may start it now", applying, on=True)
    assert "You can sign in with ChatGPT." in words

    machine.write("auth.json", chatgpt_login())
    assert "Bearer " + KEY == machine.turn(*FREE).header("authorization")

    def leaving(skill: Skill) -> Talk:
        answer = yield from skill.run(skill.commands(OFF)[0])
        return report(answer, skill.fields(UNCONFIRMED))

    def leaving_all_the_same(skill: Skill) -> Talk:
        command = skill.commands(OFF)[0]
        (confirmed,) = re.findall(r"`(--confirm[a-z-]+)`", skill.page)
        answer = yield from skill.run(f"{command} {confirmed}")
        return report(answer, [*skill.fields(WARNED), *skill.fields(DEFERRED)])

    enabled = own_files(machine)
    (refused,), words = session.say("Uninstall the Codex Fast proxy", leaving)
    assert (True, True, False) == (
        refused["status"] == "confirmation_required",
        enabled == own_files(machine),
        refused["changed"],
    )
    warning = refused["direct_upstream_auth_warning"]
    assert warning["message"] in words
    assert "Restart" not in words
    (off,), words = session.say("Go on", leaving_all_the_same, on=True)
    assert ("uninstalled", "deferred") == (off["status"], off["stop_result"]["status"])
    assert words.index(warning["message"]) < words.index("Restart the Codex App")

    machine.write("auth.json", api_key_login())  # the user has switched back, as the warning says
    (done,), _ = session.say("I am back at the API key and have restarted. Finish it.", finishing)
    assert ("stopped", "removed") == (done["stop_result"]["status"], done["files"])
    after = {name: value for name, value in machine.files().items() if not name.startswith("backups")}
    assert before == after


BRAIN = """
[model_providers.brain]
name = "Brain"
base_url = "{url}"
env_key = "{key}"
wire_api = "responses"
"""


def test_model_requests_fail_with_401(session: Session) -> None:
    """Signed in too early: the agent, behind another provider, finds no key, has the user enter it, and mends it."""
    machine = session.machine
    with ThinkingListener(session.model, key=KEY) as brain:
        table = BRAIN.format(url=brain.base_url, key=KEY_ENV)
        impatient = "request_max_retries = 0\nstream_max_retries = 0\n"
        machine.write("config.toml", login_config(machine.upstream.base_url, table=impatient) + table)
        machine.write("auth.json", api_key_login())
        machine.install()
        machine.write("auth.json", chatgpt_login())
        machine.upstream.login = True  # it is what goes wrong
        failed = machine.codex_exec(*FREE)
        assert (1, True) == (failed.code, "401" in failed.stderr), failed.transcript
        session.flags = (*FREE, "-c", 'model_provider="brain"')

        def diagnosing(skill: Skill) -> Talk:
            status = yield from skill.run(skill.commands("to know whether the proxy is well")[0])
            answer = yield from skill.run(
                skill.commands("to sign in with ChatGPT, or model requests fail with 401")[0]
            )
            return "\n".join((report(status, ["diagnosis.message"]), report(answer, ["error"])))

        def switching(skill: Skill) -> Talk:
            status = yield from skill.run("status")
            assert skill.commands("to sign in with ChatGPT")[2] in advised(status)[0]
            (use,) = status["next_commands"]
            saved = yield from skill.run(use.removeprefix("codex-fast-proxy "))
            return report(saved, skill.fields("`install` and"))

        (status, answer), words = session.say("Plug-ins work, but model requests return 401", diagnosing)
        assert "chatgpt_auth_preserved" == status["diagnosis"]["code"]
        assert (True, "--from-stdin") == (answer["status"] == "error", re.findall("--from-stdin", words)[0])
        entered = machine.cfp("prepare-chatgpt-login", "--from-stdin", "--apply", entered=f"{KEY}\n")
        assert "prepared" == entered.json["status"]
        (_, saved), words = session.say("I have entered it in my terminal", switching, on=True)
        assert (True, "verified") == (saved["restart_required"], saved["verification"]["status"])
        _, words = session.say("Apply it", applying, on=True)
        assert "You can sign in with ChatGPT." in words
    before = len(machine.upstream.received)
    assert "Bearer " + KEY == machine.turn(*FREE).header("authorization")
    assert [] == [request for request in machine.upstream.received[before:] if request.header("chatgpt-account-id")]


def test_another_upstream(session: Session) -> None:
    """The URL is tried, saved and applied; the conversation goes on there, and an uninstall leaves it in place."""
    machine = session.machine
    machine.relay()
    machine.install()
    with ThinkingListener(session.model, key=KEY) as other:

        def moving(skill: Skill) -> Talk:
            verify = skill.commands("to try a URL or key")[0].replace("URL", other.base_url)
            tried = yield from skill.run(verify)
            assert "verified" == tried["status"]
            move = skill.commands("another URL, key or policy")[0].replace("URL", other.base_url)
            saved = yield from skill.run(move)
            (start,) = advised(saved)
            yield from skill.run(start)
            status = yield from skill.run("status")
            return "\n".join((report(saved, skill.fields("`install` and")), report(status, skill.fields(STATUS))))

        answers, words = session.say(f"set the Codex Fast proxy upstream to {other.base_url}, and apply it", moving)
        assert ["verified", "upstream_updated", "restarted", "running"] == [answer["status"] for answer in answers]
        assert (False, other.base_url) == (answers[-1]["needs_restart"], answers[-1]["upstream_base"])
        assert f'upstream_base: "{other.base_url}"' in words
        assert session.model.requests[-1] in other.received
        assert 0 == machine.cfp("uninstall").code
        assert other.base_url in machine.config.read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Walled:
    """A home that is enabled or not, an install there, and its refusal in Codex's own sandbox."""

    flags: str
    refusal: str
    enabled: bool


@pytest.mark.posix("Codex's sandbox for Linux", needs="linux")
@pytest.mark.parametrize(
    "walled",
    [
        Walled("", "inside_sandbox", enabled=False),
        Walled("--service-tier flex --no-verify", "worker_out_of_sight", enabled=True),  # with network
    ],
    ids=lambda walled: walled.refusal,
)
def test_in_the_sandbox(session: Session, walled: Walled) -> None:
    """The command that the sandbox stops is run once more, the same one, outside of it once the user allows it."""
    machine = session.machine
    if machine.run([str(machine.codex), "sandbox", "--", "true"], timeout=60).code != 0:
        pytest.skip("this machine allows no sandbox")
    machine.relay()
    if walled.enabled:
        machine.install()
    settings = machine.state / "settings.json"
    before = settings.read_bytes() if walled.enabled else b""
    flags = f"--port {machine.port} {walled.flags}".rstrip()

    def asking(skill: Skill) -> Talk:
        (install,) = skill.commands("Fast, or")
        answer = yield from skill.run(f"{install} {flags}")
        assert f"`{answer['code']}`" in skill.page
        assert before == (settings.read_bytes() if settings.exists() else b"")
        answer = yield from skill.run(f"{install} {flags}", because="May I run it outside of the sandbox?")
        return report(answer, ["message"])

    approvals: list[Answer] = []
    with opened(machine, approvals=approvals) as app:
        config = {"sandbox_workspace_write.network_access": walled.enabled}
        thread = app.thread(approvalPolicy="on-request", sandbox="workspace-write", config=config)
        session.model.think = asking
        words = app.turn(thread, "enable Codex Fast proxy")
    session.check()
    refused, answer = session.skill.answers
    assert (walled.refusal, False, "installed") == (refused["code"], refused["changed"], answer["status"])
    lines = [action["command"] for approval in approvals for action in approval["commandActions"]]
    assert [f"codex-fast-proxy install --start {flags} --format json"] == lines
    assert answer["message"] in words
