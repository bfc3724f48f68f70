"""A check's result, and the facts that the checks read beside those of the home."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cfp.codex.auth_json import Login
from cfp.core.checks.turn import SentTurn
from cfp.core.facts import Facts
from cfp.errors import CfpError
from cfp.messages import Message
from cfp.places import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorFacts:
    """The surroundings of a home, and the command line's choice.

    provider     the provider to check; None for the active one
    proxies      proxy variables that Codex will see, where loopback is not in NO_PROXY
    keyring      Codex may keep its login outside auth.json
    cli_login    the login that the CLI reports; None where it was not run
    model        the model that config.toml names, "" for none
    model_tiers  the tiers of that model in Codex's catalog; None where the catalog was not read or lacks the model
    shows_owners  the system reports which user owns a socket, so that no other user is taken for the proxy
    app_variables  names of the variables that the Codex App has; None where no such App starts without a shell
    versioned_python  the folder of one version to which the hook's Python leads, and which the next version removes
    place        the place of the home
    beside       other systems of this computer with a home of their own: in WSL the paths of the homes of Windows, on
                 Windows the names of the Linuxes
    install_error  the error with which an install would refuse; None where it would not, or the proxy is enabled
    online       the result of a request to the provider; None where none was asked for, or it failed
    online_error its failure
    turn         the turn that Codex sent to a provider of ours; None where it was not asked for one, or sent none
    turn_error   the reason why it sent none
    open_files   our folders and files that others than the user may read, each with the others' names
    open_secrets Codex's own files with keys or logins that others may read, in the same way
    sharing_distributions  other installed distributions that have a module of a name of ours
    stale_skill  the folder that the link of `link-skill` leads to, if that is not this program's skill; else ""
    namesakes    files of modules with a name of ours, in the folders of PYTHONPATH and in the current one
    """

    python: str
    provider: str | None = None
    proxies: tuple[str, ...] = ()
    keyring: bool = False
    cli_login: Login | None = None
    model: str = ""
    model_tiers: tuple[str, ...] | None = None
    install_error: CfpError | None = None
    online: Mapping[str, Any] | None = None
    online_error: CfpError | None = None
    turn: SentTurn | None = None
    turn_error: CfpError | None = None
    place: Place = field(default_factory=Place)
    beside: tuple[str, ...] = ()
    shows_owners: bool = True
    open_files: tuple[tuple[str, tuple[str, ...]], ...] = ()
    open_secrets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    app_variables: frozenset[str] | None = None
    versioned_python: str = ""
    sharing_distributions: tuple[str, ...] = ()
    namesakes: tuple[str, ...] = ()
    stale_skill: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of a check.

    code      ok, or the name of the finding
    detail    the finding in a sentence
    fix       the remedy, a command or an act; empty where none is needed
    evidence  the values that the result rests on
    """

    ok: bool
    code: str = "ok"
    detail: str = ""
    fix: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "code": self.code,
            "detail": self.detail,
            "fix": self.fix or None,
            "evidence": dict(self.evidence),
        }


Check = Callable[[Facts, DoctorFacts], CheckResult]


def success(text: Message, **evidence: Any) -> CheckResult:
    """Return a result that needs no remedy."""
    return CheckResult(ok=True, detail=text.sentence, evidence=evidence)


def advice(code: str, text: Message, **evidence: Any) -> CheckResult:
    """Return a result with a remedy by which doctor does not fail."""
    return CheckResult(ok=True, code=code, detail=text.sentence, fix=text.action, evidence=evidence)


def failure(code: str, text: Message, **evidence: Any) -> CheckResult:
    """Return a result by which doctor fails."""
    return CheckResult(ok=False, code=code, detail=text.sentence, fix=text.action, evidence=evidence)
