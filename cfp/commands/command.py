"""The typed value that each verb's module defines: its help, its flags, and the function that runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from cfp.result import Exit, Raw, Result, Rows

if TYPE_CHECKING:
    import argparse

    from cfp.host.home import Host


def _never(_args: object) -> bool:
    return False


def always(_args: object) -> bool:
    """Whether a command writes, whatever its flags."""
    return True


Outcome: TypeAlias = Result | Raw | Rows | Exit | None
ArgsT = TypeVar("ArgsT")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandHelp:
    """The part of a command that `--help`, completion and the reference read.

    doc            the module's docstring; its first line is the description
    examples       pairs of the words behind the verb and their effect; each must parse
    add_arguments  declares the flags
    tail           the words behind `--`, which belong to another program; "" where the verb takes none
    output         describes the output where it is not one JSON object
    has_format     False where the output has one form only, so that --format has no use
    more_formats   formats besides json and text, which `run` prints by itself, and for whom each is
    """

    doc: str | None
    examples: Sequence[tuple[str, str]]
    add_arguments: Callable[[argparse.ArgumentParser], None]
    tail: str = ""
    output: str = ""
    has_format: bool = True
    more_formats: Mapping[str, str] = field(default_factory=dict)

    @property
    def description(self) -> str:
        return (self.doc or "").partition("\n")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(CommandHelp, Generic[ArgsT]):
    """A verb: `run` gets the parsed flags as `args`, a dataclass with a field for each flag.

    `run` returns None to print nothing. It raises CfpError.

    writes  whether it may write in the Codex home with these flags, and must therefore run as the home's owner
    uses_reserve  it runs again with the room that an install keeps, where the disk is full
    needs_home     it is about a Codex home, so it refuses a user who has none and names none
    needs_sockets  it decides by ports or asks over the network, so it refuses where a sandbox allows no socket
    """

    args: type[ArgsT]
    run: Callable[[ArgsT, Host], Outcome]
    writes: Callable[[ArgsT], bool] = _never
    needs_home: bool = True
    needs_sockets: bool = True
    uses_reserve: bool = False

    def parse(self, names: Mapping[str, Any]) -> ArgsT:
        """Return the flags as `args`, from argparse's names and values."""
        values: dict[str, Any] = {item.name: names[item.name] for item in fields(self.args)}  # type: ignore[arg-type]  # a dataclass
        return self.args(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForegroundCommand(CommandHelp):
    """The verb that parses its command line itself, because its start is waited for: `serve`."""

    main: Callable[[Sequence[str]], int]
