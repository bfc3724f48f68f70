"""Reads a git checkout and its remote, and writes nothing into the checkout."""

from __future__ import annotations

import enum
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from cfp.host.system.windows import NO_WINDOW

TIMEOUT_S = 60.0


class BranchRelation(enum.StrEnum):
    """The relation of HEAD to the remote branch; a closed set of the contract."""

    SAME = "same"
    REMOTE_AHEAD = "remote_ahead"
    LOCAL_AHEAD = "local_ahead"
    DIVERGED = "diverged"
    REMOTE_UNKNOWN = "remote_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two branches compared. Commits are full hashes; None where there is none or git cannot tell."""

    remote_url: str | None
    branch: str | None
    local_commit: str | None
    remote_commit: str | None
    relation: BranchRelation
    local_changes: bool


NOT_COMPARED = Comparison(
    remote_url=None,
    branch=None,
    local_commit=None,
    remote_commit=None,
    relation=BranchRelation.REMOTE_UNKNOWN,
    local_changes=False,
)


def is_top(folder: Path, environ: Mapping[str, str]) -> bool:
    """Whether a folder is the top of a checkout; one inside of it, such as an environment's, is not."""
    top = find_checkout(folder, environ)
    return top is not None and os.path.realpath(top) == os.path.realpath(folder)


def find_checkout(path: Path, environ: Mapping[str, str]) -> Path | None:
    """Return the top of the checkout that holds `path`; None where there is none, or no git."""
    top = _git(path, environ, "rev-parse", "--show-toplevel")
    return Path(top) if top else None


def compare(repo: Path, remote: str, branch: str | None, environ: Mapping[str, str]) -> Comparison:
    """Compare HEAD with the remote's branch.

    Missing commits are fetched into a temporary folder that borrows the checkout's objects, so that no file of the
    checkout changes (`git fetch --dry-run` would store objects).
    """
    url = _git(repo, environ, "remote", "get-url", remote)
    local = _git(repo, environ, "rev-parse", "--verify", "HEAD")
    name = branch or _git(repo, environ, "symbolic-ref", "--short", "HEAD")
    changes = bool(_git(repo, environ, "--no-optional-locks", "status", "--porcelain"))
    listed = _git(repo, environ, "ls-remote", "--", url, f"refs/heads/{name}") if url and name else None
    upstream = listed.split()[0] if listed else None
    return Comparison(
        remote_url=shown_url(url) if url else None,
        branch=name,
        local_commit=local,
        remote_commit=upstream,
        relation=_relation(repo, environ, url, name, local, upstream),
        local_changes=changes,
    )


def _relation(
    repo: Path, environ: Mapping[str, str], url: str | None, name: str | None, local: str | None, upstream: str | None
) -> BranchRelation:
    if local is None or upstream is None or url is None:
        return BranchRelation.REMOTE_UNKNOWN
    if local == upstream:
        return BranchRelation.SAME
    objects = _git(repo, environ, "rev-parse", "--path-format=absolute", "--git-path", "objects")
    with tempfile.TemporaryDirectory(prefix="codex-fast-proxy-") as folder:
        scratch = Path(folder)
        borrowed = {**environ, "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects or ""}
        if _git(scratch, borrowed, "init", "--bare", "--quiet") is None:
            return BranchRelation.REMOTE_UNKNOWN
        if _git(scratch, borrowed, "fetch", "--quiet", "--no-tags", "--", url, f"refs/heads/{name}") is None:
            return BranchRelation.REMOTE_UNKNOWN
        base = _git(scratch, borrowed, "merge-base", local, upstream)
    return {local: BranchRelation.REMOTE_AHEAD, upstream: BranchRelation.LOCAL_AHEAD}.get(
        base or "", BranchRelation.DIVERGED
    )


def shown_url(url: str) -> str:
    """Return a remote's URL without user information, query and fragment; scp-like URLs hold no secrets."""
    parts = urlsplit(url)
    if not parts.scheme or not parts.netloc:
        return url.split("?", maxsplit=1)[0]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _git(folder: Path, environ: Mapping[str, str], *arguments: str) -> str | None:
    """Return git's stdout, None where it failed. Git never prompts: it has no terminal and no askpass."""
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "GIT_SSH_COMMAND": "ssh -oBatchMode=yes"}
    try:
        done = subprocess.run(
            ["git", "-C", os.fspath(folder), *arguments],  # noqa: S607  the user's own git, from PATH
            env={**environ, **quiet},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",  # which git speaks on every system
            errors="surrogateescape",
            timeout=TIMEOUT_S,
            creationflags=NO_WINDOW,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
