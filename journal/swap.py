"""Roll one file forward: swap its after-image in, and merge own keys into foreign content where it has drifted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from journal.errors import Drifted
from journal.fs import storage_errors
from journal.intents import NO_FILE, Intent
from journal.log import IMAGES, write_images
from journal.participant import Participant
from journal.reconciliation import ForeignWrite, Observation, newest_foreign_write
from journal.target import resolve
from journal.values import Unmergeable


def advance(participant: Participant, observation: Observation, log_intent: Callable[[Intent], None]) -> bool:
    """Take one step towards the after-image; return False where the target already holds it.

    `log_intent` appends a re-intent to the log, durably. Raises Drifted where a foreign write cannot be merged.
    """
    foreign = newest_foreign_write(observation, participant.intents)
    if foreign is not None:
        if has_own_values(participant, foreign):
            return False
        write_reintent(participant, foreign, log_intent)
    elif observation.digest == participant.intent.after_digest:
        return carry_over_metadata(participant, observation)
    else:
        swap_once(participant, observation)
    return True


def observe(participant: Participant) -> Observation:
    """Observe a target and the names that its intents stage. Raises Drifted where the path resolves elsewhere now."""
    resolved = resolve(participant.context.fs, participant.intent.path)
    if (resolved.target, resolved.chain) != (participant.intent.target, participant.intent.chain):
        raise Drifted([participant.intent.path])
    names = [participant.area.staged_path(intent.version).name for intent in participant.intents]
    return participant.area.observe(participant.intents, names)


def swap_once(participant: Participant, observation: Observation) -> None:
    """Perform one swap: replace, create or delete the target."""
    staged = participant.area.staged_path(participant.intent.version)
    if participant.intent.after_digest == NO_FILE:
        participant.move_aside(participant.area, staged)
        return
    current = observation.current
    base_digest, recorded = participant.base_digest, participant.intent.metadata
    if current is not None and current.digest == base_digest and current.metadata != recorded:
        participant.set_metadata(staged, current.metadata)  # others changed it after the staging
    participant.swap_in(participant.area, staged, observation)


def has_own_values(participant: Participant, foreign: ForeignWrite) -> bool:
    """Whether foreign content in place already has our value for every own key; False for a file without own keys."""
    edits, file_format = participant.intent.edits, participant.file_format
    if file_format is None or not edits or foreign.content is None or foreign.staged_file is not None:
        return False
    try:
        return file_format.apply(foreign.content.data, edits) == foreign.content.data
    except Unmergeable:
        return False


def write_reintent(participant: Participant, foreign: ForeignWrite, log_intent: Callable[[Intent], None]) -> None:
    """Merge own keys into foreign content, log the result as a re-intent, and stage it."""
    intent, file_format, content = participant.intent, participant.file_format, foreign.content
    is_deletion = intent.after_digest == NO_FILE
    if file_format is None or not intent.edits or is_deletion or content is None or not foreign.is_regular:
        raise Drifted([intent.path])
    try:
        restored = file_format.restore(content.data, participant.read_before_image(), intent.edits)
        after = file_format.apply(content.data, intent.edits)
    except Unmergeable as error:
        raise Drifted([intent.path]) from error
    if restored.conflicts:
        raise Drifted([intent.path])
    before = content.data if foreign.precedes_ours else restored.content
    version = intent.version + 1
    image = None
    if before is not None:
        name = f"{participant.txid}{IMAGES}{intent.index}.{version}"
        [image] = write_images(participant.context.fs, participant.context.root, name, [before])
        with storage_errors(participant.context.root):
            participant.context.fs.fsync_folder(participant.context.root)
    reintent = replace(
        intent,
        version=version,
        metadata=content.metadata,
        mtime_ns=content.mtime_ns,
        before_digest=participant.digest(before),
        before_image=image,
        after_digest=participant.digest(after),
        foreign_digest=content.digest,
    )
    log_intent(reintent)
    participant.intents.append(reintent)
    participant.after_image = after
    participant.stage_after_image()


def carry_over_metadata(participant: Participant, observation: Observation) -> bool:
    """Set metadata on the target that others set on the displaced file after the staging; False if they set none."""
    displaced = participant.displaced_base(observation)
    current, recorded = observation.current, participant.intent.metadata
    if displaced is None or current is None or current.metadata != recorded:
        return False
    if displaced.content.metadata == recorded:
        return False
    participant.set_metadata(participant.area.target, displaced.content.metadata)
    return True
