"""Find out which messages the server still lists."""

from __future__ import annotations

from collections.abc import Sequence

from muniment.imap import uid_sets
from muniment.mailserver import MailSession


async def still_there(session: MailSession, uids: Sequence[int]) -> list[int]:
    """Return the UIDs that the server still lists in the open folder, ascending."""
    asked = set(uids)
    found: set[int] = set()
    for uid_set, _ in uid_sets(uids):
        found.update(await session.search_uids(f"UID {uid_set}"))
    return sorted(asked & found)
