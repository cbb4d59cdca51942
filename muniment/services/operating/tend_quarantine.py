"""Tend the quarantine: look at a message, have it tried again, take its bytes out, or accept that it is missing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from muniment.contents.codec import EncodedPart, checked_stream, decode_part
from muniment.db import quarantine
from muniment.db.messages import StoredMessage
from muniment.errors import Misconfigured, NotFound
from muniment.model.quarantined import QuarantineChoice, Quarantined
from muniment.services.access.audit import Action, act, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources

#: The longest reason that is stored, in characters.
LONGEST_REASON = 2000


@dataclass(frozen=True)
class Tended:
    """The messages that were changed, and the profiles whose next runs concern them."""

    messages: list[Quarantined]
    profiles: list[str]


@audited(Action.QUARANTINE_SHOWN, "id_")
async def show_quarantined(principal: Principal, resources: Resources, id_: int) -> Quarantined:
    """Return one message in quarantine; NotFound: there is none with this number."""
    principal.require(Right.OPERATE)
    async with resources.database.session() as session:
        [found] = await quarantine.list_(session, QuarantineChoice([id_]))
        return found


@audited(Action.QUARANTINE_RETRIED, details=("choice.ids", "choice.address"))
async def retry_quarantined(principal: Principal, resources: Resources, choice: QuarantineChoice) -> Tended:
    """Have the next run of their profiles try messages again, at once and even if they were accepted."""
    principal.require(Right.ARCHIVE, Right.OPERATE)
    async with resources.database.transaction() as session:
        found = await quarantine.list_(session, choice)
        ids = [message.id for message in found]
        await quarantine.retry(session, ids)
        for message in found:
            await act(session, principal, Action.QUARANTINE_RETRIED, message.place, details=_told(message))
        return Tended(found, await quarantine.profiles(session, ids))


@audited(Action.QUARANTINE_ACCEPTED, details=("choice.ids", "choice.address", "reason"))
async def accept_quarantined(
    principal: Principal, resources: Resources, choice: QuarantineChoice, reason: str
) -> Tended:
    """Accept that messages are missing: from the next run on, they no longer keep their mailboxes incomplete.

    Raises Misconfigured without a reason.
    """
    principal.require(Right.ADMIN)
    reason = " ".join(reason.split())
    if not reason or len(reason) > LONGEST_REASON:
        raise Misconfigured(
            f"the reason is empty or longer than {LONGEST_REASON} characters",
            hint="Say why the messages need not be archived, for example: --reason 'calendar entries'.",
        )
    async with resources.database.transaction() as session:
        found = await quarantine.list_(session, choice, accepted=False)
        ids = [message.id for message in found]
        await quarantine.accept(session, ids, principal.name, reason)
        for message in found:
            told = {**_told(message), "accepted because": reason}
            await act(session, principal, Action.QUARANTINE_ACCEPTED, message.place, details=told)
        return Tended(found, await quarantine.profiles(session, ids))


@audited(Action.QUARANTINE_EXPORTED, "id_", ahead=True)
async def export_quarantined(
    principal: Principal, resources: Resources, id_: int, write: Callable[[bytes], Any]
) -> Quarantined:
    """Hand the bytes that arrived for a message to `write`, piece by piece; NotFound if nothing arrived.

    For a message in place of which the server delivered something else, that is what it delivered.
    """
    principal.require(Right.ADMIN)
    async with resources.database.transaction() as session:
        [message] = await quarantine.list_(session, QuarantineChoice([id_]))
        if message.size is None:
            raise NotFound(
                f"nothing arrived of message {id_}: {message.reason}",
                hint=f"`muniment quarantine retry {id_}` has the next run ask the server for it again.",
            )
        stored = await quarantine.content(session, id_)
        if stored is None:
            async for part in quarantine.parts(session, id_):
                write(decode_part(part.codec, part.data))
        await act(session, principal, Action.QUARANTINE_EXPORTED, message.place, details=_told(message))
    if stored is not None:
        await _write_content(resources, stored, write)
    return message


async def _write_content(resources: Resources, stored: StoredMessage, write: Callable[[bytes], Any]) -> None:
    async def one() -> AsyncGenerator[StoredMessage, None]:
        yield stored

    async for _, parts in resources.contents.read(one()):
        async for chunk in _checked(parts, stored):
            write(chunk)


def _checked(parts: AsyncIterator[EncodedPart], stored: StoredMessage) -> AsyncIterator[bytes]:
    return checked_stream(parts, sha256=stored.sha256, size=stored.size)


def _told(message: Quarantined) -> dict[str, Any]:
    """Return what the audit log says about a message."""
    return {"id": message.id, "uidvalidity": message.uidvalidity, "uid": message.uid, "reason": message.reason}
