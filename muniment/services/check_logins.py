"""Try the logins of many mailboxes before anything is archived."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from muniment.db import profiles
from muniment.errors import MunimentError, ServerBusy
from muniment.imap import ImapSession, Limits
from muniment.model.login import Credentials
from muniment.model.profile import Server
from muniment.services.credentials import open_logins, own_login
from muniment.services.csv_mailboxes import CsvMailbox
from muniment.services.doors import Doors

#: How often a mailbox is tried that found no free connection to the server; each try waits for one for some seconds.
_PATIENCE = 30

#: … and where the server wants a pause, so long is waited between two tries, at most (seconds).
_LONGEST_PAUSE_SECONDS = 15.0


@dataclass(frozen=True)
class LoginCheck:
    """How the login to one mailbox went; `error` is empty when it went well.

    `line`: where it stands in the CSV file. `messages`: None when the server does not say without opening each folder.
    """

    user: str
    mailbox: str
    line: int | None
    seconds: float
    folders: int = 0
    messages: int | None = None
    error: str = ""
    hint: str = ""


@dataclass(frozen=True)
class _Target:
    user: str
    mailbox: str
    line: int | None
    credentials: Callable[[], Credentials]


def check_rows(
    doors: Doors, server: Server, rows: Sequence[CsvMailbox], at_once: int
) -> AsyncGenerator[LoginCheck, None]:
    """Yield how the login of each row of a CSV file went, as soon as it is known, so many at once."""
    targets = [_Target(row.user, row.address, row.line, _credentials_of(row)) for row in rows]
    return _check(doors.limits, server, targets, at_once)


def _credentials_of(row: CsvMailbox) -> Callable[[], Credentials]:
    return lambda: own_login(row.login_user, row.password)


async def check_profile(doors: Doors, name: str) -> AsyncGenerator[LoginCheck, None]:
    """Yield how the login to each mailbox of a profile went, as soon as it is known; NotFound when there is no profile."""
    async with doors.database.session() as session:
        profile = await profiles.find(session, name)
        mailboxes = await profiles.test_mailboxes(session, profile)
        stored = await profiles.get(session, profile.id)
    logins = await open_logins(stored, doors.secrets)

    def credentials_of(mailbox: profiles.ProfileMailbox) -> Callable[[], Credentials]:
        return lambda: logins.of_mailbox(mailbox.address, mailbox.user_name, mailbox.own_login)

    targets = [_Target(m.user_name, m.address, None, credentials_of(m)) for m in mailboxes]
    async with aclosing(_check(doors.limits, profile.server, targets, profile.max_jobs)) as checks:
        async for check in checks:
            yield check


async def _check(
    limits: Limits, server: Server, targets: Sequence[_Target], at_once: int
) -> AsyncGenerator[LoginCheck, None]:
    waiting = iter(targets)
    running: set[asyncio.Task[LoginCheck]] = set()
    try:
        while True:
            while len(running) < at_once and (target := next(waiting, None)) is not None:
                running.add(asyncio.create_task(_try(limits, server, target)))
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)


async def _try(limits: Limits, server: Server, target: _Target) -> LoginCheck:
    began = time.monotonic()

    def told(error: str = "", hint: str = "", folders: int = 0, messages: int | None = None) -> LoginCheck:
        seconds = time.monotonic() - began
        return LoginCheck(target.user, target.mailbox, target.line, seconds, folders, messages, error, hint)

    for patience in reversed(range(_PATIENCE)):
        try:
            session = await ImapSession.open(server, target.credentials(), limits)
            try:
                listed = await session.list_folders()
                await session.logout()
            finally:
                session.abort()
        except ServerBusy as error:
            if not patience:
                return told(str(error), error.hint or "")
            await asyncio.sleep(min(error.seconds, _LONGEST_PAUSE_SECONDS))
        except MunimentError as error:
            return told(str(error), error.hint or "")
        else:
            counts = [f.status.messages for f in listed if f.status is not None and f.status.messages is not None]
            return told(folders=len(listed), messages=sum(counts) if len(counts) == len(listed) else None)
    raise AssertionError  # the last try returns
