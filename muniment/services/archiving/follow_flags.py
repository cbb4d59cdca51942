"""Let the flags of archived messages follow the server, and find messages that SEARCH left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from muniment import log
from muniment.db import flags, jobs
from muniment.errors import CommandRefused
from muniment.model.folder import FolderStatus
from muniment.services.archiving.folder_work import FolderWork
from muniment.services.resources import Resources

_log = log.get(__name__)

#: How many messages one FETCH of flags covers; the answers are in memory together.
WINDOW = 20_000


@dataclass(frozen=True)
class FlagsLook:
    """What a visit found out about flags.

    `seen`: the archive has the flags that the server has, up to `modseq` (None: unknown). `unlisted`: UIDs of messages
    that the server delivered flags of, although SEARCH did not list them.
    """

    seen: bool = False
    modseq: int | None = None
    unlisted: frozenset[int] = frozenset()


NOT_SEEN = FlagsLook()


async def follow_flags(
    resources: Resources, work: FolderWork, status: FolderStatus, listed: Sequence[int]
) -> FlagsLook:
    """Store the flags that changed on the server. Call it before new messages of the open folder are fetched.

    With CONDSTORE (RFC 7162), each visit asks for changes since the last one. Otherwise all flags are compared when the
    folder is due. `listed`: the UIDs found by SEARCH; the answers about flags are a second list of messages.
    """
    state, modseq = work.state, status.highestmodseq
    if state.proven is None:
        # What the archive holds came in this run. Only if all of it comes in this visit, `modseq` is as old as it.
        is_first = work.is_new or not (state.last_uid or state.renumbered)
        return FlagsLook(seen=True, modseq=modseq if is_first else None)
    since = state.flags_modseq if modseq is not None else None
    if since is not None and since > (modseq or 0):
        since = None  # the server was restored from a backup
    if not work.is_due and (modseq is None or modseq == since):
        return FlagsLook(seen=modseq is not None, modseq=modseq)
    try:
        return await _look(resources, work, listed, since, modseq)
    except CommandRefused as error:
        _log.warning("no flags", folder=state.id, error=str(error))
        if since is None:
            return FlagsLook(seen=True)  # asked again when the folder is due, not in each run
    try:
        return await _look(resources, work, listed, None, modseq)
    except CommandRefused as error:
        _log.warning("no flags", folder=state.id, error=str(error))
        return FlagsLook(seen=True)


async def _look(
    resources: Resources, work: FolderWork, listed: Sequence[int], since: int | None, modseq: int | None
) -> FlagsLook:
    known, unlisted = set(listed), set[int]()
    for first, last in _windows(listed):
        told = await work.session.flags(first, last, since=since)
        unlisted.update(told.keys() - known)
        if told:
            await _store(resources, work, told)
    if unlisted:
        _log.warning("SEARCH left out messages", folder=work.state.id, messages=len(unlisted))
    return FlagsLook(seen=True, modseq=modseq, unlisted=frozenset(unlisted))


async def _store(resources: Resources, work: FolderWork, told: dict[int, tuple[str, ...]]) -> None:
    state = work.state
    async with resources.database.transaction() as session:
        changed = await flags.follow(session, state.id, state.uidvalidity, told)
        if changed:  # one writer: the newest lease
            await jobs.extend(session, work.lease, resources.settings.lease_seconds)


def _windows(listed: Sequence[int]) -> Iterator[tuple[int, int | None]]:
    """Yield ranges of UIDs that cover all UIDs and hold up to WINDOW of the listed ones each."""
    firsts = [1, *(listed[start] for start in range(WINDOW, len(listed), WINDOW))]
    for first, following in zip(firsts, [*firsts[1:], None], strict=True):
        yield first, None if following is None else following - 1
