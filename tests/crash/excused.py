"""Mutants of the journal that no test can notice, each with the reason: the code is correct either way."""

from __future__ import annotations

LOCAL = "a local list and the disk are independent; where the disk fails, the list is dropped"
SAME_LENGTH = "both lists are made from the same participants, one for one: there is nothing that strict could refuse"
NEITHER_FAILS = "neither can fail, and neither reads the other"
TEXT_ALONE = "an exception keeps its text and changes no attribute of ours"
UNMADE = "neither reads the other, and nothing else has the new object yet"
NEXT_ROUND = "nothing has its name yet, so `swap_in` does nothing; the next round observes it staged, and swaps it in"

EXCUSED: dict[str, str] = {
    "codec._bodies: 16 for 15": "int() passes over the space behind the digits; another byte there fails either way",
    "errors.StorageFailed.__init__: without 0 in errno or 0": "False is 0 to a dict",
    "folder.Journal._lock: Gt in time.monotonic() >= deadline": "at that instant there is one more attempt, of 0 s",
    "folder.Journal.acquire: self._write_holder(command) before sweep_orphans(self._fs, self.root)": (
        "the sweep never touches the holder's file, and where it fails the file goes with the lease"
    ),
    "history._entries: entry['id'] before _moment(entry)": "both only raise, for one handler",
    "history._is_overdue: 2 for 1": "one byte of the next line is no entry",
    "lease.Lease.remove_journal: fs.unlink(root / LOCK) before self._journal_removed = True": (
        "they differ only where the unlink fails: the lock is still ours, so the lease may clean up at its end"
    ),
    "lock._native: True for False": "no file system at hand lacks flock, so the soft lock is never fallen back to",
    "log.Log.append: self.records.append(record) before self._length += len(data)": NEITHER_FAILS,
    "log.write_images: locations.append(ImageLocation(name=n... before write_all(fs, fd, image, offset)": LOCAL,
    "real_fs.RealFs.writable: NotIn in os.access in os.supports_effective_ids": "real and effective ids are the same",
    "real_fs.RealFs.xattrs: True for False #2": "the names are the link's; Linux has no user attributes on links",
    "real_fs.RealFs.xattrs: without except OSError": "no file system at hand is without attributes; others raise too",
    "real_fs.link_new: True for False": "Linux links the link either way",
    "recovery.require_before_images: True for False": "whether an image is needed depends on no power cut",
    "rollback.move_towards: drop participant.swap_in(area, undo, observation)": NEXT_ROUND,
    "rollback.move_towards: without displaced.content.metadata in metadata or displaced.content.metadata": (
        "the displaced file's metadata is recorded where it is ours, and in the image where it is foreign"
    ),
    "rollback.needs_rollback: True for False": (
        "`roll_back_target` then finds it irregular and does nothing; after a move its conflicts are not used"
    ),
    "signals.SignalMask.block: without hasattr(signal, 'pthread_sigmask') in self._former is None and "
    "hasattr(signal, 'pthread_sigmask')": "every POSIX system has it",
    "staging.StagingArea.observe: always names is None": "a listing finds the same names, and costs more",
    "swap.write_reintent: participant.after_image = after before participant.intents.append(reintent)": NEITHER_FAILS,
    "target._resolve: never text.anchor #2": "joining an absolute part starts at the root again",
    "transaction.Transaction._write_images: False for True": SAME_LENGTH,
    "transaction.Transaction.restore_files: self.conflicts = tuple(dict.fromkeys(... before self._fsync_targets()": (
        "where the fsync fails the roll back is repeated, with its conflicts"
    ),
    "transaction.Transaction.swap: self._signal_mask.block() before self._stage = Stage.SWAPPING": (
        "a signal between the two finds no file swapped, and both stages roll back alike"
    ),
    "transaction.Transaction.swap: False for True": SAME_LENGTH,
    **{
        f"transaction.Transaction.restore_files: self._stage = Stage.RESTORED before {what}": NEITHER_FAILS
        for what in ("self.conflicts = tuple(dict.fromkeys(...",)
    },
    **dict.fromkeys(
        (
            "lease.Lease.__init__: self._signal_mask = SignalMask() before self._lock = lock",
            "lease.Lease.__init__: self._journal_removed = False before self._signal_mask = SignalMask()",
            "transaction.Transaction.__init__: self._digest = Digester(begin['key']) before self._folders = folders",
            "transaction.Transaction.__init__: self._stage = Stage.NEW before self._digest = Digester(begin['key'])",
            "transaction.Transaction.resume: self._rebooted = begin['boot_id'] != ... before self._resumed = True",
        ),
        UNMADE,
    ),
    **{
        f"errors.{name}.__init__: self.{fact} before super().__init__({text}": TEXT_ALONE
        for name, fact, text in (
            ("LockBusy", "holder = holder", '"another command hol...'),
            ("Interrupted", "transactions = tuple(transactions)", 'f"open transactions:...'),
            ("Drifted", "paths = tuple(paths)", 'f"changed by others:...'),
            ("Unsupported", "path = path", "f'{path}: {reason}')"),
            ("StorageFailed", "path = path", 'f"{path}: {codes.err...'),
            ("Damaged", "txid = txid", "f'transaction {txid}..."),
        )
    },
    **{
        f"workers.retract: log.append({{'t': UNDONE, 'nonce': wor... before outcomes.append({what}": LOCAL
        for what in ("_outcome(worker, outc...", "_outcome(worker, resu...")
    },
}
