"""What the workflow `release` asks of a checkout: the notes of the tag's version, and the checksums of its archives.

    python .ci/release.py notes v0.3.0     prints the version's section of CHANGELOG.md, or why there is no release
    python .ci/release.py sums dist        prints the lines of SHA256SUMS, for `sha256sum --check` in that folder

It needs Python alone, reads the current folder, and writes nothing.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path


def notes(tag: str, root: Path) -> str:
    """Return the section of CHANGELOG.md for the version that `tag` names.

    Raises ValueError where the tag is not the program's version, or the section is missing, without a day, or empty.
    """
    version = _search(r'^__version__ = "([^"]+)"', root / "cfp" / "__init__.py")
    if tag != f"v{version}":
        raise ValueError(f"the tag is {tag}, and the version in cfp/__init__.py {version}")
    heading = rf"^## {re.escape(version)} \((\d{{4}}-\d\d-\d\d)\)\n(.*?)(?=^## |\Z)"
    section = re.search(heading, (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    if section is None:
        raise ValueError(f"CHANGELOG.md has no heading `## {version} (YYYY-MM-DD)`")
    if not section[2].strip():
        raise ValueError(f"CHANGELOG.md says nothing about {version}")
    return f"{section[2].strip()}\n"


def sums(folder: Path) -> str:
    """Return a line of SHA256SUMS for each file in a folder, by its name."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


def _search(pattern: str, path: Path) -> str:
    match = re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        raise ValueError(f"{path} has no line like {pattern}")
    return match[1]


def main(words: list[str]) -> int:
    """Run one of the two; exits 1 with the reason on stderr."""
    verbs = {"notes": lambda tag: notes(tag, Path.cwd()), "sums": lambda folder: sums(Path(folder))}
    try:
        verb, argument = words
        text = verbs[verb](argument)
    except (KeyError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.buffer.write(text.encode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
