"""Mutants of the journal that no test can notice, each with the reason: the code is right either way."""

from __future__ import annotations

LOCAL = "a local list and the disk know nothing of each other; where the disk fails, the list is dropped"
SAME_LENGTH = "both lists are made from the same shares, one for one: there is nothing that strict could refuse"
NEITHER_FAILS = "neither can fail, and neither looks at the other"
TEXT_ALONE = "an exception keeps its text and touches no attribute of ours"
UNMADE = "neither looks at the other, and an object that is being made is seen by nobody"
NEXT_LOOK = "nothing is under its name yet, so `put` does nothing; the next look finds it staged, and puts it there"

EXCUSED: dict[str, str] = {
    "codec._bodies: 16 for 15": "int() passes over the space behind the digits; another byte there fails either way",
    "errors.StorageFailed.__init__: without 0 in errno or 0": "False is 0 to a dict",
    "folder.Journal._lock: Gt in time.monotonic() >= deadline": "at that very instant there is one more try, of 0 s",
    "folder.Journal.acquire: self._name_holder(command) before sweep_orphans(self._fs, self.root)": (
        "the sweep never touches the holder's word, and where it fails the word goes with the lease"
    ),
    "history._entries: entry['id'] before _when(entry)": "both only raise, for one handler",
    "history._is_overdue: 2 for 1": "one byte of the next line is no entry",
    "lease.Lease.dismantle: fs.unlink(root / LOCK) before self._dismantled = True": (
        "they differ only where the unlink fails: the lock is ours still, and the lease may tidy up at its end"
    ),
    "lock._native: True for False": "no file system at hand lacks flock, so the soft lock is never fallen back to",
    "log.Log.append: self.records.append(record) before self._length += len(data)": NEITHER_FAILS,
    "log.write_images: slices.append(Slice(name=name, offset... before write_all(fs, fd, image, offset)": LOCAL,
    "real_fs.RealFs.writable: NotIn in os.access in os.supports_effective_ids": "real and effective ids are the same",
    "real_fs.RealFs.xattrs: True for False #2": "the names are the link's; Linux has no user attributes on links",
    "real_fs.RealFs.xattrs: without except OSError": "no file system at hand is without attributes; others raise too",
    "real_fs.link_new: True for False": "Linux links the link either way",
    "recovery.require_images: True for False": "whether an image is needed depends on no power cut",
    "restore.bring: drop share.put(place, undo, sight)": NEXT_LOOK,
    "restore.bring: share.put(place, undo, sight) before stage(share.ports.fs, undo, wanted.co...": NEXT_LOOK,
    "restore.bring: without returning.holds.meta in meta or returning.holds.meta": (
        "what returns was a file before, so its meta is recorded, or foreign, and then it is in `wanted`"
    ),
    "restore.holds_ours: True for False": (
        "`restore_place` sees then that it is none of ours and does nothing; after a move nobody asks for its answer"
    ),
    "signals.Hold.hold: without hasattr(signal, 'pthread_sigmask') in self._former is None and hasattr(signal, "
    "'pthread_sigmask')": "every POSIX system has it",
    "staging.Place.observe: always names is None": "a listing finds the same names, and costs more",
    "swap.reintend: share.after = after before share.intents.append(intent)": NEITHER_FAILS,
    "target.resolve: never says.anchor #2": "joining an absolute part starts at the root again",
    "transaction.Transaction._write_images: False for True": SAME_LENGTH,
    "transaction.Transaction.restore_files: self.conflicts = tuple(dict.fromkeys(... before self._fsync_targets()": (
        "where the fsync fails all is restored again, and its conflicts are found anew"
    ),
    "transaction.Transaction.swap: self._hold.hold() before self._stage = Stage.SWAPPING": (
        "a signal that comes between the two finds nothing swapped, and either stage turns back alike"
    ),
    "transaction.Transaction.swap: False for True": SAME_LENGTH,
    **{
        f"transaction.Transaction.restore_files: self._stage = Stage.RESTORED before {what}": NEITHER_FAILS
        for what in ("self.conflicts = tuple(dict.fromkeys(...",)
    },
    **dict.fromkeys(
        (
            "lease.Lease.__init__: self._hold = Hold() before self._lock = lock",
            "lease.Lease.__init__: self._dismantled = False before self._hold = Hold()",
            "transaction.Transaction.__init__: self._digest = Digester(begin['key']) before self._folders = folders",
            "transaction.Transaction.__init__: self._stage = Stage.NEW before self._digest = Digester(begin['key'])",
            "transaction.Transaction.resume: self._torn = begin['boot_id'] != port... before self._resumed = True",
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
        for what in ("_outcome(worker, outc...", "_outcome(worker, runs))")
    },
}
