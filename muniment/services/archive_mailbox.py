"""Archive one mailbox as far as the slice reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from muniment import log
from muniment.db import folders
from muniment.errors import CommandRefused, ProtocolViolation
from muniment.imap import ImapSession
from muniment.model.folder import FolderState, FolderStatus, ServerFolder
from muniment.model.profile import Credentials, LoginKind, Profile
from muniment.model.run import LeasedJob
from muniment.services.archive_folder import archive_folder
from muniment.services.check_mailbox import EMPTY_MAILBOX, Check, check_mailbox
from muniment.services.doors import Doors
from muniment.services.folder_work import FolderWork
from muniment.services.run_access import RunAccess
from muniment.services.slice_budget import SliceBudget
from muniment.services.writer import Writer

_log = log.get(__name__)

#: A mailbox of so many messages is known by the numbers of its folders: nobody else's have exactly the same. Those of two
#: small ones, made by one script in one second, may.
TELLING_DELIVERIES = 100


#: What the archive knows of each folder, by wire name.
_States = dict[bytes, FolderState]


@dataclass(frozen=True)
class Outcome:
    """How far a slice came. `complete`: every folder is proven, nothing is missing.

    `unmoved`: ids of the folders that stand as they were proven before. `fingerprint`: of the mailbox, where it was
    needed. `unreadable`: the folders, of `folders` in all, that the server refused to open, and why. `commands`: sent to the server.
    """

    more: bool
    complete: bool
    unmoved: Sequence[int] = ()
    fingerprint: bytes | None = None
    warnings: Sequence[str] = ()
    unreadable: Sequence[str] = ()
    folders: int = 0
    commands: int = 0


async def archive_mailbox(doors: Doors, job: LeasedJob, access: RunAccess) -> Outcome:
    """Log in, check the mailbox, and archive the folders with news until the slice is over.

    Raises what `muniment.imap` raises, WrongMailbox, LeaseLost and DatabaseUnavailable. Everything
    committed until then stays.
    """
    opened = await _open(doors, job, access)
    session, listed, states = opened.session, opened.listed, opened.states
    try:
        check = await _check(doors, opened, access)
        if opened.source != job.source:
            await _adopt_source(doors, job, opened.source)
            states = await _folder_states(doors, job)
        known = frozenset(state.id for state in states.values())
        states = await _ensure_folders(doors, job, listed, states)
        slice_budget = SliceBudget(doors.settings.slice_seconds, doors.settings.slice_bytes)
        visit = _Visit(job, session, listed, states, known, opened.unmoved)
        async with Writer(doors, job.lease) as writer:
            outcome = await _archive_folders(doors, visit, writer, slice_budget)
        await session.logout()
    finally:
        session.abort()
    # Nothing is proven of a mailbox that may have come into being with our login.
    doubtful = EMPTY_MAILBOX in check.warnings and opened.profile.login.kind is not LoginKind.LOGIN
    complete = outcome.complete and not doubtful
    return replace(
        outcome,
        complete=complete,
        fingerprint=check.fingerprint,
        warnings=check.warnings,
        folders=len(listed),
        commands=session.commands,
    )


@dataclass(frozen=True)
class _Opened:
    """A mailbox on the server beside what the archive knows of it.

    `source`: whose UIDs the server shows; `unmoved`: ids of the folders that stand as they were proven before.
    """

    job: LeasedJob
    profile: Profile
    session: ImapSession
    listed: list[ServerFolder]
    states: _States
    source: str
    unmoved: frozenset[int]

    @property
    def is_as_before(self) -> bool:
        """Whether nothing moved in a mailbox that its numbers tell from all others: then it is the one of the last time."""
        statuses = [folder.status for folder in self.listed]
        return len(self.unmoved) == len(self.listed) and _is_told_by_numbers(self.job, statuses)


async def _open(doors: Doors, job: LeasedJob, access: RunAccess) -> _Opened:
    """Log in and list the folders; where they are not as before, the privileged user's own mailbox was looked at first.

    That look is a login of its own, and both at once would be more than the profile's maximum of simultaneous jobs
    allows. A mailbox that may well be as before will hardly need it.
    """
    states = await _folder_states(doors, job)
    if not _is_told_by_numbers(job, [state.status for state in states.values()]):
        await access.master_fingerprint(job)
    opened = await _log_in(doors, job, access, states)
    if opened.is_as_before or access.has_looked:
        return opened
    await opened.session.logout()
    await access.master_fingerprint(job)
    return await _log_in(doors, job, access, states)


def _is_told_by_numbers(job: LeasedJob, statuses: Sequence[FolderStatus | None]) -> bool:
    """Whether these numbers of a mailbox's folders are those of no other one."""
    known = [status for status in statuses if status is not None]
    deliveries = sum((status.uidnext or 1) - 1 for status in known)  # each took one UID
    is_filled = any(status.messages for status in known)
    return job.fingerprint is not None and deliveries >= TELLING_DELIVERIES and is_filled


async def _log_in(doors: Doors, job: LeasedJob, access: RunAccess, states: _States) -> _Opened:
    profile, credentials = await access.to(job)
    session = await ImapSession.open(profile.server, credentials, doors.limits)
    try:
        listed = await session.list_folders()
        if not listed:
            raise ProtocolViolation("the server lists no folder, not even INBOX (RFC 9051 §5.1)")
    except BaseException:
        session.abort()
        raise
    source = _source(job, profile, credentials)
    unmoved = _unmoved(listed, states) if source == job.source else frozenset()
    return _Opened(job, profile, session, listed, states, source, unmoved)


async def _check(doors: Doors, opened: _Opened, access: RunAccess) -> Check:
    if opened.is_as_before:
        return Check([], opened.job.fingerprint)
    master = await access.master_fingerprint(opened.job)
    allow_same = opened.profile.allow_same_mailbox
    return await check_mailbox(doors, opened.job, opened.session, opened.listed, master, allow_same=allow_same)


def _source(job: LeasedJob, profile: Profile, credentials: Credentials) -> str:
    """Name the account that the UIDs belong to."""
    account = credentials.authorize_as or (job.address if credentials.kind is LoginKind.TEMPLATE else credentials.user)
    return f"{account} at {profile.server.name}"


async def _adopt_source(doors: Doors, job: LeasedJob, source: str) -> None:
    """Start new numberings when the mailbox moved to another server or account: its UIDs mean other messages there.

    What is archived already is then recognised by content.
    """
    async with doors.database.transaction() as session:
        if await folders.adopt_source(session, job.lease, job.mailbox_id, source):
            _log.warning("mailbox moved to another server or account", source=source)


async def _folder_states(doors: Doors, job: LeasedJob) -> _States:
    async with doors.database.session() as session:
        return {state.wire_name: state for state in await folders.of_mailbox(session, job.mailbox_id, job.run_started)}


async def _ensure_folders(doors: Doors, job: LeasedJob, listed: list[ServerFolder], states: _States) -> _States:
    """Create the folders that are new; not before it is sure that this is the right mailbox."""
    new = [folder for folder in listed if folder.wire_name not in states]
    if not new:
        return states
    async with doors.database.session() as session:
        await folders.ensure(session, job.mailbox_id, new)
    return await _folder_states(doors, job)


@dataclass(frozen=True)
class _Visit:
    """An open mailbox: its folders on the server and in the archive.

    `known`: ids of those that the archive had before this slice; `unmoved`: of those without news.
    """

    job: LeasedJob
    session: ImapSession
    listed: list[ServerFolder]
    states: _States
    known: frozenset[int]
    unmoved: frozenset[int]


async def _archive_folders(doors: Doors, visit: _Visit, writer: Writer, slice_budget: SliceBudget) -> Outcome:
    """Visit the folders that moved; skip the others on the word of their STATUS (RFC 9051 §6.3.11)."""
    job, session, listed, states = visit.job, visit.session, visit.listed, visit.states
    # What an earlier slice of this run has proven is done, even where it moved since or where the server
    # tells no STATUS: the next run looks again, and every slice gets further than the one before.
    done = {state.id for state in states.values() if state.proven and state.proven >= job.run_started}.union(
        visit.unmoved
    )
    unreadable = [_unreadable(f, states[f.wire_name].refusal) for f in listed if states[f.wire_name].refusal]
    done.update(state.id for state in states.values() if state.refusal)
    incomplete = sum(not states[f.wire_name].complete for f in listed if states[f.wire_name].id in done)
    visited = 0
    for folder in listed:
        state = states[folder.wire_name]
        if state.id in done:
            continue
        if visited and slice_budget.is_over:
            return Outcome(more=True, complete=False)
        visited += 1
        try:
            work = FolderWork(job, session, folder, state, is_new=state.id not in visit.known)
            is_done = await archive_folder(doors, work, writer, slice_budget)
        except CommandRefused as error:
            # One folder that cannot be read stops no other, and is not asked for again in this run.
            async with doors.database.session() as db:
                await folders.refuse(db, job.lease, state.id, str(error))
            unreadable.append(_unreadable(folder, str(error)))
            continue
        if not is_done:
            return Outcome(more=True, complete=False)
    await writer.flush()
    complete = not incomplete and not writer.incomplete and not unreadable
    unmoved = sorted(visit.unmoved)
    return Outcome(more=False, complete=complete, unmoved=unmoved, unreadable=unreadable)


def _unreadable(folder: ServerFolder, reason: str) -> str:
    return f"{'/'.join(folder.path)}: {reason}"


def _unmoved(listed: list[ServerFolder], states: _States) -> frozenset[int]:
    """Return the ids of the folders that need no visit."""
    known = ((folder.status, states.get(folder.wire_name)) for folder in listed)
    return frozenset(state.id for status, state in known if state is not None and _is_unmoved(status, state))


def _is_unmoved(now: FolderStatus | None, state: FolderState) -> bool:
    """Tell whether a folder needs no visit: complete at the last proof, and every number the same since."""
    if now is None or now.uidnext is None or now.messages is None or state.quarantined:
        return False
    return state.complete and state.status == now
