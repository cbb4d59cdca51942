"""Delete archived messages on the mail server by the profile's rule: the second part of a mailbox's job.

Each group of messages takes two phases. First, the messages are read back from the store, hashed, compared with the
headers and sizes that the server shows, looked at as possible substitutes, and written to the ledger. Then the server
deletes exactly these messages, in a folder opened under the UIDVALIDITY of the proof; the ledger confirms the ones that
the server no longer lists. A crash between the phases leaves ledger rows that the next run confirms or retries.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from muniment import log, metrics
from muniment.contents.codec import EncodedPart, checked_stream
from muniment.db import deletions, messages
from muniment.db.deletions import Candidate, Kept
from muniment.db.messages import FlaggedSubstitute
from muniment.errors import CommandRefused, Damaged
from muniment.mail.ending import TAIL_BYTES, is_cut
from muniment.mail.headers import read_headers
from muniment.mail.substitutes import HEAD_BYTES, Patterns, load_patterns
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
    odd_sizes: int = 0

    def keep(self, folder: ServerFolder, found: Kept) -> None:
        """Record a message that stays on the server because something is wrong; only the first ones are named."""
        self.kept += 1
        self.odd_sizes += found.announced is not None
        if self.kept <= _NAMED:
            uid, reason = found.candidate.uid, found.reason
            self.warnings.append(f"kept on the server: UID {uid} in {'/'.join(folder.path)}: {reason}")
        elif self.kept == _NAMED + 1:
            self.warnings.append("kept on the server: more messages; `muniment deletions --kept` lists all of them")

    def conclude(self) -> None:
        """Add what to do about sizes that differ: some servers announce wrong ones."""
        if self.odd_sizes:
            self.warnings.append(
                "messages of another size than the server announced stay on the server: look at some of those that "
                "`muniment deletions --kept` lists; if they are whole, `deletion.despite_size=true` deletes them"
            )


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
    done.conclude()
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
            doubtful = await _explained(resources, opened, choice.doubtful, done)
            await _keep(resources, opened, folder, state, doubtful, done)
            for start in range(0, len(choice.messages), _AT_ONCE):
                sound, unsound = await _sound(resources, opened, choice.messages[start : start + _AT_ONCE])
                await _keep(resources, opened, folder, state, unsound, done)
                if sound:
                    done.deleted += await _delete(resources, opened, eraser, state, sound)
                if sound and slice_budget.is_over:
                    done.more = True
                    return
    async with resources.database.session() as session:
        await deletions.forget_kept(session, opened.job.run_id, state.id)


async def _explained(
    resources: Resources, opened: OpenMailbox, doubtful: Sequence[Kept], done: Deletion
) -> Sequence[Kept]:
    """Give the messages that warnings name a better reason than their size, if there is one: they may be others."""
    named = doubtful[: max(0, _NAMED - done.kept)]
    _, unsound = await _sound(resources, opened, [one.candidate for one in named]) if named else ([], [])
    better = {one.candidate.uid: one for one in unsound}
    return [better.get(one.candidate.uid, one) for one in doubtful]


async def _keep(
    resources: Resources,
    opened: OpenMailbox,
    folder: ServerFolder,
    state: FolderState,
    found: Sequence[Kept],
    done: Deletion,
) -> None:
    """Record messages that stay on the server because something is wrong with them."""
    if not found:
        return
    for one in found:
        if one.announced is None:
            _log.error("a message stays on the server", folder=state.id, uid=one.candidate.uid, reason=one.reason)
        done.keep(folder, one)
    if odd := sum(one.announced is not None for one in found):  # on some servers, these are all messages
        _log.warning("messages of other sizes than announced stay on the server", folder=state.id, messages=odd)
    async with resources.database.session() as session:
        await deletions.keep(session, opened.job.lease, state.id, state.uidvalidity, found)
        # Archived before the pattern was known: from now on, the original is missing and asked for.
        flagged = [
            FlaggedSubstitute(state.id, state.uidvalidity, one.candidate.uid, what.name, is_certain=what.is_certain)
            for one in found
            if (what := one.substitute) is not None and one.candidate.substitute is None
        ]
        await messages.flag_substitutes(session, flagged)


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
    resources: Resources, opened: OpenMailbox, chosen: Sequence[Candidate]
) -> tuple[list[Candidate], list[Kept]]:
    """Read messages back from the store; return those that are archived intact and the same on the server, and others.

    The stored bytes must have the archived hash and begin with the header that the server shows under this UID. This
    detects a server that opened another mailbox or reused a UID.
    """

    async def each() -> AsyncGenerator[Candidate, None]:
        for candidate in chosen:
            yield candidate

    heads = await opened.session.heads([candidate.uid for candidate in chosen])
    patterns = load_patterns(resources.settings.substitutes_file)
    sound: list[Candidate] = []
    unsound: list[Kept] = []
    async for candidate, parts in resources.contents.read(each()):
        shown = heads.get(candidate.uid, b"").rstrip(b"\r\n")
        wrong = await _why_not(candidate, parts, shown, patterns)
        if wrong is None:
            sound.append(candidate)
        else:
            unsound.append(wrong)
    return sound, unsound


async def _why_not(
    candidate: Candidate, parts: AsyncIterable[EncodedPart], shown: bytes, patterns: Patterns
) -> Kept | None:
    """Return why a message must stay on the server, which shows this header of it; None if it may be deleted."""
    if not shown:
        return Kept(candidate, "the server does not show its header")
    before = candidate.wrapper_begin or b""
    needed = max(len(shown) - len(before), HEAD_BYTES)
    head = tail = b""
    try:
        async for chunk in checked_stream(parts, sha256=candidate.sha256, size=candidate.size):
            if len(head) < needed:
                head += chunk[: needed - len(head)]
            tail = (tail + chunk[-TAIL_BYTES:])[-TAIL_BYTES:]
    except Damaged as error:
        return Kept(candidate, f"it is damaged in the archive: {error}")
    if (before + head)[: len(shown)] != shown:
        return Kept(candidate, "the server shows another message there than the one that was archived")
    substitute = patterns.find(head, read_headers(head))
    if substitute is not None:
        reason = f"the server delivered something else in its place: {substitute.name}"
        return Kept(candidate, reason, substitute=substitute)
    if candidate.announced is not None and candidate.announced > candidate.received and is_cut(head, tail):
        reason = f"the server announced {candidate.announced} bytes, and the {candidate.received} delivered are cut"
        return Kept(candidate, reason, candidate.announced)
    return None


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
