"""Roll one file back, wherever its content lies by now."""

from __future__ import annotations

from journal.errors import Damaged, Unsupported
from journal.participant import Participant
from journal.reconciliation import Observation, RollbackImage, merged_metadata, rollback_image, unchanged
from journal.staging import StagingArea, stage
from journal.target import resolve
from journal.values import KeyPath

MAX_OBSERVATIONS = 8


def roll_back(participant: Participant, *, rebooted: bool) -> tuple[KeyPath, ...]:
    """Roll a file back, also where others have moved it and left a link, or changed a link on its path.

    Returns the own keys that others have changed, which stay unchanged; a file without own keys is named by its path.
    After a move nobody knows whose a file is, so only a target that the roll back would change is rolled back.
    `rebooted`: see `rollback_image`.
    """
    _, *others = participant.areas = staging_areas(participant)
    for area in participant.areas:
        area.mend()
    if not others:
        return roll_back_target(participant, participant.area, rebooted=rebooted)
    for area in (*others, participant.area):
        if needs_rollback(participant, area, rebooted=rebooted):
            roll_back_target(participant, area, rebooted=rebooted)
    return ()


def staging_areas(participant: Participant) -> list[StagingArea]:
    """Return every area that can hold staged files: of the recorded target, and of the target of the path now."""
    try:
        target = resolve(participant.context.fs, participant.intent.path).target
    except Unsupported:
        return [participant.area]
    if target == participant.intent.target:
        return [participant.area]
    return [participant.area, participant.area_at(target)]


def needs_rollback(participant: Participant, area: StagingArea, *, rebooted: bool) -> bool:
    """Whether a roll back would change the target; a missing target counts only where a staged file is there."""
    try:
        observation = area.observe(participant.intents)
    except Unsupported:
        return False
    if observation.current is None and not observation.staged_files:
        return False
    image = decide(participant, observation, rebooted=rebooted)
    return image_digest(participant, image) != observation.digest


def roll_back_target(participant: Participant, area: StagingArea, *, rebooted: bool) -> tuple[KeyPath, ...]:
    """Observe, act, and observe again until the target holds its rollback image; return the conflicts.

    Foreign content counts as merged only where the image that contains it is the target in the end.
    """
    merged_digest = ""
    for _ in range(MAX_OBSERVATIONS):
        try:
            observation = area.observe(participant.intents)
        except Unsupported:  # a folder or a link is there by now: it is not ours
            break
        image = decide(participant, observation, rebooted=rebooted)
        if image_digest(participant, image) == observation.digest:
            participant.merged_digests |= {merged_digest, image.merged_digest}
            return image.conflicts
        merged_digest = image.merged_digest
        move_towards(participant, area, observation, image)
    return ((str(participant.intent.path),),)


def decide(participant: Participant, observation: Observation, *, rebooted: bool) -> RollbackImage:
    """Return the rollback image; read the journal's before-image only where no observed file is a copy of it.

    Raises Damaged where the before-image is needed and missing. It is rightly missing where the power failed before
    the first swap, or after the last one of a roll back: then the target is not ours, and stays.
    """
    contents = [observation.current, *(staged.content for staged in observation.staged_files)]
    digest = participant.intent.before_digest
    copy = next((content for content in contents if content is not None and content.digest == digest), None)
    before = None if copy is None else copy.data
    if copy is None:
        try:
            before = participant.read_before_image()
        except Damaged:
            after_digests = {intent.after_digest for intent in participant.intents}
            if observation.staged_files or observation.digest in after_digests:
                raise
            return unchanged(observation.current, ((str(participant.intent.path),),))
    return rollback_image(observation, participant.intents, before, participant.file_format, rebooted=rebooted)


def image_digest(participant: Participant, image: RollbackImage) -> str:
    return image.digest or participant.digest(image.data)


def move_towards(participant: Participant, area: StagingArea, observation: Observation, image: RollbackImage) -> None:
    """Take one step towards the image: delete the target, or swap in the displaced file itself or a new copy."""
    digest = image_digest(participant, image)
    undo = area.next_undo_path(digest)
    if image.data is None:
        participant.move_aside(area, undo)
        return
    intent = participant.intent
    metadata = image.metadata or merged_metadata(observation, intent.metadata, participant.base_digest)
    displaced = next((staged for staged in observation.staged_files if staged.content.digest == digest), None)
    if displaced is None:
        mtime_ns = intent.mtime_ns if digest == intent.before_digest else None
        stage(participant.context.fs, undo, image.data, metadata, mode=intent.mode, mtime_ns=mtime_ns)
        participant.swap_in(area, undo, observation)
        return
    if displaced.irregular is None:
        participant.set_metadata(displaced.path, metadata or displaced.content.metadata)
    participant.swap_in(area, displaced.path, observation)
