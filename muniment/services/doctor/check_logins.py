"""Check the logins to many mailboxes, before anything is archived."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from muniment.db import profiles
from muniment.errors import MunimentError, ServerUnavailable
from muniment.model.finding import Verdict
from muniment.model.folder import messages_in
from muniment.model.profile import Profile, Server
from muniment.services.access.audit import Action, audited_stream
from muniment.services.access.principal import Principal, Right
from muniment.services.doctor.diagnose_mailbox import diagnose_mailbox
from muniment.services.mailboxes.credentials import MailboxLogin, open_logins, own_login
from muniment.services.mailboxes.open_session import open_session
from muniment.services.mailboxes.run_concurrently import retry_while_busy, run_concurrently
from muniment.services.profiles.csv_mailboxes import CsvMailbox
from muniment.services.resources import Resources


@dataclass(frozen=True)
class LoginCheck:
    """The result of a login to one mailbox; `error` is empty if it succeeded.

    `line`: the mailbox's line in the CSV file. `messages`: None if the server reports no counts without opening each
    folder. `warnings`: problems that do not prevent archiving.
    """

    user: str
    mailbox: str
    line: int | None
    seconds: float
    folders: int = 0
    messages: int | None = None
    error: str = ""
    hint: str = ""
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class _Target:
    user: str
    mailbox: str
    line: int | None
    login: Callable[[], MailboxLogin]
    has_own_server: bool  # it differs from the profile's


@audited_stream(Action.PROFILE_TESTED, "server.host")
def check_rows(
    principal: Principal, resources: Resources, server: Server, rows: Sequence[CsvMailbox], at_once: int
) -> AsyncGenerator[LoginCheck, None]:
    """Try up to `at_once` rows of a CSV file concurrently and yield each result as it completes.

    Raises ServerUnavailable if the server cannot be reached at all.
    """
    principal.require(Right.ARCHIVE, Right.MODIFY_PROFILES)
    targets = [_Target(row.user, row.address, row.line, _login_of(row, server), bool(row.server)) for row in rows]
    return _check(resources, server, None, targets, at_once)


def _login_of(row: CsvMailbox, server: Server) -> Callable[[], MailboxLogin]:
    return lambda: MailboxLogin(server.at(row.server), own_login(row.login_user, row.password))


@audited_stream(Action.PROFILE_TESTED, "name")
async def check_profile(principal: Principal, resources: Resources, name: str) -> AsyncGenerator[LoginCheck, None]:
    """Try the login to each mailbox of a profile and yield each result as it completes; NotFound: no such profile."""
    principal.require(Right.ARCHIVE, Right.MODIFY_PROFILES)
    async with resources.database.session() as session:
        profile = await profiles.find(session, name)
        mailboxes = await profiles.test_mailboxes(session, profile)
        stored = await profiles.get(session, profile.id)
    logins = await open_logins(resources, stored)
    targets = [
        _Target(m.user_name, m.address, None, partial(logins.of_mailbox, m), bool(m.own_login and m.own_login.server))
        for m in mailboxes
    ]
    async with aclosing(_check(resources, profile.server, profile, targets, profile.max_jobs)) as checks:
        async for check in checks:
            yield check


async def _check(
    resources: Resources, server: Server, profile: Profile | None, targets: Sequence[_Target], at_once: int
) -> AsyncGenerator[LoginCheck, None]:
    """Check first that the server can be reached, instead of failing at each of thousands of mailboxes."""
    async for finding in resources.connector.diagnose(server, resources.limits):
        if finding.verdict is Verdict.FAILED and not any(target.has_own_server for target in targets):
            raise ServerUnavailable(f"{finding.step}: {finding.found}", hint=finding.advice)
    looks = (partial(_try, resources, server, profile, target) for target in targets)
    async with aclosing(run_concurrently(looks, at_once)) as checks:
        async for check in checks:
            yield check


async def _try(resources: Resources, server: Server, profile: Profile | None, target: _Target) -> LoginCheck:
    began = time.monotonic()

    async def look() -> LoginCheck:
        login = target.login()
        session = await open_session(resources, login.server, login.credentials, 0)
        try:
            listed = await session.list_folders()
            found = [finding async for finding in diagnose_mailbox(session, listed, server, profile)]
            await session.logout()
        finally:
            session.abort()
        failures = [finding for finding in found if finding.verdict is Verdict.FAILED]
        return LoginCheck(
            target.user,
            target.mailbox,
            target.line,
            time.monotonic() - began,
            folders=len(listed),
            messages=messages_in(listed),
            error=failures[0].found if failures else "",
            hint=failures[0].advice if failures else "",
            warnings=[f"{finding.step}: {finding.found}" for finding in found if finding.verdict is Verdict.WARNING],
        )

    try:
        return await retry_while_busy(look)
    except MunimentError as error:
        seconds = time.monotonic() - began
        return LoginCheck(target.user, target.mailbox, target.line, seconds, error=str(error), hint=error.hint or "")
