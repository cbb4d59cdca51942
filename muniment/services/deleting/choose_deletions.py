"""Choose the archived messages of a folder that the profile's rule deletes on the server now."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from muniment.db import deletions
from muniment.db.deletions import Candidate, Kept
from muniment.mailserver import MailSession
from muniment.model.deletion_rule import AT_ONCE, DeletionRule
from muniment.model.folder import FolderState
from muniment.model.period import Period
from muniment.model.profile import Profile
from muniment.pop3 import announced_size
from muniment.services.mailboxes.filter_new_messages import WINDOW, message_facts
from muniment.services.resources import Resources

#: Why messages stay of which the server delivered another number of bytes than it announced.
SIZE_DIFFERS = "its size is not the one that the server announces"

#: The largest number that PostgreSQL stores; servers may announce any size.
_MOST = 2**63 - 1


@dataclass(frozen=True)
class Choice:
    """Messages to delete from one window of a folder, and how many others of it stay, by reason.

    `doubtful`: messages that the rule matches and that stay because the archive may not have them whole.
    """

    messages: Sequence[Candidate]
    kept: dict[str, int]
    doubtful: Sequence[Kept] = ()


def may_delete(state: FolderState) -> bool:
    """Return whether messages of a folder may be deleted at all: it is proven complete and has a real UIDVALIDITY."""
    return state.complete and not state.refusal and not state.vanished and state.uidvalidity > 0


async def has_candidates(resources: Resources, profile: Profile, state: FolderState, now: datetime) -> bool:
    """Return whether the rule may apply to any archived message; if not, the folder need not be opened."""
    return bool(await _candidates(resources, profile, state, now, above=0, limit=1))


async def choose_deletions(
    resources: Resources, profile: Profile, session: MailSession, state: FolderState, now: datetime
) -> AsyncGenerator[Choice, None]:
    """Yield the messages of the open folder that the rule deletes, a few thousand at a time.

    The rule is applied to what the server reports now and not to archived data, because flags change.
    """
    above = 0
    while window := await _candidates(resources, profile, state, now, above=above, limit=WINDOW):
        above = window[-1].uid
        by_uid = {candidate.uid: candidate for candidate in window}
        chosen: list[Candidate] = []
        doubtful: list[Kept] = []
        kept: dict[str, int] = {}
        async for uid, facts in message_facts(session, list(by_uid), with_head=profile.filter.needs_headers):
            # POP3 has no INTERNALDATE; the time of archiving stands in for it.
            known = replace(facts, received=by_uid[uid].archived) if profile.server.access.is_pop3 else facts
            reason = profile.deletion.keeps(known, profile.filter, now)
            if reason:
                kept[reason] = kept.get(reason, 0) + 1
                continue
            candidate = by_uid[uid]
            announced = announced_size(facts.size, candidate.received) if profile.server.access.is_pop3 else facts.size
            candidate = _with_announcement(candidate, announced)
            doubt = _doubt(candidate, profile.deletion)
            if doubt:
                doubtful.append(Kept(candidate, doubt, candidate.announced))
            else:
                chosen.append(candidate)
        yield Choice(chosen, kept, doubtful)


def _with_announcement(candidate: Candidate, announced: int | None) -> Candidate:
    """Return the candidate with the size that the server announces now, if that is not what it delivered.

    A size that differed when the message was archived counts as well, whatever the server says now.
    """
    if announced is None or announced == candidate.received:
        return candidate
    return replace(candidate, announced=min(announced, _MOST))


def _doubt(candidate: Candidate, rule: DeletionRule) -> str:
    """Return why the archive may not have the message; empty if nothing speaks for that."""
    if candidate.substitute:
        return f"the server delivered something else in its place: {candidate.substitute}"
    if candidate.announced is not None and not rule.despite_size:
        return f"the server announced {candidate.announced} bytes and delivered {candidate.received}"
    return ""


async def _candidates(
    resources: Resources, profile: Profile, state: FolderState, now: datetime, *, above: int, limit: int
) -> list[Candidate]:
    after = profile.deletion.after
    before = None if after == AT_ONCE else Period.parse(after).before(now)
    async with resources.database.session() as session:
        return await deletions.candidates(session, state.id, state.uidvalidity, before=before, above=above, limit=limit)
