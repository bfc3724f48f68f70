"""The owner of a Codex home, and whether a command of this process may write there.

A file that another user creates in a home belongs to that user: under sudo, the owner can then neither read nor
change it. A command that writes therefore refuses a home of another user, and one with files of another user.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from cfp.errors import Refused

ROOT = 0
# The SIDs of accounts of a machine or a domain, and of Entra ID. Others are groups and services.
_ACCOUNTS: Final = ("S-1-5-21-", "S-1-12-1-")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user of the system, by number (on Windows, by SID) and by name, and the name of the main group."""

    uid: int | str
    name: str
    group: str = ""


_NOBODY = User(uid=-1, name="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """The user of this process, and the owners of a folder and of the files in it.

    user          the effective user; None where it is unknown
    path          the folder
    exists        False where the folder is missing; `owner` is then that of the nearest folder above it that exists
    owner         None where it is unknown: the folder cannot be reached, or a file system or user namespace shows
                  other owners than the files have
    parent        the owner of the folder above it; None where it is unknown
    foreign_files the paths in the folder that belong to another user than the folder
    """

    path: str
    user: User | None = None
    exists: bool = True
    owner: User | None = None
    parent: User | None = None
    foreign_files: tuple[str, ...] = ()

    @property
    def is_of_another(self) -> bool:
        """Whether the folder belongs to another user; a missing one, whether root would make it in another's folder.

        An ordinary user who can make a missing folder owns it afterwards; so does root, to the loss of the user.
        """
        if self.user is None or self.owner is None or self.user.uid == self.owner.uid:
            return False
        return self.exists or self.user.uid == ROOT

    @property
    def is_left_by_root(self) -> bool:
        """Whether root has made this folder in the user's own folder, as a command with sudo does."""
        user, owner, parent = self.user, self.owner, self.parent
        if user is None or owner is None or parent is None or not self.exists:
            return False
        return owner.uid == ROOT and user.uid != ROOT and parent.uid == user.uid

    @property
    def refusal(self) -> Literal["home_of_another_user", "files_of_another_user"] | None:
        """The code by which a command that writes is refused; None where it may write."""
        if self.is_left_by_root:
            return "files_of_another_user"
        if self.is_of_another:
            return "home_of_another_user"
        return "files_of_another_user" if self.foreign_files else None

    @property
    def details(self) -> Mapping[str, str | list[str]]:
        """The values that the messages of a refusal name."""
        user, owner = self.user or _NOBODY, self.owner or _NOBODY
        if self.refusal == "files_of_another_user":
            paths = [self.path] if self.is_left_by_root else list(self.foreign_files)
            return {"paths": paths, "owner": user.name, "remedy": self.remedy}
        return {"path": self.path, "owner": owner.name, "user": user.name}

    @property
    def remedy(self) -> str:
        """The command that gives the folder and all in it to its user."""
        import shlex  # noqa: PLC0415  a worker's start does without it

        user = self.user if self.is_left_by_root else self.owner
        if user is None:
            return ""
        owner = f"{user.name}:{user.group}" if user.group else user.name  # root's group would stay without it
        return f"sudo chown -R {shlex.quote(owner)} {shlex.quote(self.path)}"


UNKNOWN: Final = Ownership(path="")


def ownership_by_account(path: str, user: str, owner: str, name: Callable[[str], str]) -> Ownership:
    """Return the ownership of a folder on Windows, where `user` and `owner` are SIDs.

    name  returns the name of a user's account; "" for a group, and for an account that Windows does not know

    What this process makes private, another account could not read, as under sudo. But Administrators own what an
    elevated program made, SYSTEM owns profiles, a server's account what lies on a share, and an account of an earlier
    installation what lies on an older disk: such an owner says nothing about who uses the home, and is unknown.
    """
    if user == owner:
        return Ownership(path=path, user=User(uid=user, name=""), owner=User(uid=owner, name=""))
    names = [name(sid) if sid.startswith(_ACCOUNTS) else "" for sid in (user, owner)]
    if not all(names):
        return Ownership(path=path)
    return Ownership(path=path, user=User(uid=user, name=names[0]), owner=User(uid=owner, name=names[1]))


def check_ownership(ownership: Ownership) -> None:
    """Refuse to write as another user than the owner; raises Refused."""
    if ownership.refusal is not None:
        raise Refused(ownership.refusal, **ownership.details)
