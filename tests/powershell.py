"""The part of PowerShell that the documents are written in, read and run without PowerShell.

A page's command stands in a block of `bash` that PowerShell takes as well, or in one that a block of `powershell`
follows. This is all that such a block may hold, one statement a line (Windows PowerShell 5.1 and later take it):

    # a comment                          at the end of a line too, after a blank
    $NAME = "value"                      a variable of the shell
    $env:NAME = "value"                  a variable of the environment, for the programs that it starts
    [Environment]::SetEnvironmentVariable("NAME", "value", "User")    the same, kept for programs to come
    cd FOLDER                            also Set-Location
    Copy-Item FILE FILE                  and Remove-Item [-Recurse] [-Force] PATH
    $NAME = (Get-ChildItem FILES | Sort-Object Name | Select-Object -Last 1).FullName
    PROGRAM WORD...                      `& "PROGRAM"` where the program is quoted

A word is 'as it stands', or "with $NAME and $env:NAME", or bare. $HOME and $PWD are there as in a POSIX shell. A bare
word has no character that only one of the shells takes for more than itself, and no `~` at its beginning, but for the
paths of `cd`, Copy-Item and Remove-Item: PowerShell passes `~` on to a program as it stands. Names that Windows
PowerShell takes for commands of its own (`curl`, `rm`) are no programs.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.house.source import REPOSITORY

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_TOKEN = re.compile(
    r"""\s*(?: (?P<comment>\#.*) | '(?P<literal>[^']*)' | "(?P<text>[^"`]*)" | (?P<bare>[^\s'"]+) )(?=\s|$)""",
    re.VERBOSE,
)
_BARE = re.compile(r"&|\$(?:env:)?\w+|[\w./\\:+=~-]+")
_SPLIT = re.compile(r"-[A-Za-z][^.:]*[.:]")  # Windows PowerShell passes `-a.b` on as two words
_ASSIGNMENT = re.compile(r"\$(env:)?(\w+) = (.+)")
_LASTING = re.compile(r'\[Environment\]::SetEnvironmentVariable\("(\w+)", ("[^"]*"), "User"\)')
_NEWEST = re.compile(r"\$(\w+) = \(Get-ChildItem (\S+) \| Sort-Object Name \| Select-Object -Last 1\)\.FullName")
_VARIABLE = re.compile(r"\$(env:)?(\w+)")
_ALIASES = re.compile(
    "cat|clear|compare|copy|cp|curl|del|diff|dir|echo|erase|fc|gc|gp|group|history|kill|ls|man|measure|mount|move|mv|"
    "popd|ps|pushd|pwd|rd|rm|rmdir|sc|select|set|sleep|sort|start|tee|type|wget|where|write"
)
_PATHS = {"cd": "cd", "Set-Location": "cd", "Copy-Item": "copy", "Remove-Item": "remove"}
_SWITCHES = {"-Recurse", "-Force"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The commands of a page for each shell: the same text where both take it."""

    bash: str
    powershell: str

    @property
    def is_shared(self) -> bool:
        return self.bash == self.powershell


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    text: str
    expands: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A line: what it does, and its words."""

    kind: str  # program, cd, copy, remove, newest, variable, environment, lasting
    words: tuple[Word, ...]


def blocks(page: str) -> list[Block]:
    """The blocks of a page that are typed into a shell; one of powershell belongs to the bash right before it."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    pairs: list[Block] = []
    end_of_bash = None
    for fence in _FENCE.finditer(text):
        language, commands = fence.groups()
        if language == "powershell":
            follows = end_of_bash is not None and not text[end_of_bash : fence.start()].strip()
            pairs.append(Block(bash=pairs.pop().bash if follows else "", powershell=commands))
        elif language == "bash":
            pairs.append(Block(bash=commands, powershell=commands))
        end_of_bash = fence.end() if language == "bash" else None
    return pairs


def parse(line: str) -> Statement | None:
    """The statement of a line; None for a blank one. Raises ValueError for what is not in the part above."""
    if not line.strip() or line.startswith("#"):
        return None
    if match := _LASTING.fullmatch(line):
        return Statement(kind="lasting", words=(Word(text=match[1]), *_words(match[2])))
    if match := _NEWEST.fullmatch(line):
        return Statement(kind="newest", words=(Word(text=match[1]), Word(text=match[2])))
    if match := _ASSIGNMENT.fullmatch(line):
        value = _words(match[3])
        if len(value) != 1 or match[3][0] not in "'\"":
            raise ValueError(f"not one quoted value: {line}")
        return Statement(kind="environment" if match[1] else "variable", words=(Word(text=match[2]), *value))
    words = _words(line)
    quoted = line[0] in "'\""
    name = words[0].text
    if quoted or name.startswith(("~", "$", "-")) or "=" in name or _ALIASES.fullmatch(name.lower()):
        raise ValueError(f"not the name of a program: {line}")
    kind = _PATHS.get(name, "program")
    rest = words[1:]
    if kind != "program":
        paths = tuple(word for word in rest if word.text not in _SWITCHES)
        if len(paths) != (2 if kind == "copy" else 1) or (kind == "cd" and paths != rest):
            raise ValueError(f"not the paths of {name}: {line}")
        return Statement(kind=kind, words=paths)
    words = rest if name == "&" else words
    if not words or any(not word.expands and word.text.startswith("~") for word in words):
        raise ValueError(f"a path that PowerShell does not complete: {line}")
    return Statement(kind=kind, words=words)


def _words(line: str) -> tuple[Word, ...]:
    words, at = [], 0
    while line[at:].strip():
        match = _TOKEN.match(line, at)
        if match is None:
            raise ValueError(f"not a word: {line[at:]}")
        at = match.end()
        if match["comment"] is not None:
            break
        bare = match["bare"]
        if bare is not None and (not _BARE.fullmatch(bare) or _SPLIT.match(bare) or (bare == "&" and words)):
            raise ValueError(f"not the same in both shells: {bare}")
        text = next(match[name] for name in ("literal", "text", "bare") if match[name] is not None)
        words.append(Word(text=text, expands=match["literal"] is None and "$" in text))
    return tuple(words)


@dataclass(slots=True, kw_only=True)
class Shell:
    """Runs statements one after another, each program as a process of its own.

    run        runs a program: its words, its folder and its environment; returns its exit code
    lasting    keeps a variable of the user
    stand_ins  the words that start a program, by the name that the page has for it
    """

    folder: Path
    environ: dict[str, str]
    run: Callable[[list[str], Path, Mapping[str, str]], int]
    lasting: Callable[[str, str], None]
    stand_ins: Mapping[str, Sequence[str]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    def type_in(self, line: str) -> int:
        """Run a line; return the exit code of its program, 0 without one."""
        statement = parse(line)
        if statement is None:
            return 0
        first, *rest = words = [self._expanded(word) for word in statement.words]
        match statement.kind:
            case "program":
                return self.run([*self._program(first), *rest], self.folder, self.environ)
            case "cd":
                self.folder = self._path(first).resolve(strict=True)
            case "copy":
                shutil.copy(self._path(first), self._path(rest[0]))
            case "remove":
                shutil.rmtree(self._path(first))
            case "newest":
                pattern = self._path(rest[0])
                self.variables[first] = str(max(pattern.parent.glob(pattern.name)))
            case "variable":
                self.variables[first] = rest[0]
            case "environment":
                self.environ[first] = rest[0]
            case "lasting":
                self.lasting(*words)
        return 0

    def _expanded(self, word: Word) -> str:
        if not word.expands:
            return word.text
        automatic = {"HOME": self.environ.get("USERPROFILE", ""), "PWD": str(self.folder)}

        def value(match: re.Match[str]) -> str:
            variables = self.environ if match[1] else {**automatic, **self.variables}
            return variables[match[2]]

        return _VARIABLE.sub(value, word.text)

    def _path(self, text: str) -> Path:
        home = self.environ.get("USERPROFILE", "")
        return self.folder / (home + text[1:] if text.startswith("~") else text)

    def _program(self, name: str) -> Sequence[str]:
        """A program as PowerShell looks for it: never in the current folder, unless the word says so."""
        if name in self.stand_ins:
            return self.stand_ins[name]
        place = self.folder / name if re.search(r"[/\\]", name) else name
        for spelling in (str(place), f"{place}.exe"):
            if program := shutil.which(spelling, path=self.environ.get("PATH", "")):
                return [program]
        raise FileNotFoundError(name)
