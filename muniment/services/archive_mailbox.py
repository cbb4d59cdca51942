"""Archive one mailbox as far as the slice reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from muniment import log
from muniment.db import folders, profiles
from muniment.errors import CommandRefused, NotFound, ProtocolViolation
from muniment.imap import ImapSession
from muniment.model.folder import FolderState, FolderStatus, ServerFolder
from muniment.model.profile import Credentials, LoginKind, Profile
from muniment.model.run import LeasedJob
from muniment.services.archive_folder import archive_folder
from muniment.services.check_mailbox import EMPTY_MAILBOX, check_mailbox, master_fingerprint
from muniment.services.credentials import mailbox_credentials
from muniment.services.doors import Doors
from muniment.services.folder_work import FolderWork
from muniment.services.slice_budget import SliceBudget

_log = log.get(__name__)

#: A change between these is a change of protection, not of the server.
_USUAL_PORTS = (143, 993)


@dataclass(frozen=True)
class Outcome:
    """How far a slice came. `complete`: every folder is proven, nothing is missing.

    `unreadable`: the folders, of `folders` in all, that the server refused to open, and why.
    """

    more: bool
    complete: bool
    warnings: Sequence[str] = ()
    unreadable: Sequence[str] = ()
    folders: int = 0


async def archive_mailbox(doors: Doors, job: LeasedJob) -> Outcome:
    """Log in, check the mailbox, and archive the folders with news until the slice is over.

    Raises what `muniment.imap` raises, WrongMailbox, LeaseLost and DatabaseUnavailable. Everything
    committed until then stays.
    """
    profile, credentials = await _login(doors, job)
    master = await master_fingerprint(doors, job, profile)
    session = await ImapSession.open(profile.server, credentials, doors.limits)
    try:
        listed = await session.list_folders()
        if not listed:
            raise ProtocolViolation("the server lists no folder, not even INBOX (RFC 9051 §5.1)")
        warnings = await check_mailbox(doors, job, session, listed, master, allow_same=profile.allow_same_mailbox)
        await _adopt_source(doors, job, profile, credentials)
        states = await _folder_states(doors, job, listed)
        slice_budget = SliceBudget(doors.settings.slice_seconds, doors.settings.slice_bytes)
        outcome = await _archive_folders(doors, job, session, listed, states, slice_budget)
        _log.info("mailbox visited", folders=len(listed), commands=session.commands, more=outcome.more)
        await session.logout()
    finally:
        session.abort()
    # Nothing is proven of a mailbox that may have come into being with our login.
    doubtful = EMPTY_MAILBOX in warnings and profile.login.kind is not LoginKind.LOGIN
    return replace(outcome, complete=outcome.complete and not doubtful, warnings=warnings)


async def _login(doors: Doors, job: LeasedJob) -> tuple[Profile, Credentials]:
    if job.profile_id is None:
        raise NotFound("the profile was removed while its run was open")
    async with doors.database.session() as session:
        profile = await profiles.get(session, job.profile_id)
        return profile, await mailbox_credentials(session, doors.secrets, profile, job.mailbox_id, job.address)


async def _adopt_source(doors: Doors, job: LeasedJob, profile: Profile, credentials: Credentials) -> None:
    """Start new numberings when the mailbox moved to another server or account: its UIDs mean other messages there.

    What is archived already is then recognised by content.
    """
    port = "" if profile.server.port in _USUAL_PORTS else f":{profile.server.port}"
    account = credentials.authorize_as or (job.address if credentials.kind is LoginKind.TEMPLATE else credentials.user)
    source = f"{account} at {profile.server.host.lower()}{port}"
    async with doors.database.transaction() as session:
        if await folders.adopt_source(session, job.lease, job.mailbox_id, source):
            _log.warning("mailbox moved to another server or account", source=source)


async def _folder_states(doors: Doors, job: LeasedJob, listed: list[ServerFolder]) -> dict[bytes, FolderState]:
    async with doors.database.session() as session:
        known = {state.wire_name: state for state in await folders.of_mailbox(session, job.mailbox_id, job.run_started)}
        new = [(folder.wire_name, folder.path) for folder in listed if folder.wire_name not in known]
        if new:
            await folders.ensure(session, job.mailbox_id, new)
            states = await folders.of_mailbox(session, job.mailbox_id, job.run_started)
            known = {state.wire_name: state for state in states}
    return known


async def _archive_folders(
    doors: Doors,
    job: LeasedJob,
    session: ImapSession,
    listed: list[ServerFolder],
    states: dict[bytes, FolderState],
    slice_budget: SliceBudget,
) -> Outcome:
    """Visit the folders that moved; skip the others on the word of their STATUS (RFC 9051 §6.3.11)."""
    unmoved = [states[f.wire_name].id for f in listed if _is_unmoved(f.status, states[f.wire_name])]
    if unmoved:
        async with doors.database.session() as db:
            await folders.still_proven(db, job.lease, unmoved)
    # What an earlier slice of this run has proven is done, even where it moved since or where the server
    # tells no STATUS: the next run looks again, and every slice gets further than the one before.
    done = {state.id for state in states.values() if state.proven and state.proven >= job.run_started}.union(unmoved)
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
            proof = await archive_folder(doors, FolderWork(job, session, folder, state), slice_budget)
        except CommandRefused as error:
            # One folder that cannot be read stops no other, and is not asked for again in this run.
            async with doors.database.session() as db:
                await folders.refuse(db, job.lease, state.id, str(error))
            unreadable.append(_unreadable(folder, str(error)))
            continue
        if proof is None:
            return Outcome(more=True, complete=False)
        incomplete += proof > 0
    complete = not incomplete and not unreadable
    return Outcome(more=False, complete=complete, unreadable=unreadable, folders=len(listed))


def _unreadable(folder: ServerFolder, reason: str) -> str:
    return f"{'/'.join(folder.path)}: {reason}"


def _is_unmoved(now: FolderStatus | None, state: FolderState) -> bool:
    """Tell whether a folder needs no visit: complete at the last proof, and every number the same since."""
    if now is None or now.uidnext is None or now.messages is None or state.quarantined:
        return False
    return state.complete and state.status == now
