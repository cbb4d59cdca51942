"""Delete archived messages on the mail server, as the profile's rule says: the second part of a mailbox's job.

Two phases for each few messages. First they are read back from the store, hashed, compared with what the server shows of
them, and written into the ledger. Then
the server is told to delete exactly those, in a folder that it opened under the UIDVALIDITY of the proof; what it does
not list afterwards is confirmed in the ledger. A crash between the two leaves rows that the next run confirms, or tries
again.
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
from muniment.services.reading.read_message import with_parts
from muniment.services.resources import Resources

_log = log.get(__name__)

#: So many messages that have to stay are named in a job's warnings.
_NAMED = 50

#: So many messages are told to the server at once.
_AT_ONCE = 500

NO_UIDPLUS = (
    "nothing is deleted on the server: without UIDPLUS it deletes everything that is marked as deleted, whoever marked "
    "it; `--delete-without-uidplus` says how to accept that"
)


@dataclass
class Deletion:
    """What became of it. `more`: the slice was over first."""

    more: bool = False
    deleted: int = 0
    warnings: list[str] = field(default_factory=list)
    kept: int = 0

    def keep(self, folder: ServerFolder, uid: int, reason: str) -> None:
        """Note a message that stays on the server because something is wrong with it; only some are named."""
        self.kept += 1
        if self.kept <= _NAMED:
            self.warnings.append(f"kept on the server: UID {uid} in {'/'.join(folder.path)}: {reason}")
        elif self.kept == _NAMED + 1:
            self.warnings.append("kept on the server: more messages; the archive workers' logs name all of them")


async def delete_archived(resources: Resources, opened: OpenMailbox, slice_budget: SliceBudget) -> Deletion:
    """Delete what the rule says in every folder that is proven complete, and say what stood in the way.

    Raises what `muniment.imap` raises, LeaseLost and DatabaseUnavailable.
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
            # Nothing is lost by what is not deleted: the other folders go on, the next run tries again.
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
        return  # other messages by now; the next run archives them first
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
    """Tell whether an EXPUNGE would take messages that are not archived; then it is not sent, whoever accepted what."""
    marked = await eraser.marked()
    async with resources.database.session() as session:
        others = marked - await deletions.archived(session, state.id, state.uidvalidity, sorted(marked))
    if others:
        done.warnings.append(
            f"not deleted in {'/'.join(folder.path)}: an expunge would take {len(others)} messages that somebody marked as "
            "deleted and that are not archived"
        )
    return bool(others)


async def _sound(
    resources: Resources, opened: OpenMailbox, chosen: Sequence[Candidate], folder: ServerFolder, done: Deletion
) -> list[Candidate]:
    """Read messages back from the store, and return those that the server has there, and the archive holds, for certain.

    The stored bytes have the hash that was archived, and begin with the header that the server shows under this UID: a
    server that opened another mailbox, or gave a UID to another message, is told by that.
    """

    async def each() -> AsyncGenerator[Candidate, None]:
        for one in chosen:
            yield one

    heads = await opened.session.heads([one.uid for one in chosen])
    sound: list[Candidate] = []
    async with resources.database.transaction(snapshot=True) as session:
        async for one, parts in with_parts(session, each()):
            reason = await _why_not(one, parts, heads.get(one.uid, b"").rstrip(b"\r\n"))
            if reason:
                _log.error("a message stays on the server", uid=one.uid, reason=reason)
                done.keep(folder, one.uid, reason)
            else:
                sound.append(one)
    return sound


async def _why_not(one: Candidate, parts: AsyncIterable[EncodedPart], head: bytes) -> str:
    """Return why a message must stay on the server; empty when nothing speaks for it."""
    if not head:
        return "the server does not show its header"
    begin = (one.wrapper_begin or b"")[: len(head)]
    try:
        async for chunk in checked_stream(parts, sha256=one.sha256, size=one.size):
            if len(begin) < len(head):
                begin += chunk[: len(head) - len(begin)]
    except Damaged as error:
        return f"it is damaged in the archive: {error}"
    return "" if begin == head else "the server shows another message there than the one that was archived"


async def _delete(
    resources: Resources, opened: OpenMailbox, eraser: Eraser, state: FolderState, sound: Sequence[Candidate]
) -> int:
    """Delete messages that were just read back, and return how many are gone."""
    lease = opened.job.lease
    async with resources.database.session() as session:
        await deletions.plan(session, lease, state.id, state.uidvalidity, sound)
    uids = [one.uid for one in sound]
    refusal: CommandRefused | None = None
    try:
        await eraser.erase(uids)
    except CommandRefused as error:
        refusal = error  # perhaps in the middle: what is gone is gone
    gone = sorted(set(uids).difference(await still_there(opened.session, uids)))
    async with resources.database.session() as session:
        await deletions.confirm(session, lease, state.id, state.uidvalidity, gone)
    metrics.DELETED.inc(len(gone))
    if refusal is not None:
        raise refusal
    return len(gone)
