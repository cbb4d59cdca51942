"""Apply a profile's filter to the new messages of a folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from muniment import log
from muniment.errors import CommandRefused
from muniment.mail.headers import read_headers
from muniment.mailserver import Attributes, MailSession
from muniment.model.mail_filter import MessageFacts
from muniment.model.profile import Profile
from muniment.services.mailboxes.gmail import is_elsewhere

_log = log.get(__name__)

#: How many messages one FETCH of flags and dates covers; the answers are in memory together.
WINDOW = 2000

#: For fewer messages than this, a SEARCH is not worth its round trip.
_SEARCHED = 100


async def filter_new_messages(
    session: MailSession,
    profile: Profile,
    now: datetime,
    todo: Sequence[int],
    *,
    elsewhere: frozenset[bytes] = frozenset(),
) -> list[int]:
    """Return the UIDs in `todo`, ascending, whose messages pass the filter in a run that began `now`.

    `elsewhere`: labels of Gmail whose messages other archived folders show; they do not pass. SEARCH only narrows down
    many messages by the criteria that it evaluates reliably. Each remaining message is decided by the attributes that
    the server reports. A message without attributes passes: a filter must not lose mail.
    """
    if elsewhere:
        todo = await _not_elsewhere(session, todo, elsewhere)
    if not profile.filter:
        return list(todo)
    candidates: Sequence[int] = todo
    keys = profile.filter.search_keys(now)
    if keys and len(todo) >= _SEARCHED and profile.server_kind.searches_well:
        try:
            candidates = await session.matching(todo, keys)
        except CommandRefused as error:
            _log.warning("SEARCH refused, looking at each message", error=str(error))
    kept: list[int] = []
    async for uid, facts in message_facts(session, candidates, with_head=profile.filter.needs_headers):
        if profile.filter.lets_through(facts, now):
            kept.append(uid)
    return kept


async def _not_elsewhere(session: MailSession, uids: Sequence[int], elsewhere: frozenset[bytes]) -> list[int]:
    kept: list[int] = []
    for start in range(0, len(uids), WINDOW):
        window = uids[start : start + WINDOW]
        try:
            labels = await session.labels(window)
        except CommandRefused as error:
            _log.warning("no labels", error=str(error))
            labels = {}
        # A message whose labels are unknown is fetched: an economy must not lose mail.
        kept += [uid for uid in window if not is_elsewhere(labels.get(uid, ()), elsewhere)]
    return kept


async def message_facts(
    session: MailSession, uids: Sequence[int], *, with_head: bool
) -> AsyncIterator[tuple[int, MessageFacts]]:
    """Yield the attributes that the server reports for each of these messages of the open folder, in order."""
    for start in range(0, len(uids), WINDOW):
        window = uids[start : start + WINDOW]
        try:
            told = await session.attributes(window, with_head=with_head)
        except CommandRefused as error:
            _log.warning("no flags and dates", error=str(error))
            told = {}
        for uid in window:
            yield uid, _facts(told.get(uid))


def _facts(told: Attributes | None) -> MessageFacts:
    if told is None:
        return MessageFacts()
    if told.head is None:
        return MessageFacts(told.flags, told.received, told.size)
    headers = read_headers(told.head)
    return MessageFacts(told.flags, told.received, told.size, headers.sender, headers.recipients, headers.subject)
