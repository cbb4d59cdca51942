"""Verify the archive: read and hash everything again, and report what is damaged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from muniment.contents.codec import checked_stream
from muniment.db import folders, messages
from muniment.db.database import Database, Session
from muniment.db.messages import Filed, StoredMessage
from muniment.errors import Damaged
from muniment.services.access.audit import Action, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources

_WINDOW_MESSAGES = 2000
_WINDOW_FOLDERS = 500


@dataclass(frozen=True)
class Damage:
    """A damaged message: where it is filed, its SHA-256 (hexadecimal, empty if unknown), and what is wrong."""

    where: str
    sha256: str
    detail: str


@dataclass
class VerifyReport:
    """How many messages and bytes of originals were read, and what is damaged."""

    messages: int = 0
    bytes: int = 0
    damage: list[Damage] = field(default_factory=list)


@audited(Action.ARCHIVE_VERIFIED, ahead=True)
async def verify_archive(
    principal: Principal, resources: Resources, progress: Callable[[int, int], None] = lambda _messages, _bytes: None
) -> VerifyReport:
    """Read every stored message, and report a damaged one at every place where it is filed.

    Lists messages window by window, because one transaction that lasts for hours would hold up VACUUM. Messages
    archived meanwhile may or may not be read.
    """
    principal.require(Right.OPERATE)
    report = VerifyReport()
    last: StoredMessage | None = None
    while True:
        async with resources.database.session() as session:
            window = await messages.messages_after(session, last, _WINDOW_MESSAGES)
        await _verify(resources, window, report, progress)
        if not window:
            break
        last = window[-1]
    await _look_for_missing(resources.database, report)
    return report


async def _verify(
    resources: Resources, window: Sequence[StoredMessage], report: VerifyReport, progress: Callable[[int, int], None]
) -> None:
    async for message, parts in resources.contents.read(_each(window)):
        try:
            async for _ in checked_stream(parts, sha256=message.sha256, size=message.size):
                pass
        except Damaged as error:
            async with resources.database.session() as session:
                report.damage += await _named(session, message, str(error))
        report.messages += 1
        report.bytes += message.size
        progress(report.messages, report.bytes)


async def _look_for_missing(database: Database, report: VerifyReport) -> None:
    folder_ids = [0]
    async with database.session() as session:
        while folder_ids := await folders.ids_after(session, folder_ids[-1], _WINDOW_FOLDERS):
            for filed in await messages.entries_without_message(session, folder_ids):
                report.damage.append(Damage(_place(filed), "", "the message is missing"))


async def _each(window: Sequence[StoredMessage]) -> AsyncIterator[StoredMessage]:
    for message in window:
        yield message


async def _named(session: Session, message: StoredMessage, detail: str) -> list[Damage]:
    filed = await messages.where_filed(session, message.store_id, message.message_id)
    places = [_place(place) for place in filed] or ["filed nowhere"]
    return [Damage(place, message.sha256.hex(), detail) for place in places]


def _place(filed: Filed) -> str:
    return f"user {filed.user_name}, folder {'/'.join([filed.address, *filed.path])}, UID {filed.uid}"
