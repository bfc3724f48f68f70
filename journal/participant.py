"""One file's share in a transaction: its intents so far, its place, and the steps on the disk that both ways use."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from journal.context import Context
from journal.errors import Damaged, StorageFailed, Unsupported
from journal.fs import FileType, Meta, storage
from journal.intents import Digester, Intent
from journal.log import PARKED
from journal.reconciliation import Observation, StagedFile, accounted
from journal.staging import StagingArea, apply_meta, park, stage
from journal.target import FileContent, look
from journal.values import Format


class Participant:
    """What a transaction knows and does about one file.

    `after` is the newest after-image. It lives in memory only: recovery never needs it.
    """

    def __init__(
        self, ports: Context, txid: str, digest: Digester, intent: Intent, after: bytes | None = None
    ) -> None:
        self.ports = ports
        self.txid = txid
        self.digest = digest
        self.intents = [intent]
        self.after = after
        self.parked: list[str] = []
        self.consumed: set[str] = set()
        self.place = self.place_at(intent.target)
        self.places = [self.place]

    @property
    def last(self) -> Intent:
        return self.intents[-1]

    @property
    def made_from(self) -> str:
        """Digest of what the newest intent describes: the file that the plan saw, or foreign bytes that it merges."""
        return self.last.theirs or self.last.before

    @property
    def index(self) -> int:
        return self.last.index

    @property
    def form(self) -> Format | None:
        return self.ports.formats.get(self.last.format)

    def place_at(self, target: Path) -> StagingArea:
        return StagingArea(self.ports.fs, target, self.txid, self.index, self.digest)

    def before(self) -> bytes | None:
        """Read the newest before-image. Raises Damaged where it is not what was made durable."""
        image = self.last.image
        if image is None:
            return None
        path = self.ports.root / image.name
        content = None
        with storage(path), suppress(FileNotFoundError):
            content = self.ports.fs.read(path)[image.offset : image.offset + image.size]
        if self.digest(content) != self.last.before:
            raise Damaged(self.txid)
        return content

    def stage_after(self) -> None:
        if self.after is not None:
            path = self.place.staged(self.last.version)
            try:
                stage(self.ports.fs, path, self.after, self.last.meta, mode=self.last.mode)
            except Unsupported as error:
                raise Unsupported(self.last.given, error.reason) from error

    def put(self, place: StagingArea, staged: Path, sight: Observation) -> None:
        """Bring what is staged under the target's name, as long as it is what `sight` says; the caller looks again.

        Every way keeps what others may have written in the meantime: it ends up under the staged name, or the
        operation does not happen.
        """
        fs = self.ports.fs
        try:
            if sight.current is None:
                fs.move_new(staged, place.target)
            elif not fs.exchange(staged, place.target) and self._is_still(place, sight):
                fs.move(staged, place.target)
        except (FileExistsError, FileNotFoundError):
            return
        except OSError as error:
            raise StorageFailed(place.target, error.errno) from error

    def _is_still(self, place: StagingArea, sight: Observation) -> bool:
        """Without exchange a gap remains between this comparison and the rename."""
        return place.observe(self.intents, names=()).digest == sight.digest

    def take_away(self, place: StagingArea, aside: Path) -> None:
        """Remove the target by renaming it, so that it can come back if it was not what we thought."""
        try:
            self.ports.fs.move_new(place.target, aside)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageFailed(place.target, error.errno) from error

    def fix_meta(self, path: Path, meta: Meta) -> None:
        """Set mode, owner and attributes of a file where they differ, and make that and its content durable."""
        with storage(path):
            fd = self.ports.fs.open(path)
            try:
                apply_meta(self.ports.fs, fd, path, meta)
                self.ports.fs.fsync(fd)
            finally:
                self.ports.fs.close(fd)

    def displaced(self, sight: Observation) -> StagedFile | None:
        """What our swap took away, where it is what the newest intent was made from."""
        return next((beside for beside in sight.beside if beside.holds.digest == self.made_from), None)

    def sweep(self, place: StagingArea) -> bool:
        """Remove every name of ours beside a target; what was displaced and is in no file is parked first.

        Returns whether there was any: the folder is to be fsynced then.
        """
        names = place.names()
        with storage(place.folder):
            beside = place.beside(self.intents, names)
            fine = accounted(self._digest_at(place), beside, self.intents) | self.consumed
            for one in beside:
                if one.holds.digest not in {one.staged, *fine} and one.strange is not FileType.FOLDER:
                    self._park(one.holds)
            folders = {one.path.name for one in beside if one.strange is FileType.FOLDER}
            for name in names:
                if name not in folders:  # somebody's folder is too much to park: it stays beside the file
                    self.ports.fs.unlink(place.folder / name)
        return bool(names)

    def _digest_at(self, place: StagingArea) -> str:
        try:
            held = look(self.ports.fs, place.target, self.digest)
        except Unsupported:
            return ""
        return self.digest(None if held is None else held.content)

    def _park(self, held: FileContent) -> None:
        name = f"{self.txid}{PARKED}{self.index}-{self.digest(held.content)[:8]}"
        park(self.ports.fs, self.ports.root / name, held.content)
        self.parked.append(name)
