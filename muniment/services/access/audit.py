"""The audit log: who did what to which subject, and with what outcome. Reading mail is an act, too.

A change is recorded by `act`, in the transaction that makes it. The decorators record everything else, each row in a
transaction of its own: what was read, and every attempt that was refused or failed, since its transaction is undone.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from enum import Enum, StrEnum
from typing import Any, Concatenate, ParamSpec, TypeVar

from muniment import log
from muniment.db import audit
from muniment.db.audit import Act
from muniment.db.database import Session
from muniment.errors import Forbidden, MunimentError
from muniment.model.audit_entry import AuditEntry, Outcome
from muniment.process import os_identity
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources

_log = log.get(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Service = Callable[Concatenate[Principal, Resources, _P], Awaitable[_T]]
_Stream = Callable[Concatenate[Principal, Resources, _P], AsyncGenerator[_T, None]]

_TOLD_CHARACTERS = 500
_WHOLE = "installation"


class Action(StrEnum):
    """Actions that the audit log records; the values are stored."""

    PROFILE_ADDED = "profile added"
    PROFILE_CHANGED = "profile changed"
    PROFILE_SUBMITTED = "profile submitted"  # an attempt to add or change one
    PROFILE_REMOVED = "profile removed"
    PROFILE_TESTED = "profile tested"  # logs in to mailboxes
    FOLDERS_LISTED = "folders listed"
    FORECAST_MADE = "forecast made"
    USER_ADDED = "user added"
    USER_CHANGED = "user changed"
    USER_REMOVED = "user removed"
    RUN_STARTED = "run started"
    RUN_CANCELLED = "run cancelled"
    ARCHIVE_SEARCHED = "archive searched"
    ARCHIVE_SHOWN = "archive shown"
    MESSAGE_SHOWN = "message shown"
    ARCHIVE_EXPORTED = "archive exported"
    ARCHIVE_VERIFIED = "archive verified"
    DELETIONS_LISTED = "deletions listed"
    KEPT_LISTED = "kept messages listed"
    QUARANTINE_SHOWN = "quarantine shown"
    QUARANTINE_LISTED = "quarantine listed"
    QUARANTINE_ACCEPTED = "quarantine accepted"
    QUARANTINE_RETRIED = "quarantine retried"
    QUARANTINE_EXPORTED = "quarantine exported"
    SEARCH_SAVED = "search saved"
    SEARCH_REMOVED = "search removed"
    SEARCH_REQUESTED = "search requested"
    SEARCHES_LISTED = "searches listed"
    INDEX_REBUILT = "index rebuild started"
    INDEX_REBUILD_GIVEN_UP = "index rebuild given up"
    INDEX_COMPARED = "index compared"
    INDEX_RETRIED = "index problems retried"
    INDEX_PROBLEMS_LISTED = "index problems listed"
    SERVER_LIMITED = "server limited"
    SERVER_UNLIMITED = "server unlimited"
    BACKED_UP = "backed up"
    RESTORED = "restored"
    MIGRATED = "migrated"
    ROLES_CREATED = "roles created"
    KEY_RESET = "key reset"
    KEY_PREPARED = "key prepared"
    KEY_ROTATED = "key rotated"
    PASSWORDS_BOUND = "passwords bound"
    AUDIT_READ = "audit read"


@dataclass
class _Attempt:
    """An act under way."""

    principal: Principal
    resources: Resources
    action: Action
    subject: str
    details: dict[str, Any] = field(default_factory=dict)
    anyway: bool = False
    is_recorded: bool = False  # by the service

    async def record(self, outcome: Outcome, **more: Any) -> None:
        """Record an outcome in a transaction of its own."""
        async with self.resources.database.session() as session:
            if self.anyway and not await audit.can_add(session):
                return
            details = self.details | more
            await audit.add(session, _row(self.principal, self.action, self.subject, outcome, details=details or None))

    async def fail(self, error: BaseException) -> None:
        """Record why the act was refused or failed; the error itself matters more than a record that fails."""
        outcome = Outcome.REFUSED if isinstance(error, Forbidden) else Outcome.FAILED
        cancelled = isinstance(error, asyncio.CancelledError | GeneratorExit | KeyboardInterrupt)
        try:
            await self.record(outcome, error="stopped" if cancelled else _told(error))
        except MunimentError as lost:
            _log.warning("an attempt is not in the audit log", action=self.action.value, error=str(lost))


_current: ContextVar[_Attempt | None] = ContextVar("audited act", default=None)


@dataclass(frozen=True)
class Audited:
    """How a service is audited, for `audit_of` and the test that walks over all services."""

    action: Action
    subject: str
    details: tuple[str, ...]
    ahead: bool
    anyway: bool
    own: bool

    def attempt(self, service: Callable[..., object], *args: object, **kwargs: object) -> _Attempt | None:
        """Return the attempt that a call is; None within another one of this action, which records for both."""
        outer = _current.get()
        if outer is not None and outer.action is self.action:
            return None
        bound = inspect.signature(service).bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        subject = str(_field(given, self.subject) or "all") if self.subject else _WHOLE
        details = {name.rpartition(".")[2]: _plain(_field(given, name)) for name in self.details}
        details = {name: value for name, value in details.items() if value is not None and value is not False}
        principal: Principal = given["principal"]
        attempt = _Attempt(principal, given["resources"], self.action, _storable(subject), details, self.anyway)
        attempt.is_recorded = principal.is_user and not self.own
        return attempt


def audited(
    action: Action,
    subject: str = "",
    *,
    details: tuple[str, ...] = (),
    ahead: bool = False,
    anyway: bool = False,
    own: bool = True,
) -> Callable[[_Service[_P, _T]], _Service[_P, _T]]:
    """Audit a service.

    `subject` and `details` name arguments, or fields of them (`old.name`); without a subject, it is the installation.
    `ahead`: record the beginning as well, because the act lasts, or hands over mail before it ends. `anyway`: the
    service works on a database that has no audit log yet. `own`: record also what a user does in their own archive.
    """
    how = Audited(action, subject, details, ahead, anyway, own)

    def decorate(service: _Service[_P, _T]) -> _Service[_P, _T]:
        @functools.wraps(service)
        async def wrapped(principal: Principal, resources: Resources, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
            attempt = how.attempt(service, principal, resources, *args, **kwargs)
            if attempt is None:
                return await service(principal, resources, *args, **kwargs)
            token = _current.set(attempt)
            try:
                if ahead:
                    await attempt.record(Outcome.BEGUN)
                result = await service(principal, resources, *args, **kwargs)
                if not attempt.is_recorded:
                    await attempt.record(Outcome.DONE)
            except BaseException as error:
                await attempt.fail(error)
                raise
            finally:
                _current.reset(token)
            return result

        wrapped.audited = how  # type: ignore[attr-defined]
        return wrapped

    return decorate


def audited_stream(
    action: Action, subject: str = "", *, details: tuple[str, ...] = ()
) -> Callable[[_Stream[_P, _T]], _Stream[_P, _T]]:
    """Audit a service that yields results: its beginning and its end."""
    how = Audited(action, subject, details, ahead=True, anyway=False, own=True)

    def decorate(service: _Stream[_P, _T]) -> _Stream[_P, _T]:
        @functools.wraps(service)
        async def wrapped(
            principal: Principal, resources: Resources, /, *args: _P.args, **kwargs: _P.kwargs
        ) -> AsyncGenerator[_T, None]:
            attempt = how.attempt(service, principal, resources, *args, **kwargs)
            assert attempt is not None, "a stream is not part of another act"
            try:
                await attempt.record(Outcome.BEGUN)
                async for result in service(principal, resources, *args, **kwargs):
                    yield result
                await attempt.record(Outcome.DONE)
            except BaseException as error:
                await attempt.fail(error)
                raise

        wrapped.audited = how  # type: ignore[attr-defined]
        return wrapped

    return decorate


def audit_of(service: Callable[..., object]) -> Audited | None:
    """Return how a service is audited; None if it is not."""
    found: Audited | None = getattr(service, "audited", None)
    return found


async def act(
    session: Session,
    principal: Principal,
    action: Action,
    subject: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Record an act that is done, in the transaction that performs it.

    `before` is the state of the subject before a change (None: it was created), `after` the state after it (None: it
    was removed). `details`: what was asked for. None of them holds a secret or the contents of a message.
    """
    row = _row(principal, action, _storable(subject), Outcome.DONE, before=before, after=after, details=details)
    await audit.add(session, row)
    attempt = _current.get()
    if attempt is not None:
        attempt.is_recorded = True


@audited(Action.AUDIT_READ, "subject")
async def show_audit(principal: Principal, resources: Resources, subject: str | None, limit: int) -> list[AuditEntry]:
    """Return the latest actions, newest first, optionally only those on one subject."""
    principal.require(Right.ADMIN)
    async with resources.database.session() as session:
        return await audit.latest(session, subject, limit)


def _row(principal: Principal, action: Action, subject: str, outcome: Outcome, **more: Any) -> Act:
    me = asdict(os_identity())
    who, claimed = _storable(principal.name), _storable(principal.claimed) if principal.claimed else None
    return Act(who=who, action=action.value, subject=subject, outcome=outcome, claimed=claimed, **me, **more)


def _field(given: Mapping[str, Any], path: str) -> Any:
    first, *rest = path.split(".")
    return functools.reduce(getattr, rest, given[first])


def _plain(value: Any) -> Any:
    """Return a value for JSON."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return _storable(str(value.value if isinstance(value, Enum) else value))


def _storable(text: str) -> str:
    """Escape what PostgreSQL cannot hold, so that no name escapes the audit log."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _told(error: BaseException) -> str:
    """Return what went wrong; errors of Muniment's own hold no secrets, and of others only the kind is told."""
    text = f"{type(error).__name__}: {error}" if isinstance(error, MunimentError) else type(error).__name__
    return _storable(text)[:_TOLD_CHARACTERS]
