"""A file that takes part in a transaction: its intents, its staging area, and the disk operations on it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from journal.context import Context
from journal.errors import Damaged, Unsupported
from journal.fs import OLD, FileType, Metadata, storage_errors
from journal.intents import NO_FILE, Digester, Intent
from journal.log import PARKED
from journal.reconciliation import Observation, StagedFile, known_digests, removable_digests
from journal.staging import StagingArea, apply_metadata, park, stage
from journal.target import FileContent, read_file
from journal.values import Format


class Participant:
    """One file of a transaction.

    after_image     of the newest intent; in memory only, since recovery never needs it
    areas           the staging area of the recorded target, and that of another target where links changed
    parked_names    files of the journal's folder that hold parked content
    merged_digests  of foreign content that the target contains, so that it need not be parked
    """

    def __init__(
        self, context: Context, txid: str, digest: Digester, intent: Intent, after_image: bytes | None = None
    ) -> None:
        self.context = context
        self.txid = txid
        self.digest = digest
        self.intents = [intent]
        self.after_image = after_image
        self.parked_names: list[str] = []
        self.merged_digests: set[str] = set()
        self.area = self.area_at(intent.target)
        self.areas = [self.area]

    @property
    def intent(self) -> Intent:
        """The newest intent."""
        return self.intents[-1]

    @property
    def base_digest(self) -> str:
        """Digest of the content that the newest intent builds on: the planned before-image or foreign content."""
        return self.intent.foreign_digest or self.intent.before_digest

    @property
    def index(self) -> int:
        return self.intent.index

    @property
    def file_format(self) -> Format | None:
        return self.context.formats.get(self.intent.format)

    def area_at(self, target: Path) -> StagingArea:
        return StagingArea(self.context.fs, target, self.txid, self.index, self.digest)

    def read_before_image(self) -> bytes | None:
        """Read the newest before-image, None for no file. Raises Damaged where its digest does not match."""
        location = self.intent.before_image
        if location is None:
            return None
        path = self.context.root / location.name
        image = None
        with storage_errors(path), suppress(FileNotFoundError):
            image = self.context.fs.read(path)[location.offset : location.offset + location.size]
        if self.digest(image) != self.intent.before_digest:
            raise Damaged(self.txid)
        return image

    def stage_after_image(self) -> None:
        """Stage the after-image of the newest intent; a deletion stages nothing."""
        if self.after_image is not None:
            path = self.area.staged_path(self.intent.version)
            try:
                stage(self.context.fs, path, self.after_image, self.intent.metadata, mode=self.intent.mode)
            except Unsupported as error:
                raise Unsupported(self.intent.path, error.reason) from error

    def swap_in(self, area: StagingArea, staged: Path, observation: Observation) -> None:
        """Swap a staged file with the target while the target is as in `observation`; the caller observes again.

        A foreign write that comes between is kept: it ends up under the staged name, or the swap does not happen.
        """
        fs = self.context.fs
        with storage_errors(area.target), suppress(FileExistsError, FileNotFoundError):
            if observation.current is None:
                fs.move_new(staged, area.target)
            elif not fs.exchange(staged, area.target) and self._is_unchanged(area, observation):
                fs.move(staged, area.target)

    def _is_unchanged(self, area: StagingArea, observation: Observation) -> bool:
        """Whether the target still has the observed digest; without exchange a gap remains before the rename."""
        return area.observe(self.intents, names=()).digest == observation.digest

    def move_aside(self, area: StagingArea, staged: Path) -> None:
        """Delete the target by renaming it to a staged name, so that a foreign write is not lost."""
        with storage_errors(area.target), suppress(FileNotFoundError):
            self.context.fs.move_new(area.target, staged)

    def set_metadata(self, path: Path, metadata: Metadata) -> None:
        """Set mode, owner and attributes of a file where they differ, and fsync it."""
        with storage_errors(path):
            fd = self.context.fs.open(path)
            try:
                apply_metadata(self.context.fs, fd, path, metadata)
                self.context.fs.fsync(fd)
            finally:
                self.context.fs.close(fd)

    def displaced_base(self, observation: Observation) -> StagedFile | None:
        """Return the displaced file that the newest intent builds on, if it is there."""
        return next(
            (staged for staged in observation.staged_files if staged.content.digest == self.base_digest), None
        )

    def sweep(self, area: StagingArea) -> bool:
        """Remove every staged file of one target; park foreign content that is in no file first.

        Returns whether there was one: the caller fsyncs the folder then.
        """
        names = area.names()
        with storage_errors(area.folder):
            staged_files = area.staged_files(self.intents, names)
            current = self._target_digest(area)
            removable = removable_digests(current, staged_files, self.intents) | self.merged_digests
            if self.context.fs.hides_targets and self._has_foreign_content(current):
                # The other program may have found no file, and written one without the former content.
                removable -= {self.intents[0].before_digest}
            for staged in staged_files:
                is_removable = staged.content.digest in {staged.staged_digest, *removable}
                if staged.path.name.endswith(
                    OLD
                ):  # another program wrote where this was the target: it never read it
                    is_removable = staged.content.digest in self.merged_digests | {self._target_digest(area)}
                if not is_removable and staged.irregular is not FileType.FOLDER:
                    self._park(staged.content)
            folders = {staged.path.name for staged in staged_files if staged.irregular is FileType.FOLDER}
            for name in names:
                if name not in folders:  # a displaced folder cannot be parked as bytes: it stays where it is
                    self.context.fs.unlink(area.folder / name)
        return bool(names)

    def _has_foreign_content(self, digest: str) -> bool:
        """Whether another program wrote while the transaction was open, and the target with this digest has that."""
        return len(self.intents) > 1 or digest not in {*known_digests(self.intents), NO_FILE}

    def _target_digest(self, area: StagingArea) -> str:
        try:
            content = read_file(self.context.fs, area.target, self.digest)
        except Unsupported:
            return ""
        return self.digest(None if content is None else content.data)

    def _park(self, content: FileContent) -> None:
        name = f"{self.txid}{PARKED}{self.index}-{self.digest(content.data)[:8]}"
        park(self.context.fs, self.context.root / name, content.data)
        self.parked_names.append(name)
