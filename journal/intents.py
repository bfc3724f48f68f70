"""What a transaction means to do to one file, as a value and as a record of the log."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from journal.fs import Meta
from journal.values import ABSENT, Absent, Json, KeyEdit

NOTHING = "-"  # the digest of a file that is not there


@dataclass(frozen=True, slots=True)
class Digester:
    """Keyed hashes: a log that leaks alone does not even confirm a guessed content."""

    key: str

    def __call__(self, content: bytes | None) -> str:
        if content is None:
            return NOTHING
        return hashlib.blake2b(content, key=self.key.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Where a before-image lies: a file of the journal's folder, and a part of it."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """The durable word on one file.

    version  0 as planned; higher ones are re-intents, made when others wrote meanwhile
    chain    the symbolic links on the way from `given` to `target`, as (link, what it says)
    meta     of the file before; None where there was none
    before   digests of the images; NOTHING for no file
    theirs   digest of the foreign bytes that a re-intent has merged
    """

    index: int
    version: int
    given: Path
    target: Path
    chain: tuple[tuple[str, str], ...]
    meta: Meta | None
    mtime_ns: int
    mode: int
    before: str
    image: Slice | None
    after: str
    theirs: str
    secret: bool
    format: str
    edits: tuple[KeyEdit, ...]

    def to_record(self) -> Json:
        return {
            "t": "intent" if self.version == 0 else "reintent",
            "i": self.index,
            "version": self.version,
            "given": str(self.given),
            "target": str(self.target),
            "chain": [list(link) for link in self.chain],
            "meta": None if self.meta is None else _meta_to_json(self.meta),
            "mtime_ns": self.mtime_ns,
            "mode": self.mode,
            "before": self.before,
            "image": None if self.image is None else [self.image.name, self.image.offset, self.image.size],
            "after": self.after,
            "theirs": self.theirs,
            "secret": self.secret,
            "format": self.format,
            "edits": [_edit_to_json(edit) for edit in self.edits],
        }


def intent_from_record(record: Json) -> Intent:
    """Read back what `Intent.to_record` wrote. Raises KeyError, TypeError or ValueError on anything else."""
    image = record["image"]
    return Intent(
        index=record["i"],
        version=record["version"],
        given=Path(record["given"]),
        target=Path(record["target"]),
        chain=tuple((link, says) for link, says in record["chain"]),
        meta=None if record["meta"] is None else _meta_from_json(record["meta"]),
        mtime_ns=record["mtime_ns"],
        mode=record["mode"],
        before=record["before"],
        image=None if image is None else Slice(name=image[0], offset=image[1], size=image[2]),
        after=record["after"],
        theirs=record["theirs"],
        secret=record["secret"],
        format=record["format"],
        edits=tuple(_edit_from_json(edit) for edit in record["edits"]),
    )


def _meta_to_json(meta: Meta) -> Json:
    xattrs = [[name, base64.b64encode(value).decode("ascii")] for name, value in meta.xattrs]
    return {"mode": meta.mode, "uid": meta.uid, "gid": meta.gid, "xattrs": xattrs}


def _meta_from_json(json: Json) -> Meta:
    xattrs = tuple((name, base64.b64decode(value)) for name, value in json["xattrs"])
    return Meta(mode=json["mode"], uid=json["uid"], gid=json["gid"], xattrs=xattrs)


def _edit_to_json(edit: KeyEdit) -> Json:
    return {
        "path": list(edit.path),
        "before": _maybe_to_json(edit.before),
        "after": _maybe_to_json(edit.after),
        "spelling": edit.before_spelling,
    }


def _edit_from_json(json: Json) -> KeyEdit:
    return KeyEdit(
        path=tuple(json["path"]),
        before=_maybe_from_json(json["before"]),
        after=_maybe_from_json(json["after"]),
        before_spelling=json["spelling"],
    )


def _maybe_to_json(value: Json | Absent) -> Json:
    """[] for ABSENT and [value] for a value, since null is a value too."""
    return [] if value is ABSENT else [value]


def _maybe_from_json(json: Json) -> Json | Absent:
    return json[0] if json else ABSENT
