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
from muniment.services.check_mailbox import EMPTY_MAILBOX, check_mailbox
from muniment.services.doors import Doors
from muniment.services.folder_work import FolderWork
from muniment.services.run_access import RunAccess
from muniment.services.slice_budget import SliceBudget
from muniment.services.writer import Writer

_log = log.get(__name__)

#: A mailbox of so many messages is known by the numbers of its folders: nobody else's have exactly the same. Those of two
#: small ones, made by one script in one second, may.
TELLING_DELIVERIES = 100

#: A change between these is a change of protection, not of the server.
_USUAL_PORTS = (143, 993)


@dataclass(frozen=True)
class Outcome:
    """How far a slice came. `complete`: every folder is proven, nothing is missing.

    `unmoved`: ids of the folders that stand as they were proven before. `fingerprint`: of the mailbox, where it was
    needed. `unreadable`: the folders, of `folders` in all, that the server refused to open, and why.
    """

    more: bool
    complete: bool
    unmoved: Sequence[int] = ()
    fingerprint: bytes | None = None
    warnings: Sequence[str] = ()
    unreadable: Sequence[str] = ()
    folders: int = 0


async def archive_mailbox(doors: Doors, job: LeasedJob, access: RunAccess) -> Outcome:
    """Log in, check the mailbox, and archive the folders with news until the slice is over.

    Raises what `muniment.imap` raises, WrongMailbox, LeaseLost and DatabaseUnavailable. Everything
    committed until then stays.
    """
    profile, credentials = await access.to(job)
    master = await access.master_fingerprint(job)
    session = await ImapSession.open(profile.server, credentials, doors.limits)
    try:
        listed = await session.list_folders()
        if not listed:
            raise ProtocolViolation("the server lists no folder, not even INBOX (RFC 9051 §5.1)")
        states = await _folder_states(doors, job)
        source = _source(job, profile, credentials)
        unmoved = _unmoved(listed, states) if source == job.source else frozenset()
        is_unmoved = len(unmoved) == len(listed) and _deliveries(listed) >= TELLING_DELIVERIES
        allow_same = profile.allow_same_mailbox
        check = await check_mailbox(doors, job, session, listed, master, allow_same=allow_same, is_unmoved=is_unmoved)
        if source != job.source:
            await _adopt_source(doors, job, source)
            states = await _folder_states(doors, job)
        known = frozenset(state.id for state in states.values())
        states = await _ensure_folders(doors, job, listed, states)
        slice_budget = SliceBudget(doors.settings.slice_seconds, doors.settings.slice_bytes)
        visit = _Visit(job, session, listed, states, known, unmoved)
        async with Writer(doors, job.lease) as writer:
            outcome = await _archive_folders(doors, visit, writer, slice_budget)
        _log.info("mailbox visited", folders=len(listed), commands=session.commands, more=outcome.more)
        await session.logout()
    finally:
        session.abort()
    # Nothing is proven of a mailbox that may have come into being with our login.
    doubtful = EMPTY_MAILBOX in check.warnings and profile.login.kind is not LoginKind.LOGIN
    complete = outcome.complete and not doubtful
    return replace(outcome, complete=complete, fingerprint=check.fingerprint, warnings=check.warnings)


def _source(job: LeasedJob, profile: Profile, credentials: Credentials) -> str:
    """Name the account that the UIDs belong to."""
    port = "" if profile.server.port in _USUAL_PORTS else f":{profile.server.port}"
    account = credentials.authorize_as or (job.address if credentials.kind is LoginKind.TEMPLATE else credentials.user)
    return f"{account} at {profile.server.host.lower()}{port}"


async def _adopt_source(doors: Doors, job: LeasedJob, source: str) -> None:
    """Start new numberings when the mailbox moved to another server or account: its UIDs mean other messages there.

    What is archived already is then recognised by content.
    """
    async with doors.database.transaction() as session:
        if await folders.adopt_source(session, job.lease, job.mailbox_id, source):
            _log.warning("mailbox moved to another server or account", source=source)


#: What the archive knows of each folder, by wire name.
_States = dict[bytes, FolderState]


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
    return Outcome(more=False, complete=complete, unmoved=unmoved, unreadable=unreadable, folders=len(listed))


def _unreadable(folder: ServerFolder, reason: str) -> str:
    return f"{'/'.join(folder.path)}: {reason}"


def _deliveries(listed: list[ServerFolder]) -> int:
    """Return how many messages were ever put into these folders: each took one UID."""
    return sum((folder.status.uidnext or 1) - 1 for folder in listed if folder.status is not None)


def _unmoved(listed: list[ServerFolder], states: _States) -> frozenset[int]:
    """Return the ids of the folders that need no visit."""
    known = ((folder.status, states.get(folder.wire_name)) for folder in listed)
    return frozenset(state.id for status, state in known if state is not None and _is_unmoved(status, state))


def _is_unmoved(now: FolderStatus | None, state: FolderState) -> bool:
    """Tell whether a folder needs no visit: complete at the last proof, and every number the same since."""
    if now is None or now.uidnext is None or now.messages is None or state.quarantined:
        return False
    return state.complete and state.status == now
