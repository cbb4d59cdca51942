"""The right-mailbox check: an OK to a proxied login is no proof.

Some servers silently open the privileged user's own mailbox (IceWarp, older James), some create
an empty one for a mistyped address (Cyrus). A mailbox is told apart by a fingerprint that does
not change while mail arrives: the UIDVALIDITY of every folder, and UID, Message-ID and date of
the oldest messages in INBOX, or in another folder when INBOX has none.
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

#: So many of the oldest messages make a fingerprint: one may stand in many mailboxes.
_MESSAGES = 3

#: So many folders are opened to find messages that tell a mailbox from others.
_LOOKED_INTO = 3

#: Who waited so long for another's look that did not come to pass does not begin one of his own (seconds).
_LONGEST_WAIT_SECONDS = 10.0

#: Run → who looks at the privileged user's own mailbox now.
_looking: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()


@dataclass(frozen=True)
class Check:
    """What the check of a mailbox gave: warnings, and its fingerprint where one was needed."""

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
    """Raise WrongMailbox when the server opened another mailbox than `job.address`.

    `master` is what `master_fingerprint` returned. Only logins by a privileged user can go astray
    this way; others are only checked for emptiness. `allow_same`: two names may open one mailbox. Raises
    what `fingerprint` raises: a mailbox that cannot be told apart now is not archived now.
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
        if print_ != job.fingerprint:  # the lease has set that one
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
    """Return what tells this mailbox from others, 32 bytes for each message; EMPTY when no folder holds any.

    Transient when a folder cannot be read now: a fingerprint of the next one would be another one than the
    same mailbox had, or will have, by its INBOX.
    """
    if _is_empty(listed):
        return EMPTY
    # Mailboxes made in the same second have the same UIDVALIDITYs: only messages tell them apart.
    for folder in _likeliest(listed)[:_LOOKED_INTO]:
        try:
            uidvalidity = (await session.examine(folder)).uidvalidity
            oldest = await session.oldest_messages(_MESSAGES)
        except CommandRefused as error:
            # A folder or a message that cannot be read is dealt with where it is archived.
            _log.warning("folder cannot be read for the fingerprint", reason=str(error))
            continue
        if oldest:
            return b"".join(_digest([uidvalidity, *message]) for message in oldest)
    # No message was seen: all that is left are the numbers of the folders.
    return _digest(sorted((f.wire_name.hex(), f.status.uidvalidity) for f in listed if f.status is not None))


async def fingerprint_of(resources: Resources, server: Server, credentials: Credentials) -> bytes:
    """Log in and return the fingerprint of the mailbox that opens; raises what `muniment.imap` raises."""
    session = await open_session(resources, server, credentials, 0)
    try:
        found = await fingerprint(session, await session.list_folders())
        await session.logout()
    finally:
        session.abort()
    return found


def is_same_mailbox(one: bytes, other: bytes) -> bool:
    """Tell whether two fingerprints are of one mailbox, which may have got its second or third message in between."""
    return bool(one and other) and (one.startswith(other) or other.startswith(one))


def _is_empty(listed: list[ServerFolder]) -> bool:
    return all(folder.status is not None and folder.status.messages == 0 for folder in listed)


def _digest(values: Sequence[object]) -> bytes:
    return hashlib.sha256(json.dumps(values).encode()).digest()


def _likeliest(listed: list[ServerFolder]) -> list[ServerFolder]:
    """Return the folders that may hold messages, INBOX first, the others by name."""
    filled = [folder for folder in listed if folder.status is None or folder.status.messages != 0]
    return sorted(filled, key=lambda folder: (folder.path != ("INBOX",), folder.wire_name))


async def master_fingerprint(resources: Resources, job: LeasedJob, logins: Logins) -> bytes | None:
    """Return the fingerprint of the privileged user's own mailbox, not older than a minute.

    EMPTY when he has none, may not log in as himself (Dovecot's master users), or the server is none that opens it by
    mistake; None when there is no such user. Transient when it cannot be looked at now: then nothing can be said about any other
    mailbox either. To be called before the job opens its own connection: together they would be more
    than the profile's maximum of simultaneous jobs allows.
    """
    profile, credentials = logins.profile, logins.of_master()
    if credentials is None:
        return EMPTY if profile.is_privileged else None
    # One look-up for all jobs of the run in this process: servers lock out who fails to log in again and again.
    asked = time.monotonic()
    async with _looking.setdefault(job.run_id, asyncio.Lock()):
        async with resources.database.session() as db:
            # Jobs that fail together share one failure; each comes back after a wait of its own.
            known = await runs.master_look(db, job.run_id, resources.settings.retry_first_seconds)
        if known is None and time.monotonic() - asked > _LONGEST_WAIT_SECONDS:
            raise ServerBusy("the one before waited in vain to look at the privileged user's own mailbox")
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
        raise  # no look was tried
    except Transient as error:
        failure = f"cannot look at {credentials.user}'s own mailbox, to tell others from it: {error}"
        async with resources.database.session() as db:
            await runs.fail_master_look(db, job.run_id, failure, throttled=isinstance(error, ServerThrottled))
        raise type(error)(failure, hint=_own_hint(credentials.user)) from error
    except (LoginRefused, LoginUnsupported) as error:
        for_good = True  # no mailbox of his own that could be opened by mistake: not asked for again in this run
        _log.info("the privileged user has no mailbox of his own", reason=str(error))
    except CommandRefused as error:
        # Whoever opened it by mistake would be refused as well.
        _log.warning("the privileged user's own mailbox cannot be read", reason=str(error))
    async with resources.database.session() as db:
        await runs.set_master_fingerprint(db, job.run_id, found, for_good=for_good)
    return found


def _own_hint(user: str) -> str:
    return f"If {user} has no mailbox at all, say so: `profile add … --replace --no-master-mailbox`."
