"""Delete archived messages on the mail server by the profile's rule: the second part of a mailbox's job.

Each group of messages takes two phases. First, the messages are read back from the store, hashed, compared with the
headers that the server shows, and written to the ledger. Then the server deletes exactly these messages, in a folder
opened under the UIDVALIDITY of the proof; the ledger confirms the ones that the server no longer lists. A crash between
the phases leaves ledger rows that the next run confirms or retries.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from muniment import log, metrics
from muniment.contents.codec import EncodedPart, checked_stream
from muniment.db import deletions
from muniment.db.deletions import Candidate
from muniment.errors import CommandRefused, Damaged
from muniment.mailserver import Eraser
from muniment.model.folder import FolderState, ServerFolder
from muniment.services.deleting.choose_deletions import choose_deletions, has_candidates, may_delete
from muniment.services.mailboxes.open_mailbox import OpenMailbox, folder_states
from muniment.services.mailboxes.slice_budget import SliceBudget
from muniment.services.mailboxes.still_there import still_there
from muniment.services.resources import Resources

_log = log.get(__name__)

#: How many messages that have to stay are named in a job's warnings.
_NAMED = 50

#: How many messages are deleted at once.
_AT_ONCE = 500

NO_UIDPLUS = (
    "nothing is deleted on the server: without UIDPLUS it deletes everything that is marked as deleted, whoever marked "
    "it; `--delete-without-uidplus` says how to accept that"
)


@dataclass
class Deletion:
    """What was deleted and kept. `more`: the slice ended first."""

    more: bool = False
    deleted: int = 0
    warnings: list[str] = field(default_factory=list)
    kept: int = 0

    def keep(self, folder: ServerFolder, uid: int, reason: str) -> None:
        """Record a message that stays on the server because something is wrong; only the first ones are named."""
        self.kept += 1
        if self.kept <= _NAMED:
            self.warnings.append(f"kept on the server: UID {uid} in {'/'.join(folder.path)}: {reason}")
        elif self.kept == _NAMED + 1:
            self.warnings.append("kept on the server: more messages; the archive workers' logs name all of them")


async def delete_archived(resources: Resources, opened: OpenMailbox, slice_budget: SliceBudget) -> Deletion:
    """Apply the rule in every folder that is proven complete, and return what was deleted and what prevented more.

    Raises what a session raises, LeaseLost and DatabaseUnavailable.
    """
    done = Deletion()
    states = await folder_states(resources, opened.job)
    async with resources.database.session() as session:
        await deletions.confirm_earlier(session, [state.id for state in states.values()])
    eraser = opened.session.eraser()
    unlasting = 0
    for folder in opened.folders:
        state = states[folder.wire_name]
        unlasting += state.complete and state.uidvalidity <= 0
        if not may_delete(state) or not await has_candidates(resources, opened.profile, state, opened.job.run_started):
            continue
        if not eraser.is_exact and not opened.profile.deletion.without_uidplus:
            done.warnings.append(NO_UIDPLUS)
            return done
        try:
            await _delete_in(resources, opened, eraser, folder, state, slice_budget, done)
        except CommandRefused as error:
            # A failed deletion loses nothing: continue with the other folders; the next run tries again.
            done.warnings.append(f"not deleted in {'/'.join(folder.path)}: {error}")
        if done.more:
            return done
    if unlasting:
        done.warnings.append(
            f"nothing is deleted in {unlasting} folders without UIDVALIDITY: a UID may stand for another message there"
        )
    return done


async def _delete_in(
    resources: Resources,
    opened: OpenMailbox,
    eraser: Eraser,
    folder: ServerFolder,
    state: FolderState,
    slice_budget: SliceBudget,
    done: Deletion,
) -> None:
    status = await eraser.open(folder)
    if status.uidvalidity != state.uidvalidity:
        return  # the UIDs mean other messages now; the next run archives those first
    if not eraser.is_exact and await _are_others_marked(resources, eraser, folder, state, done):
        return
    choices = choose_deletions(resources, opened.profile, opened.session, state, opened.job.run_started)
    async with aclosing(choices):
        async for choice in choices:
            for start in range(0, len(choice.messages), _AT_ONCE):
                sound = await _sound(resources, opened, choice.messages[start : start + _AT_ONCE], folder, done)
                if sound:
                    done.deleted += await _delete(resources, opened, eraser, state, sound)
                if sound and slice_budget.is_over:
                    done.more = True
                    return


async def _are_others_marked(
    resources: Resources, eraser: Eraser, folder: ServerFolder, state: FolderState, done: Deletion
) -> bool:
    """Return whether EXPUNGE would remove messages that are not archived; it is never sent then."""
    marked = await eraser.marked()
    async with resources.database.session() as session:
        others = marked - await deletions.archived(session, state.id, state.uidvalidity, sorted(marked))
    if others:
        done.warnings.append(
            f"not deleted in {'/'.join(folder.path)}: an expunge would take {len(others)} messages that "
            "somebody marked as deleted and that are not archived"
        )
    return bool(others)


async def _sound(
    resources: Resources, opened: OpenMailbox, chosen: Sequence[Candidate], folder: ServerFolder, done: Deletion
) -> list[Candidate]:
    """Read messages back from the store; return those that are archived intact and the same on the server.

    The stored bytes must have the archived hash and begin with the header that the server shows under this UID. This
    detects a server that opened another mailbox or reused a UID.
    """

    async def each() -> AsyncGenerator[Candidate, None]:
        for candidate in chosen:
            yield candidate

    heads = await opened.session.heads([candidate.uid for candidate in chosen])
    sound: list[Candidate] = []
    async for candidate, parts in resources.contents.read(each()):
        reason = await _why_not(candidate, parts, heads.get(candidate.uid, b"").rstrip(b"\r\n"))
        if reason:
            _log.error("a message stays on the server", uid=candidate.uid, reason=reason)
            done.keep(folder, candidate.uid, reason)
        else:
            sound.append(candidate)
    return sound


async def _why_not(candidate: Candidate, parts: AsyncIterable[EncodedPart], head: bytes) -> str:
    """Return why a message must stay on the server; empty if it may be deleted."""
    if not head:
        return "the server does not show its header"
    begin = (candidate.wrapper_begin or b"")[: len(head)]
    try:
        async for chunk in checked_stream(parts, sha256=candidate.sha256, size=candidate.size):
            if len(begin) < len(head):
                begin += chunk[: len(head) - len(begin)]
    except Damaged as error:
        return f"it is damaged in the archive: {error}"
    return "" if begin == head else "the server shows another message there than the one that was archived"


async def _delete(
    resources: Resources, opened: OpenMailbox, eraser: Eraser, state: FolderState, sound: Sequence[Candidate]
) -> int:
    """Delete messages that were just read back, and return how many the server no longer lists."""
    lease = opened.job.lease
    async with resources.database.session() as session:
        await deletions.plan(session, lease, state.id, state.uidvalidity, sound)
    uids = [candidate.uid for candidate in sound]
    refusal: CommandRefused | None = None
    try:
        await eraser.erase(uids)
    except CommandRefused as error:
        refusal = error  # some messages may be deleted already: confirm those
    gone = sorted(set(uids).difference(await still_there(opened.session, uids)))
    async with resources.database.session() as session:
        await deletions.confirm(session, lease, state.id, state.uidvalidity, gone)
    metrics.DELETED.inc(len(gone))
    if refusal is not None:
        raise refusal
    return len(gone)
