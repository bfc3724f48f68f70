"""link-skill and unlink-skill: made, found again, removed; nothing of others is touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cfp.commands.link_skill import skill_result
from cfp.errors import Refused
from cfp.host.system.skill_link import NATIVE_LINK, LinkType, link, skill_folder, stale_target, unlink
from cfp.messages.results import RESULTS
from tests.house.source import REPOSITORY
from tests.users import of_user


@pytest.fixture
def places(tmp_path: Path) -> tuple[str, str]:
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / "SKILL.md").write_text("---\nname: x\n---\n")
    return str(repo), str(tmp_path / "skills")


@pytest.mark.beyond_wine("links and junctions")
def test_linked_found_and_removed(places: tuple[str, str]) -> None:
    """Both commands can be repeated."""
    statuses = [act(*places, {}).status for act in (unlink, link, link, unlink, unlink)]
    assert ["missing", "linked", "already_linked", "unlinked", "missing"] == statuses


@pytest.mark.beyond_wine("links and junctions")
def test_where_nothing_was_linked_nothing_is_to_do(places: tuple[str, str]) -> None:
    """No restart is asked for where Codex has lost no skill."""
    restarts = [
        skill_result(act(*places, {}), RESULTS["skill_unlinked"]).fields["next_user_action"]
        for act in (unlink, link, unlink)
    ]
    assert [False, True, True] == [bool(one) for one in restarts]


@pytest.mark.beyond_wine("links and junctions")
def test_the_default_place_is_in_the_home(places: tuple[str, str], tmp_path: Path) -> None:
    """~/.agents/skills/codex-fast-proxy, where agents look."""
    made = link(places[0], None, of_user(tmp_path))
    assert (tmp_path / ".agents" / "skills" / "codex-fast-proxy", Path(places[0])) == (made.path, made.target)
    assert made.path.resolve() == Path(places[0])


@pytest.mark.parametrize(
    "what", ["folder", "file", pytest.param("foreign link", marks=pytest.mark.beyond_wine("links and junctions"))]
)
def test_what_is_not_ours_is_left_alone(places: tuple[str, str], tmp_path: Path, what: str) -> None:
    """Whatever stands there."""
    place = Path(places[1]) / "codex-fast-proxy"
    place.parent.mkdir()
    if what == "folder":
        place.mkdir()
    elif what == "file":
        place.write_text("mine")
    else:
        place.symlink_to(tmp_path)
    for act in (link, unlink):
        with pytest.raises(Refused, match="skill_place_taken"):
            act(*places, {})
    assert place.exists()
    assert "" == stale_target(of_user(tmp_path))


PAGE = "---\nname: codex-fast-proxy\ndescription: x\n---\n"


@pytest.mark.beyond_wine("links and junctions")
@pytest.mark.parametrize("before", ["nothing", "another copy"])
def test_a_link_to_another_copy_is_led_here(places: tuple[str, str], tmp_path: Path, before: str) -> None:
    """An upgrade to another Python moves the skill's folder: the link that is left behind follows, and is named."""
    old = tmp_path / "python3.11" / "skill"
    if before == "another copy":
        old.mkdir(parents=True)
        (old / "SKILL.md").write_text(PAGE)
    place = Path(places[1]) / "codex-fast-proxy"
    place.parent.mkdir()
    NATIVE_LINK.make(str(old), str(place))
    (Path(places[0]) / "SKILL.md").write_text(PAGE)
    environ = of_user(tmp_path)
    (tmp_path / ".agents").mkdir()
    NATIVE_LINK.make(places[1], str(tmp_path / ".agents" / "skills"))
    assert str(old) == stale_target(environ)
    made = link(*places, {})
    assert ("linked", old, Path(places[0])) == (made.status, made.replaced, place.resolve())
    assert "linked" == link(None, None, environ).status  # from there to the program's own
    assert "" == stale_target(environ)
    assert (old / "SKILL.md").exists() == (before == "another copy")


@pytest.mark.beyond_wine("links and junctions")
def test_a_link_that_cannot_be_made_anew_stays(places: tuple[str, str], tmp_path: Path) -> None:
    """Codex keeps the skill that it had."""
    old = tmp_path / "old"
    old.mkdir()
    (old / "SKILL.md").write_text(PAGE)
    place = Path(places[1]) / "codex-fast-proxy"
    place.parent.mkdir()
    NATIVE_LINK.make(str(old), str(place))

    def make(target: str, path: str) -> None:
        if target == places[0]:
            raise OSError(28, "No space left on device")
        NATIVE_LINK.make(target, path)

    with pytest.raises(Refused, match="skill_not_linked"):
        link(*places, {}, replace(NATIVE_LINK, make=make))
    assert old == place.resolve()


@pytest.mark.beyond_wine("links and junctions")
def test_a_link_that_leads_nowhere_is_removed(places: tuple[str, str], tmp_path: Path) -> None:
    """Whatever it led to; a link to another copy of the skill belongs to that."""
    place = Path(places[1]) / "codex-fast-proxy"
    place.parent.mkdir()
    NATIVE_LINK.make(str(tmp_path / "gone"), str(place))
    assert "unlinked" == unlink(*places, {}).status
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "SKILL.md").write_text(PAGE)
    NATIVE_LINK.make(str(tmp_path / "other"), str(place))
    with pytest.raises(Refused, match="skill_place_taken"):
        unlink(*places, {})


def test_the_skill_of_a_package_lies_in_it(tmp_path: Path) -> None:
    """A wheel has a folder for it; a checkout is the folder."""
    package = tmp_path / "cfp"
    package.mkdir()
    assert tmp_path == skill_folder(package)
    (package / "skill").mkdir()
    assert tmp_path == skill_folder(package)
    (package / "skill" / "SKILL.md").write_text(PAGE)
    assert package / "skill" == skill_folder(package)
    assert (REPOSITORY / "SKILL.md").read_bytes() == (skill_folder() / "SKILL.md").read_bytes()


def test_a_folder_without_a_skill_is_refused(tmp_path: Path) -> None:
    """A link to nothing helps nobody."""
    with pytest.raises(Refused, match="skill_missing"):
        link(str(tmp_path), str(tmp_path / "skills"), {})
    assert not (tmp_path / "skills").exists()


def test_a_drive_without_links_is_named(places: tuple[str, str]) -> None:
    """FAT has none: the answer says so, and no empty folder is left where the junction was to be."""

    def make(target: str, path: str) -> None:
        Path(path).mkdir()
        raise OSError(50, "Request not supported")

    with pytest.raises(Refused, match="skill_not_linked") as refused:
        link(*places, {}, LinkType(kind="junction", make=make, remove=lambda path: Path(path).rmdir()))
    assert "Request not supported" in str(refused.value.details)
    assert not (Path(places[1]) / "codex-fast-proxy").exists()


def test_a_file_where_the_folder_should_be_is_named(places: tuple[str, str]) -> None:
    """The folder of skills cannot be made below it."""
    Path(places[1]).write_text("mine")
    with pytest.raises(Refused, match="skill_not_linked"):
        link(places[0], str(Path(places[1]) / "skills"), {})
    assert "mine" == Path(places[1]).read_text()


def test_a_folder_made_meanwhile_stays(places: tuple[str, str]) -> None:
    """A folder that appears between the look and the link is another's, and is not removed."""

    def make(target: str, path: str) -> None:
        Path(path).mkdir()
        raise FileExistsError

    with pytest.raises(Refused, match="skill_place_taken"):
        link(*places, {}, LinkType(kind="junction", make=make, remove=lambda path: Path(path).rmdir()))
    assert (Path(places[1]) / "codex-fast-proxy").exists()
