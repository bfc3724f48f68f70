"""The intent of a transaction for one file, as a value and as a log record."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from journal.fs import Metadata
from journal.values import ABSENT, Absent, Json, KeyEdit

NO_FILE = "-"  # the digest of a missing file


@dataclass(frozen=True, slots=True)
class Digester:
    """Keyed hashes, so that the log of digests alone does not confirm a guessed content."""

    key: str

    def __call__(self, content: bytes | None) -> str:
        if content is None:
            return NO_FILE
        return hashlib.blake2b(content, key=self.key.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLocation:
    """The location of a before-image: a file of the journal's folder, and a part of it."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """The durable intent for one file.

    version         0 for the planned intent, higher for a re-intent
    path            as the caller wrote it
    target          the path with every symbolic link resolved
    chain           the symbolic links on the way from `path` to `target`, as (link, its text)
    metadata        of the file before; None where there was none
    mode            permission bits of a new file
    before_digest   of the before-image; NO_FILE where the file was missing
    after_digest    of the after-image; NO_FILE where the file is to be deleted
    foreign_digest  of the foreign content that a re-intent has merged; "" in a planned intent
    """

    index: int
    version: int
    path: Path
    target: Path
    chain: tuple[tuple[str, str], ...]
    metadata: Metadata | None
    mtime_ns: int
    mode: int
    before_digest: str
    before_image: ImageLocation | None
    after_digest: str
    foreign_digest: str
    secret: bool
    format: str
    edits: tuple[KeyEdit, ...]

    def to_record(self) -> Json:
        """Return the log record of the intent."""
        image = self.before_image
        return {
            "t": "intent" if self.version == 0 else "reintent",
            "i": self.index,
            "version": self.version,
            "given": str(self.path),
            "target": str(self.target),
            "chain": [list(link) for link in self.chain],
            "meta": None if self.metadata is None else _metadata_to_json(self.metadata),
            "mtime_ns": self.mtime_ns,
            "mode": self.mode,
            "before": self.before_digest,
            "image": None if image is None else [image.name, image.offset, image.size],
            "after": self.after_digest,
            "theirs": self.foreign_digest,
            "secret": self.secret,
            "format": self.format,
            "edits": [_edit_to_json(edit) for edit in self.edits],
        }


def intent_from_record(record: Json) -> Intent:
    """Parse a record that `Intent.to_record` returned. Raises KeyError, TypeError or ValueError for any other."""
    image = record["image"]
    return Intent(
        index=record["i"],
        version=record["version"],
        path=Path(record["given"]),
        target=Path(record["target"]),
        chain=tuple((link, text) for link, text in record["chain"]),
        metadata=None if record["meta"] is None else _metadata_from_json(record["meta"]),
        mtime_ns=record["mtime_ns"],
        mode=record["mode"],
        before_digest=record["before"],
        before_image=None if image is None else ImageLocation(name=image[0], offset=image[1], size=image[2]),
        after_digest=record["after"],
        foreign_digest=record["theirs"],
        secret=record["secret"],
        format=record["format"],
        edits=tuple(_edit_from_json(edit) for edit in record["edits"]),
    )


def _metadata_to_json(metadata: Metadata) -> Json:
    xattrs = [[name, base64.b64encode(value).decode("ascii")] for name, value in metadata.xattrs]
    return {"mode": metadata.mode, "uid": metadata.uid, "gid": metadata.gid, "xattrs": xattrs}


def _metadata_from_json(json: Json) -> Metadata:
    xattrs = tuple((name, base64.b64decode(value)) for name, value in json["xattrs"])
    return Metadata(mode=json["mode"], uid=json["uid"], gid=json["gid"], xattrs=xattrs)


def _edit_to_json(edit: KeyEdit) -> Json:
    return {
        "path": list(edit.path),
        "before": _optional_to_json(edit.before),
        "after": _optional_to_json(edit.after),
        "spelling": edit.before_spelling,
    }


def _edit_from_json(json: Json) -> KeyEdit:
    return KeyEdit(
        path=tuple(json["path"]),
        before=_optional_from_json(json["before"]),
        after=_optional_from_json(json["after"]),
        before_spelling=json["spelling"],
    )


def _optional_to_json(value: Json | Absent) -> Json:
    """Return [] for ABSENT and [value] for a value, since null is a value too."""
    return [] if value is ABSENT else [value]


def _optional_from_json(json: Json) -> Json | Absent:
    return json[0] if json else ABSENT
