"""The owner of a folder and of its files, and the user of this process, read from the system."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cfp.core.ownership import ROOT, Ownership, User

if sys.platform == "win32":
    from cfp.host.system._accounts_windows import account_ownership
else:

    def account_ownership(folder: Path) -> Ownership:
        """Return an unknown owner: this system has no accounts of Windows."""
        return Ownership(path=str(folder))


# File systems whose files have the owner that the mount or the host names, whoever creates them: Windows drives in
# WSL, network shares, folders that a virtual machine or Docker Desktop lends, USB sticks.
_OWNERLESS = frozenset({"9p", "cifs", "drvfs", "exfat", "fakeowner", "fuseblk", "hgfs", "ntfs", "ntfs3", "prl_fs"})
_OWNERLESS_TOO = frozenset({"smb3", "smbfs", "vboxsf", "vfat", "virtiofs"})
_NFS = frozenset({"nfs", "nfs3", "nfs4"})
_NOBODY = frozenset({65534, 4294967294})  # the user that an NFS server puts in the place of root, or of everybody
_WHOLE_NAMESPACE = ["0", "0", "4294967295"]


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The queries of this module; tests bring their own.

    user         returns the effective user id; None on a system without one
    name         returns the name of a user id
    group        returns the name of the main group of a user id
    file_system  returns the type of the file system on a device, "" where it is unknown
    unmapped     returns the user id that stands for every user without a number in this user namespace; None where
                 each user has a number
    """

    user: Callable[[], int | None]
    name: Callable[[int], str]
    group: Callable[[int], str]
    file_system: Callable[[int], str]
    unmapped: Callable[[], int | None]


def _name(uid: int) -> str:
    name = str(uid)
    if sys.platform != "win32":
        import pwd  # noqa: PLC0415  POSIX only, and only refusals name users

        with suppress(KeyError):
            name = pwd.getpwuid(uid).pw_name
    return name


def _group(uid: int) -> str:
    """Return the name of a user's main group; that of this process's group for a user who is not listed."""
    name = ""
    if sys.platform != "win32":
        import grp  # noqa: PLC0415  see above
        import pwd  # noqa: PLC0415  see above

        number = os.getegid()
        with suppress(KeyError):
            number = pwd.getpwuid(uid).pw_gid
        name = str(number)
        with suppress(KeyError):
            name = grp.getgrgid(number).gr_name
    return name


def _file_system(device: int) -> str:
    """Return the type of the file system on a device, from /proc/self/mountinfo (proc_pid_mountinfo(5))."""
    number = ""
    if sys.platform != "win32":
        number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        mount, _, source = line.partition(" - ")
        if mount.split()[2:3] == [number]:
            return source.partition(" ")[0]
    return ""


def _unmapped() -> int | None:
    """Return the overflow user id of a user namespace that maps only some users (user_namespaces(7))."""
    try:
        if Path("/proc/self/uid_map").read_text(encoding="ascii").split() == _WHOLE_NAMESPACE:
            return None
        return int(Path("/proc/sys/kernel/overflowuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def file_system_of(path: Path) -> str:
    """Return the type of the file system of a path, or of the nearest folder above it that exists; "" if unknown."""
    status = _nearest(path)[1]
    return "" if status is None else _file_system(status.st_dev)


def _effective_user() -> int | None:
    user = None
    if sys.platform != "win32":
        user = os.geteuid()
    return user


SYSTEM = System(user=_effective_user, name=_name, group=_group, file_system=_file_system, unmapped=_unmapped)


def read_ownership(folder: Path, files: Iterable[Path] = (), system: System = SYSTEM) -> Ownership:
    """Read the owner of a folder, and the paths of `files` with another owner than it has.

    A symbolic link counts by its own owner: its target may be a file that others keep, as in a package store.
    """
    uid = system.user()
    if uid is None:
        return account_ownership(folder)
    nearest, status = _nearest(folder)
    if status is None:
        return Ownership(path=str(folder))
    exists = nearest == folder
    owner = status.st_uid
    if uid != owner and _is_unknown(uid, status, system):
        return Ownership(path=str(folder), exists=exists)
    parent = _status(Path(os.path.realpath(folder)).parent) if exists else None
    foreign = tuple(str(path) for path in files if _is_foreign(path, owner)) if exists else ()
    if foreign and _is_unknown(uid, status, system):
        foreign = ()
    named = bool(foreign) or owner != uid
    return Ownership(
        path=str(folder),
        exists=exists,
        user=_user(uid, system, named=named),
        owner=_user(owner, system, named=named),
        parent=None if parent is None else _user(parent.st_uid, system, named=False),
        foreign_files=foreign,
    )


def _user(uid: int, system: System, *, named: bool) -> User:
    """Return a user, with names where a sentence needs them: looking one up can ask a network service."""
    return User(uid=uid, name=system.name(uid), group=system.group(uid)) if named else User(uid=uid, name="")


def _nearest(folder: Path) -> tuple[Path, os.stat_result | None]:
    """Return the folder, or the nearest one above it that exists, and its status; None where it cannot be reached."""
    for path in (folder, *folder.parents):
        try:
            return path, path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return path, None
    return folder, None


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _is_unknown(uid: int, status: os.stat_result, system: System) -> bool:
    """Whether the owner that the system shows need not be the owner that a new file would have."""
    owner = status.st_uid
    unmapped = system.unmapped()
    if unmapped is not None and unmapped in {owner, uid}:
        return True
    kind = system.file_system(status.st_dev)
    if kind in _OWNERLESS or kind in _OWNERLESS_TOO or kind.startswith("fuse."):
        return True
    return kind in _NFS and (uid != ROOT or owner in _NOBODY)


def _is_foreign(path: Path, owner: int) -> bool:
    try:
        return path.lstat().st_uid != owner
    except OSError:
        return False


def entries(folder: Path) -> Iterator[Path]:
    """Yield a folder and the names in it; only the folder where it cannot be listed."""
    yield folder
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    yield from (folder / name for name in names)
