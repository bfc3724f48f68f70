"""The tables of cfp.messages, with the type of their codes."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

import cfp.messages
from cfp.messages import Message

_TABLE = re.compile(r"Final\[dict\[(\w+), Message\]\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTable:
    """One table; `codes` are the values of its Literal."""

    name: str
    codes: tuple[str, ...]
    table: Mapping[str, Message]


def message_tables() -> Iterator[MessageTable]:
    """Yield each table that a module of cfp.messages declares with the type of its keys."""
    for info in pkgutil.iter_modules(cfp.messages.__path__):
        module = importlib.import_module(f"cfp.messages.{info.name}")
        for name, annotation in module.__annotations__.items():
            if declared := _TABLE.fullmatch(annotation):
                codes = get_args(getattr(module, declared[1]))
                yield MessageTable(name=f"{info.name}.{name}", codes=codes, table=getattr(module, name))


def all_messages() -> list[Message]:
    """Return the messages of all tables."""
    return [message for table in message_tables() for message in table.table.values()]
