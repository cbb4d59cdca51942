"""The right-mailbox check: OK to a proxied login does not prove that the right mailbox opened.

Some servers silently open the privileged user's own mailbox (IceWarp, older James); some create an empty one for a
mistyped address (Cyrus). Mailboxes are distinguished by a fingerprint that does not change when mail arrives: the
UIDVALIDITY of a folder, and UID, identifying headers and date of its oldest messages. The folder is INBOX, or another
one if INBOX is empty.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

from muniment import log
from muniment.db import jobs, runs
from muniment.errors import (
    BrokerUnavailable,
    CommandRefused,
    LoginRefused,
    LoginUnsupported,
    ServerBusy,
    ServerThrottled,
    ServerUnavailable,
    Transient,
    WrongMailbox,
)
from muniment.mailserver import MailSession
from muniment.model.folder import ServerFolder
from muniment.model.login import Credentials
from muniment.model.profile import Profile, Server
from muniment.model.run import LeasedJob
from muniment.services.mailboxes.credentials import Logins
from muniment.services.mailboxes.open_session import open_session
from muniment.services.resources import Resources

_log = log.get(__name__)

EMPTY_MAILBOX = (
    "the mailbox is empty: some servers open a new, empty mailbox for a mistyped address, so check that it exists"
)
EMPTY = b""

#: How many of the oldest messages make a fingerprint; a single one may be in many mailboxes.
_MESSAGES = 3

#: How many folders are opened at most to find messages for the fingerprint.
_LOOKED_INTO = 3

#: A job that has waited this long for another job's lookup gives up instead of starting its own (seconds).
_LONGEST_WAIT_SECONDS = 10.0

#: Run id → lock held while the privileged user's own mailbox is looked up.
_looking: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()


@dataclass(frozen=True)
class Check:
    """The result of the check: warnings, and the fingerprint if one was needed."""

    warnings: list[str]
    fingerprint: bytes | None


async def check_mailbox(
    resources: Resources,
    job: LeasedJob,
    session: MailSession,
    listed: list[ServerFolder],
    master: bytes | None,
    *,
    allow_same: bool,
) -> Check:
    """Raise WrongMailbox if the server opened another mailbox than `job.address`.

    `master` is the result of `master_fingerprint`. Only the login of a privileged user can open the wrong mailbox;
    other logins are only checked for an empty mailbox. `allow_same`: two names may open one mailbox. Also raises what
    `fingerprint` raises: a mailbox that cannot be identified now is not archived now.
    """
    if _is_empty(listed):
        return Check([EMPTY_MAILBOX], None)
    if master is None or (master == EMPTY and allow_same):
        return Check([], None)  # nothing to compare with
    print_ = await fingerprint(session, listed)
    if is_same_mailbox(print_, master):
        raise WrongMailbox(f"the server opened the privileged user's own mailbox instead of {job.address}")
    if allow_same:
        return Check([], print_)
    async with resources.database.session() as db:
        if print_ != job.fingerprint:  # leasing the job stored that one already
            await jobs.set_fingerprint(db, job.lease, print_)
        similar = await jobs.similar_fingerprints(db, job.run_id, print_, job.lease.job_id)
    same = next((other.address for other in similar if is_same_mailbox(print_, other.fingerprint)), None)
    if same is not None:
        raise WrongMailbox(
            f"the server opened the same mailbox for {job.address} and {same}",
            hint="If both are names of one mailbox, archive only one of them, or set --allow-same-mailbox.",
        )
    return Check([], print_)


async def fingerprint(session: MailSession, listed: list[ServerFolder]) -> bytes:
    """Return the fingerprint of a mailbox, 32 bytes for each message; EMPTY if no folder holds messages.

    Raises Transient if a folder cannot be read now. Falling back to the next folder would give the same mailbox a
    different fingerprint than its INBOX gave before or will give later.
    """
    if _is_empty(listed):
        return EMPTY
    # Mailboxes created in the same second have the same UIDVALIDITY: only messages distinguish them.
    for folder in _likeliest(listed)[:_LOOKED_INTO]:
        try:
            uidvalidity = (await session.examine(folder)).uidvalidity
            oldest = await session.oldest_messages(_MESSAGES)
        except CommandRefused as error:
            # A folder or message that cannot be read is handled when it is archived.
            _log.warning("folder cannot be read for the fingerprint", reason=str(error))
            continue
        if oldest:
            return b"".join(_digest([uidvalidity, *message]) for message in oldest)
    # No message could be read: use the UIDVALIDITYs of all folders.
    return _digest(sorted((f.wire_name.hex(), f.status.uidvalidity) for f in listed if f.status is not None))


async def fingerprint_of(resources: Resources, server: Server, credentials: Credentials) -> bytes:
    """Log in and return the fingerprint of the mailbox that opens; raises what a session raises."""
    session = await open_session(resources, server, credentials, 0)
    try:
        found = await fingerprint(session, await session.list_folders())
        await session.logout()
    finally:
        session.abort()
    return found


def is_same_mailbox(one: bytes, other: bytes) -> bool:
    """Return whether two fingerprints are of one mailbox; it may have received its second or third message since."""
    return bool(one and other) and (one.startswith(other) or other.startswith(one))


def _is_empty(listed: list[ServerFolder]) -> bool:
    return all(folder.status is not None and folder.status.messages == 0 for folder in listed)


def _digest(values: Sequence[object]) -> bytes:
    return hashlib.sha256(json.dumps(values).encode()).digest()


def _likeliest(listed: list[ServerFolder]) -> list[ServerFolder]:
    """Return the folders that may hold messages: INBOX first, then by name."""
    filled = [folder for folder in listed if folder.status is None or folder.status.messages != 0]
    return sorted(filled, key=lambda folder: (folder.path != ("INBOX",), folder.wire_name))


async def master_fingerprint(resources: Resources, job: LeasedJob, logins: Logins) -> bytes | None:
    """Return the fingerprint of the privileged user's own mailbox, at most a minute old.

    EMPTY if the user has no mailbox, may not log in as themselves (Dovecot's master users), or the server never opens
    it by mistake; None if the profile has no privileged user. Raises Transient if the mailbox cannot be read now: then
    no other mailbox can be checked either. Call this before the job opens its own connection: both together would
    exceed the profile's maximum of simultaneous jobs.
    """
    profile, credentials = logins.profile, logins.of_master()
    if credentials is None:
        return EMPTY if profile.is_privileged else None
    # One lookup for all jobs of the run in this process: servers lock out users after repeated failed logins.
    asked = time.monotonic()
    async with _looking.setdefault(job.run_id, asyncio.Lock()):
        async with resources.database.session() as db:
            # Jobs that fail together share one failure; each retries after its own delay.
            known = await runs.master_look(db, job.run_id, resources.settings.retry_first_seconds)
        if known is None and time.monotonic() - asked > _LONGEST_WAIT_SECONDS:
            raise ServerBusy("another job has waited too long to look up the privileged user's own mailbox")
        if known is None:
            return await _look_up(resources, job, profile, credentials)
    if known.failure:
        kind = ServerThrottled if known.throttled else ServerUnavailable
        raise kind(known.failure, hint=_own_hint(credentials.user))
    return known.fingerprint or EMPTY


async def _look_up(resources: Resources, job: LeasedJob, profile: Profile, credentials: Credentials) -> bytes:
    found = EMPTY
    for_good = False
    try:
        found = await fingerprint_of(resources, profile.server, credentials)
    except (ServerBusy, BrokerUnavailable):
        raise  # no lookup was attempted
    except Transient as error:
        failure = f"cannot look at {credentials.user}'s own mailbox, to tell others from it: {error}"
        async with resources.database.session() as db:
            await runs.fail_master_look(db, job.run_id, failure, throttled=isinstance(error, ServerThrottled))
        raise type(error)(failure, hint=_own_hint(credentials.user)) from error
    except (LoginRefused, LoginUnsupported) as error:
        for_good = True  # no own mailbox that could open by mistake: do not ask again in this run
        _log.info("the privileged user has no own mailbox", reason=str(error))
    except CommandRefused as error:
        # A login that opens it by mistake is refused as well.
        _log.warning("the privileged user's own mailbox cannot be read", reason=str(error))
    async with resources.database.session() as db:
        await runs.set_master_fingerprint(db, job.run_id, found, for_good=for_good)
    return found


def _own_hint(user: str) -> str:
    return f"If {user} has no mailbox at all, say so: `profile add … --replace --no-master-mailbox`."
