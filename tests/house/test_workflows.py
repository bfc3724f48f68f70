"""The workflows: what they run of others is fixed, what they may do is little, and a release needs only its tag."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.source import REPOSITORY

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
SCRIPT = REPOSITORY / ".ci" / "release.py"
# owner/action@40 hexadecimal digits # v1.2.3; a workflow of this repository has the caller's own commit.
_PINNED = re.compile(r"(?P<action>[\w.-]+/[\w./-]+)@(?P<commit>[0-9a-f]{40}) # (?P<version>v\d+\.\d+\.\d+)")
_OWN = re.compile(r"\./\.github/workflows/[\w-]+\.yml(?: # .+)?")


def parsed(path: Path) -> dict[Any, Any]:
    content: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def uses(path: Path) -> list[str]:
    """The words behind each `uses:`, with their comment."""
    return re.findall(r"^\s*(?:- )?uses:\s*(.+?)\s*$", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_workflows_are_read() -> None:
    """The checks below see both, and all that each runs of others."""
    assert ["ci.yml", "release.yml"] == [path.name for path in WORKFLOWS]
    for path in WORKFLOWS:
        jobs = parsed(path)["jobs"].values()
        steps = [step for job in jobs for step in job.get("steps", []) if "uses" in step]
        assert len(uses(path)) == len(steps) + sum("uses" in job for job in jobs)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_one_commit(path: Path) -> None:
    """By its full hash, with the version that it is as a comment: a tag can be moved."""
    assert [] == [word for word in uses(path) if not (_PINNED.fullmatch(word) or _OWN.fullmatch(word))]


def test_an_action_has_one_version() -> None:
    """In all workflows the same."""
    versions = defaultdict(set)
    for path in WORKFLOWS:
        for match in filter(None, map(_PINNED.fullmatch, uses(path))):
            versions[match["action"]].add((match["commit"], match["version"]))
    assert {} == {action: pins for action, pins in versions.items() if len(pins) > 1}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_job_is_whole(path: Path) -> None:
    """It runs on something or calls a workflow, ends in time, and awaits jobs that there are; a step has one act."""
    workflow = parsed(path)
    for name, job in workflow["jobs"].items():
        assert ("runs-on" in job) != ("uses" in job), name
        assert "uses" in job or job["timeout-minutes"] <= 350, name
        needs = job.get("needs", [])
        assert set([needs] if isinstance(needs, str) else needs) <= set(workflow["jobs"]), name
        assert all(("uses" in step) != ("run" in step) for step in job.get("steps", [])), name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_do_little(path: Path) -> None:
    """It reads the repository, and no secret; no word of an event becomes a part of a script."""
    workflow = parsed(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    assert not re.search(r"secrets\.|pull_request_target|workflow_run", path.read_text(encoding="utf-8"))
    steps = [step for job in workflow["jobs"].values() for step in job.get("steps", [])]
    assert [] == [step["run"] for step in steps if "${{" in step.get("run", "")]
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


def test_a_release_is_published_last() -> None:
    """Only a tag starts it; the gate and the archives come first, then the attestation, then PyPI, then GitHub."""
    workflow = parsed(REPOSITORY / ".github" / "workflows" / "release.yml")
    assert {"push": {"tags": ["v*"]}} == workflow[True]  # YAML 1.1 reads the key `on` as a truth
    jobs = workflow["jobs"]
    needs = {name: job.get("needs", []) for name, job in jobs.items()}
    assert {"gate": [], "build": [], "attest": ["gate", "build"], "pypi": "attest", "github": "pypi"} == needs
    assert {
        "gate": {"contents": "read"},
        "build": {"contents": "read"},
        "attest": {"id-token": "write", "attestations": "write"},
        "pypi": {"id-token": "write"},
        "github": {"contents": "write"},
    } == {name: job["permissions"] for name, job in jobs.items()}
    assert "workflow_call" in parsed(REPOSITORY / ".github" / "workflows" / "ci.yml")[True]


def _notes(root: Path, tag: str) -> tuple[int, str]:
    ran = subprocess.run(
        [sys.executable, "-I", str(SCRIPT), "notes", tag],
        cwd=root,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return ran.returncode, ran.stdout if ran.returncode == 0 else ran.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """One of version 1.2.0, whose changelog has its day."""
    (tmp_path / "cfp").mkdir()
    (tmp_path / "cfp" / "__init__.py").write_text('__version__ = "1.2.0"\n')
    pages = "# Changelog\n\n## 1.2.0 (2026-12-01)\n\n### Added\n\n- ü\n\n## 1.1.0 (2026-01-01)\n\n- Older.\n"
    (tmp_path / "CHANGELOG.md").write_text(pages, encoding="utf-8")
    return tmp_path


def test_the_notes_are_the_versions_own(checkout: Path) -> None:
    """From its heading to the next."""
    assert (0, "### Added\n\n- ü\n") == _notes(checkout, "v1.2.0")


@pytest.mark.parametrize("tag", ["v1.1.0", "1.2.0", "v1.2.0-rc1", "v1.2"])
def test_a_tag_that_is_not_the_version_ends_the_release(checkout: Path, tag: str) -> None:
    """Nothing of it is published."""
    assert (1, f"the tag is {tag}, and the version in cfp/__init__.py 1.2.0\n") == _notes(checkout, tag)


@pytest.mark.parametrize("heading", ["## 1.2.0 (unreleased)", "## 1.2.0", "## 1x2.0 (2026-12-01)", ""])
def test_a_version_without_a_day_ends_the_release(checkout: Path, heading: str) -> None:
    """The changelog says that it is not ready."""
    path = checkout / "CHANGELOG.md"
    path.write_text(path.read_text(encoding="utf-8").replace("## 1.2.0 (2026-12-01)", heading), encoding="utf-8")
    code, reason = _notes(checkout, "v1.2.0")
    assert (1, True) == (code, "CHANGELOG.md has no heading" in reason)


def test_an_empty_section_ends_the_release(checkout: Path) -> None:
    """A release says what it changed."""
    (checkout / "CHANGELOG.md").write_text("## 1.2.0 (2026-12-01)\n\n## 1.1.0 (2026-01-01)\n\n- Older.\n")
    assert (1, "CHANGELOG.md says nothing about 1.2.0\n") == _notes(checkout, "v1.2.0")


def test_the_sums_are_those_of_the_files(tmp_path: Path) -> None:
    """By name, so that `sha256sum --check` takes them where the files were downloaded."""
    (tmp_path / "b.whl").write_bytes(b"")
    (tmp_path / "a.tar.gz").write_bytes(b"abc")
    ran = subprocess.run(
        [sys.executable, "-I", str(SCRIPT), "sums", str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert [
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a.tar.gz",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b.whl",
    ] == ran.stdout.splitlines()
