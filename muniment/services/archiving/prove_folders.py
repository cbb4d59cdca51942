"""The completeness proof: compares what the server lists of a folder with what the archive holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from muniment import log
from muniment.db import deletions, folders, messages
from muniment.db.database import Session
from muniment.model.folder import FolderStatus
from muniment.model.run import Lease
from muniment.services.archiving.batch import Target
from muniment.services.archiving.follow_flags import NOT_SEEN, FlagsLook

_log = log.get(__name__)

_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Visited:
    """What the server showed during a finished visit of a folder.

    `listed`: UIDs, without those expunged during the visit. `hidden`: how many messages it counts but does not list.
    `basis`: the next run skips the folder as long as its STATUS equals this one and it is not due. `filtered`: listed
    UIDs that the profile's filter left out. `proves_absence`: a message that is not listed is not there. `doubt`: why
    the list may be a part of the folder; empty if nothing suggests that.
    """

    target: Target
    basis: FolderStatus
    listed: Sequence[int]
    hidden: int
    filtered: frozenset[int] = frozenset()
    flags: FlagsLook = NOT_SEEN
    proves_absence: bool = True
    doubt: str = ""

    @property
    def standing(self) -> FolderStatus:
        """The STATUS to store; without UIDNEXT if messages were filtered out, so that the next run tries them again."""
        return replace(self.basis, uidnext=None) if self.filtered else self.basis


async def prove_folders(session: Session, lease: Lease, visits: Sequence[Visited]) -> dict[int, int]:
    """Store the proof of each folder, and return how many messages each lacks, by folder id (0: proven complete).

    Reads back what the archive holds, in the transaction that stores the last batch. That transaction must check the
    lease.
    """
    if not visits:
        return {}
    numberings = [(visit.target.folder_id, visit.target.uidvalidity) for visit in visits]
    held = {of.folder_id: of for of in await folders.held(session, numberings, _EVER)}
    proofs = []
    for each in visits:
        of = held[each.target.folder_id]
        archived = set(of.archived)
        left_out = each.filtered.union(of.unowned).intersection(each.listed).difference(archived)
        visit = replace(each, filtered=left_out)
        whole = archived.difference(of.substitutes)
        lacking = {uid for uid in visit.listed if uid not in whole and uid not in visit.filtered}
        if not visit.proves_absence:
            # Messages in quarantine that the server does not show any more may still be there.
            lacking |= set(of.quarantined).difference(archived)
        accepted = len(lacking.intersection(of.accepted))
        missing = visit.hidden + len(lacking) - accepted
        on_server = len(visit.listed) + visit.hidden
        proofs.append(
            folders.Proof(
                of.folder_id,
                visit.standing,
                on_server,
                missing,
                filtered=len(visit.filtered),
                accepted=accepted,
                partial=visit.doubt,
                flags_seen=visit.flags.seen,
                flags_modseq=visit.flags.modseq,
            )
        )
        await _tidy(session, visit, whole, [*of.quarantined, *of.substitutes])
        await _follow(session, visit, archived, of.gone)
        if missing:
            _log.warning("folder is not complete", folder=of.folder_id, on_server=on_server, missing=missing)
    await folders.prove(session, lease, proofs)
    return {proof.folder_id: proof.missing for proof in proofs}


async def _follow(session: Session, visit: Visited, archived: set[int], gone: Sequence[int]) -> None:
    """Record which messages left the folder and which are back; skipped for departures if the server hides messages.

    A list that may lack messages proves no departure, except of those that the server was told to delete.
    """
    folder_id, uidvalidity = visit.target.folder_id, visit.target.uidvalidity
    if back := set(gone).intersection(visit.listed):
        await folders.set_back(session, folder_id, uidvalidity, sorted(back))
    if visit.hidden or visit.doubt or not (left := archived.difference(visit.listed, gone)):
        return
    if visit.proves_absence or left <= await deletions.asked(session, folder_id, uidvalidity):
        await folders.set_gone(session, folder_id, uidvalidity, sorted(left))


async def _tidy(session: Session, visit: Visited, archived: set[int], quarantined: Sequence[int]) -> None:
    """Remove from quarantine what is archived by now, or no longer on the server as far as a list tells."""
    folder_id, uidvalidity = visit.target.folder_id, visit.target.uidvalidity
    if visit.target.renumbered:
        await messages.forget_old_numberings(session, folder_id, uidvalidity)
    if settled := archived.intersection(quarantined):
        await messages.forget_quarantine(session, folder_id, uidvalidity, sorted(settled))
    if not visit.proves_absence:
        return
    if gone := set(quarantined).difference(settled, visit.listed):
        await messages.forget_gone(session, folder_id, uidvalidity, sorted(gone))
