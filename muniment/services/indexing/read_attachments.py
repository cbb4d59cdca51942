"""Read the attachments of a message within the time and room that one message may take from all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from muniment.attachments import Kind
from muniment.attachments.limits import MESSAGE_SECONDS, READ_SECONDS, READERS_VERSION
from muniment.db import attachment_texts
from muniment.db.attachment_texts import TextRow
from muniment.db.database import Session
from muniment.mail.bodies import Attachment
from muniment.model.text_problem import ProblemCode, TextProblem
from muniment.services.resources import Resources

#: Maximum number of texts that are looked up at once: each may have a million characters.
_AT_ONCE = 20
#: Maximum number of attachments that are listed by name as not read.
_LISTED = 20
#: A text that took this long is stored at once (seconds).
_KEEP_SECONDS = 1.0
#: Less time than this is not worth a start (seconds).
_LEAST_SECONDS = 0.1


@dataclass(frozen=True)
class Wanted:
    """An attachment to read; `digest`: SHA-256 of its bytes."""

    digest: bytes
    attachment: Attachment
    kind: Kind


@dataclass
class Texts:
    """The texts of a message's attachments, and what is missing.

    `is_unfinished`: some were set aside, and more time would help.
    """

    texts: list[str] = field(default_factory=list)
    problems: list[TextProblem] = field(default_factory=list)
    is_unfinished: bool = False

    def add(self, row: TextRow, part: str) -> None:
        """Add a text that was read."""
        if row.text:
            self.texts.append(row.text)
        if row.problem:
            self.problems.append(TextProblem(_code(row.problem), row.problem, part))


async def read_attachments(
    resources: Resources, session: Session, wanted: Sequence[Wanted], archives: Sequence[int], room: int, *, slow: bool
) -> Texts:
    """Return the texts of a message's attachments, up to `room` characters; store those that were not read before.

    The time of all of them together is bounded: first a little, so that the message is soon found by the rest of it and
    the mail of others does not wait; if it is `slow`, for which that was not enough, MESSAGE_SECONDS.
    """
    reading = _Reading(resources, archives, slow=slow)
    found = Texts()
    unread: list[Wanted] = []
    for begin in range(0, len(wanted), _AT_ONCE):
        some = wanted[begin : begin + _AT_ONCE] if room > 0 else []
        known = await attachment_texts.find(session, [one.digest for one in some], READERS_VERSION)
        for one in some:
            if (row := known.get(one.digest)) is None and reading.left() >= _LEAST_SECONDS:
                row, late = await session.keep_alive(reading.read(one))
                unread += [one] if late else []
            elif row is None:
                unread.append(one)
            if row is not None:
                found.add(row, one.attachment.part)
                room -= len(row.text)
        await session.keep_alive(reading.keep())
    if unread:
        reading.give_up()
        found.is_unfinished = not slow
        found.problems += _set_aside(unread, slow=slow)
    return found


class _Reading:
    """The time of one message."""

    def __init__(self, resources: Resources, archives: Sequence[int], *, slow: bool) -> None:
        self._resources, self._archives, self._slow = resources, archives, slow
        self._seconds = MESSAGE_SECONDS if slow else resources.patience.seconds(archives)
        self._spent = 0.0
        self._unkept: list[TextRow] = []
        self._spent_on_kept = 0.0

    def left(self) -> float:
        """Return how many seconds are left."""
        return self._seconds - self._spent

    async def read(self, wanted: Wanted) -> tuple[TextRow, bool]:
        """Read an attachment; return its text, and whether more time would give more."""
        attachment, kind = wanted.attachment, wanted.kind
        reading = await self._resources.attachments.read(
            attachment.name, attachment.type, kind, attachment.data, seconds=min(READ_SECONDS, self.left())
        )
        self._spent += reading.seconds
        row = TextRow(
            wanted.digest, kind.value, reading.text, f"{kind.value}: {reading.problem}" if reading.problem else ""
        )
        if reading.settled:
            self._unkept.append(row)
        if self._spent - self._spent_on_kept >= _KEEP_SECONDS:
            await self.keep()
        return row, not reading.settled

    async def keep(self) -> None:
        """Store texts in a transaction of their own, so that they are not lost if the batch fails."""
        if self._unkept:
            async with self._resources.database.transaction() as session:
                await attachment_texts.keep(session, self._unkept, READERS_VERSION)
        self._unkept, self._spent_on_kept = [], self._spent

    def give_up(self) -> None:
        """Count the time against the archives; what is slow waits for nobody."""
        if not self._slow:
            self._resources.patience.spent(self._archives, self._spent)


def _set_aside(unread: Sequence[Wanted], *, slow: bool) -> list[TextProblem]:
    words = (
        f"not read: the attachments of a message may take {MESSAGE_SECONDS:.0f} s together"
        if slow
        else "not read yet: the attachments of this message take long"
    )
    listed = [TextProblem(ProblemCode.LIMIT, words, one.attachment.part) for one in unread[:_LISTED]]
    if len(unread) > _LISTED:
        listed.append(TextProblem(ProblemCode.LIMIT, words, f"{len(unread) - _LISTED} more"))
    return listed


def _code(problem: str) -> ProblemCode:
    return ProblemCode.ENCRYPTED if "encrypted" in problem else ProblemCode.ATTACHMENT
