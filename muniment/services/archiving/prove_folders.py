"""The completeness proof: what the server lists of a folder against what the archive holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from muniment import log
from muniment.db import folders, messages
from muniment.db.database import Session
from muniment.model.folder import FolderStatus
from muniment.model.run import Lease
from muniment.services.archiving.batch import Target

_log = log.get(__name__)

_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Visited:
    """A folder whose visit is over: what the server showed.

    `listed`: its UIDs, without those that left it during the visit; `hidden`: messages that it counts and does not
    list. `basis`: the STATUS that makes the next visit needless as long as it stays. `filtered`: listed UIDs that the
    profile's filter left out.
    """

    target: Target
    basis: FolderStatus
    listed: Sequence[int]
    hidden: int
    filtered: frozenset[int] = frozenset()

    @property
    def standing(self) -> FolderStatus:
        """What the next visit compares with; it always comes where it may find that a message is let through by now."""
        return replace(self.basis, uidnext=None) if self.filtered else self.basis


async def prove_folders(session: Session, lease: Lease, visits: Sequence[Visited]) -> dict[int, int]:
    """Store the proof of each folder, and return how many messages it lacks, by id (0 = proven complete).

    What is held is read back from the tables, behind the commit of the last batch in the same transaction, which must
    check the lease.
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
        missing = visit.hidden + sum(uid not in archived and uid not in visit.filtered for uid in visit.listed)
        on_server = len(visit.listed) + visit.hidden
        proofs.append(folders.Proof(of.folder_id, visit.standing, on_server, missing, len(visit.filtered)))
        await _tidy(session, visit, archived, of.quarantined)
        await _follow(session, visit, archived, of.gone)
        if missing:
            _log.warning("folder is not complete", folder=of.folder_id, on_server=on_server, missing=missing)
    await folders.prove(session, lease, proofs)
    return {proof.folder_id: proof.missing for proof in proofs}


async def _follow(session: Session, visit: Visited, archived: set[int], gone: Sequence[int]) -> None:
    """Note which messages left their place on the server, and which are there again; not where it hides some."""
    folder_id, uidvalidity = visit.target.folder_id, visit.target.uidvalidity
    if back := set(gone).intersection(visit.listed):
        await folders.set_back(session, folder_id, uidvalidity, sorted(back))
    if not visit.hidden and (left := archived.difference(visit.listed, gone)):
        await folders.set_gone(session, folder_id, uidvalidity, sorted(left))


async def _tidy(session: Session, visit: Visited, archived: set[int], quarantined: Sequence[int]) -> None:
    """Take out of quarantine what is archived by now, and what is not on the server any more."""
    folder_id, uidvalidity = visit.target.folder_id, visit.target.uidvalidity
    if visit.target.renumbered:
        await messages.forget_old_numberings(session, folder_id, uidvalidity)
    if settled := archived.intersection(quarantined):
        await messages.forget_quarantine(session, folder_id, uidvalidity, sorted(settled))
    if gone := set(quarantined).difference(settled, visit.listed):
        await messages.forget_gone(session, folder_id, uidvalidity, sorted(gone))
