"""The distribution that this program is installed as: its installer, its source, and what has names of its modules.

A tool of packages leaves its own record in the environment that it makes: uv-receipt.toml by `uv tool install`,
pipx_metadata.json by pipx. Where a package did not come from an index, direct_url.json says from where (PEP 610).
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

import cfp
from cfp.errors import Refused
from cfp.host.system.git import shown_url
from cfp.host.system.interpreters import cached_by, system_temporary, temporary_folder

NAME: Final = "codex-fast-proxy"

Installer = Literal["uv", "pipx", "pip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """An installed copy of this program.

    installer  uv or pipx, which keep an environment for it; pip for everything else that installs packages
    source     the folder, the file, or the URL without credentials that it came from; "" for a package index
    python     its interpreter
    """

    installer: Installer
    source: str = ""
    python: str = "python3"

    @property
    def is_of_folder(self) -> bool:
        """Whether it was installed from a folder, which may be a checkout."""
        return Path(self.source).is_dir() if self.source else False

    @property
    def details(self) -> dict[str, str]:
        """The values that messages name."""
        return {
            "installer": self.installer,
            "source": self.source,
            "list_command": self.list_command,
            "upgrade_command": self.upgrade_command,
            "install_command": self.install_command,
        }

    @property
    def list_command(self) -> str:
        """The command that shows whether the index has a newer release, and changes nothing."""
        return {
            "uv": "uv tool list --outdated",
            "pipx": "pipx list --outdated",
            "pip": f"{_quoted(self.python)} -m pip index versions {NAME}",
        }[self.installer]

    @property
    def upgrade_command(self) -> str:
        """The command that installs the newest state of the source."""
        is_path = self.source != "" and "://" not in self.source
        return {
            ("uv", False): f"uv tool upgrade {NAME}",
            ("uv", True): f"uv tool install --reinstall {_quoted(self.source)}",
            ("pipx", False): f"pipx upgrade {NAME}",
            ("pipx", True): f"pipx install --force {_quoted(self.source)}",
            ("pip", False): f"{_quoted(self.python)} -m pip install --upgrade {_quoted(self.source or NAME)}",
            (
                "pip",
                True,
            ): f"{_quoted(self.python)} -m pip install --force-reinstall --no-deps {_quoted(self.source)}",
        }[self.installer, is_path]

    @property
    def install_command(self) -> str:
        """The command that installs the same for good, into an environment that stays."""
        return f"{'pipx' if self.installer == 'pipx' else 'uv tool'} install {_quoted(self.source or NAME)}"


def check_lasting(python: str, named_in: Path, verb: str) -> None:
    """Refuse to write the path of a program that will vanish into a place that stays.

    python    the interpreter of this program
    named_in  the folder or file that would lead to it; one in the temporary folder, as the demo's, stays no longer
    verb      the command to run where the program is installed for good

    Raises Refused(program_place_temporary) for the caches of uv and pipx, and for the system's temporary folder.
    """
    temporary = system_temporary()
    folder = temporary_folder(python, temporary)
    if not folder or temporary_folder(str(named_in.absolute()), temporary):
        return
    remedy = read_distribution(python).install_command
    raise Refused("program_place_temporary", folder=folder, install_command=remedy, verb=verb)


def read_distribution(python: str, prefix: str = sys.prefix) -> Distribution:
    """Return how this program was installed into the environment `prefix`, whose interpreter is `python`."""
    return Distribution(
        installer=_installer(prefix, python), source=_source(Path(cfp.__file__).parent), python=python
    )


def _installer(prefix: str, python: str) -> Installer:
    folder, tool = Path(prefix), cached_by(python)
    if tool == "uv" or (folder / "uv-receipt.toml").is_file():
        return "uv"
    return "pipx" if tool == "pipx" or (folder / "pipx_metadata.json").is_file() else "pip"


def _source(package: Path) -> str:
    from importlib import metadata  # noqa: PLC0415  20 ms that only two commands need

    with suppress(metadata.PackageNotFoundError, OSError, ValueError, KeyError, TypeError):
        distribution = metadata.distribution(NAME)
        if package.samefile(str(distribution.locate_file("cfp"))):
            return source_of(json.loads(distribution.read_text("direct_url.json") or "{}"))
    return ""


def source_of(record: dict[str, Any]) -> str:
    """Return the source that a direct_url.json names, as an installer takes it; "" where it names none."""
    url = str(record.get("url", ""))
    if vcs := record.get("vcs_info", {}).get("vcs"):
        return f"{vcs}+{shown_url(url)}"
    return url2pathname(urlsplit(url).path) if urlsplit(url).scheme == "file" else shown_url(url)


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text


MODULES: Final = ("cfp", "journal", "codex_fast_proxy")


def sharing_distributions() -> tuple[str, ...]:
    """Return the names of other installed distributions that have a module of a name of ours, sorted."""
    from importlib import metadata  # noqa: PLC0415  see `_source`

    # A record without METADATA has no name, which each Python says in another way.
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        owners = metadata.packages_distributions()
        names = {one for module in MODULES for one in owners.get(module, ()) if one}
        return tuple(sorted(name for name in names if re.sub(r"[-_.]+", "-", name).lower() != NAME))
    return ()


def namesakes(folders: Iterable[str], home: Path = Path(cfp.__file__).parents[1]) -> tuple[str, ...]:
    """Return the files of modules with a name of ours that these folders hold, other than those in `home`.

    A folder without code is no module here: Python takes one only where it finds no other.
    """
    from importlib.machinery import PathFinder  # noqa: PLC0415  see `_source`

    files: dict[str, None] = {}
    for folder in folders:
        for name in MODULES:
            with suppress(OSError, ValueError, ImportError):
                spec = PathFinder.find_spec(name, [folder])
                if spec is not None and spec.origin is not None and not _is_in(spec.origin, home):
                    files[spec.origin] = None
    return tuple(files)


def _is_in(path: str, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
