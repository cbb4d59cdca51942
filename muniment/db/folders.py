"""Folders: cursors and completeness proofs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.errors import LeaseLost
from muniment.model.folder import FolderState, FolderStatus, ServerFolder
from muniment.model.run import Lease

_SQL = load("folders")
_SEPARATOR = "\x01"  # no server delivers it within a name; see _joined


@dataclass(frozen=True)
class ArchiveFolder:
    """A folder of a user's archive: root folder (the mailbox's address) and the path below it."""

    id: int
    address: str
    path: list[str]


@dataclass(frozen=True)
class Held:
    """UIDs of one numbering of a folder, in no order.

    In the archive, of those `gone` from the server, in quarantine, and those that belong to nobody.
    """

    folder_id: int
    archived: list[int]
    gone: list[int]
    quarantined: list[int]
    unowned: list[int]


@dataclass(frozen=True)
class Proof:
    """UIDs on the server, how many of them are not archived, or left out by a filter, and the STATUS it stands on."""

    folder_id: int
    basis: FolderStatus
    on_server: int
    missing: int
    filtered: int = 0


@dataclass(frozen=True)
class _Distributed:
    id: int
    mailbox_id: int
    wire_name: bytes


@dataclass(frozen=True)
class _Row:
    id: int
    wire_name: bytes
    path: list[str]
    uidvalidity: int
    last_uid: int
    uidnext: int | None
    messages: int | None
    highestmodseq: int | None
    renumbered: bool
    missing: int
    proven: datetime | None
    proven_run: int | None
    vanished: bool
    refusal: str
    quarantined: int

    def state(self) -> FolderState:
        status = FolderStatus(self.uidvalidity, self.uidnext, self.messages, self.highestmodseq)
        return FolderState(
            id=self.id,
            wire_name=self.wire_name,
            path=tuple(self.path),
            uidvalidity=self.uidvalidity,
            last_uid=self.last_uid,
            # A folder that comes back is visited, whatever its numbers are: its messages count as gone.
            status=status if self.proven and not self.vanished else None,
            renumbered=self.renumbered,
            proven_run=self.proven_run if self.proven else None,
            complete=self.proven is not None and self.missing == 0,
            quarantined=self.quarantined,
            refusal=self.refusal,
            vanished=self.vanished,
        )


async def ensure(session: Session, mailbox_id: int, listed: Sequence[ServerFolder]) -> None:
    """Create the folders that the mailbox lacks, with the numbering that STATUS tells (0: not told)."""
    await session.execute(
        _SQL["ensure"],
        mailbox_id,
        [folder.wire_name for folder in listed],
        [_joined(folder.path) for folder in listed],
        [folder.status.uidvalidity if folder.status is not None else 0 for folder in listed],
    )


async def ensure_distributed(
    session: Session, targets: Sequence[tuple[int, tuple[str, ...]]]
) -> dict[tuple[int, tuple[str, ...]], int]:
    """Return the ids of folders for mail that is filed for its owners, by (mailbox id, path), creating what is missing."""
    distinct = sorted(set(targets))
    mailboxes = [mailbox for mailbox, _ in distinct]
    names = [_distributed_name(path) for _, path in distinct]
    await session.execute(_SQL["ensure_distributed"], mailboxes, names, [_joined(path) for _, path in distinct])
    rows = await session.rows(_Distributed, _SQL["distributed_ids"], mailboxes, names)
    ids = {(row.mailbox_id, row.wire_name): row.id for row in rows}
    return {(mailbox, path): ids[mailbox, _distributed_name(path)] for mailbox, path in distinct}


def _distributed_name(path: tuple[str, ...]) -> bytes:
    return b"\0" + "/".join(path).encode("utf-8", "replace")


async def of_mailbox(session: Session, mailbox_id: int, since: datetime) -> list[FolderState]:
    """Return what the archive knows of each folder; `quarantined` counts messages not tried since then."""
    return [row.state() for row in await session.rows(_Row, _SQL["of_mailbox"], mailbox_id, since)]


async def new_numbering(session: Session) -> int:
    """Return a UIDVALIDITY that no server has (below 0) and that was never given out before."""
    numbering: int = await session.value(_SQL["new_numbering"])
    return numbering


async def renumber(session: Session, lease: Lease, folder_id: int, uidvalidity: int) -> None:
    """Start a new numbering: the cursor goes to 0, what is archived stays. LeaseLost when the lease is another's."""
    _own(await session.value(_SQL["renumber"], lease.job_id, lease.fence, folder_id, uidvalidity))


async def park(session: Session, folder_ids: Sequence[int]) -> None:
    """Move what stands under UIDVALIDITYs of a server to numberings of our own; needs a transaction.

    A server may come back to an old UIDVALIDITY (restored from a backup), or another one use the
    same, and number other messages with it.
    """
    await session.execute(_SQL["park_entries"], list(folder_ids))
    await session.execute(_SQL["park_quarantine"], list(folder_ids))


async def held(session: Session, numberings: Sequence[tuple[int, int]], since: datetime) -> list[Held]:
    """Return what stands in these folders under these UIDVALIDITYs: (folder id, UIDVALIDITY).

    Of the quarantine only what was tried since then.
    """
    ids, uidvalidities = [id_ for id_, _ in numberings], [uidvalidity for _, uidvalidity in numberings]
    return await session.rows(Held, _SQL["held"], ids, uidvalidities, since)


async def prove(session: Session, lease: Lease, proofs: Sequence[Proof]) -> None:
    """Store completeness proofs of the lease's run; the transaction must check the lease."""
    await session.execute(
        _SQL["prove"],
        [proof.folder_id for proof in proofs],
        [proof.on_server for proof in proofs],
        [proof.missing for proof in proofs],
        [proof.basis.uidnext for proof in proofs],
        [proof.basis.messages for proof in proofs],
        [proof.basis.highestmodseq for proof in proofs],
        lease.job_id,
        [proof.filtered for proof in proofs],
    )


async def set_gone(session: Session, folder_id: int, uidvalidity: int, uids: Sequence[int]) -> None:
    """Note that messages left their place on the server; the transaction must check the lease."""
    await session.execute(_SQL["set_gone"], folder_id, uidvalidity, list(uids))


async def set_back(session: Session, folder_id: int, uidvalidity: int, uids: Sequence[int]) -> None:
    """Note that messages are at their place again; the transaction must check the lease."""
    await session.execute(_SQL["set_back"], folder_id, uidvalidity, list(uids))


async def vanish(session: Session, lease: Lease, folder_ids: Sequence[int]) -> None:
    """Note that the server does not list these folders any more; nothing happens when the lease is another's."""
    await session.execute(_SQL["vanish"], lease.job_id, lease.fence, list(folder_ids))


async def leave_all(session: Session, folder_id: int) -> None:
    """Note that nothing of a folder is known to stand at its place; what is found by content comes back."""
    await session.execute(_SQL["leave_all"], folder_id)


async def refuse(session: Session, lease: Lease, folder_id: int, reason: str) -> None:
    """Remember that the server does not open the folder; LeaseLost when the lease is another's."""
    _own(await session.value(_SQL["refuse"], lease.job_id, lease.fence, folder_id, reason.replace("\0", "")))


async def adopt_source(session: Session, lease: Lease, mailbox_id: int, source: str) -> bool:
    """Remember which server and account the mailbox's UIDs belong to; needs a transaction.

    When they belonged to another until now, every folder starts a new numbering, and True is returned.
    """
    if not await session.value(_SQL["adopt_source"], lease.job_id, lease.fence, mailbox_id, source):
        return False
    await park(session, await session.values(_SQL["numbered_folders"], mailbox_id))
    await session.execute(_SQL["forget_numbering"], mailbox_id)
    return True


async def ids_after(session: Session, last: int, limit: int) -> list[int]:
    """Return up to `limit` ids of folders, of all mailboxes, above `last`."""
    return await session.values(_SQL["ids_after"], last, limit)


async def of_user(session: Session, user_id: int) -> list[ArchiveFolder]:
    """Return the folders of a user's archive in order."""
    return await session.rows(ArchiveFolder, _SQL["of_user"], user_id)


def _joined(path: tuple[str, ...]) -> str:
    """Join a path for string_to_array; PostgreSQL text holds neither NUL nor lone surrogates."""
    parts = (part.replace("\0", "\ufffd").replace(_SEPARATOR, "\ufffd") for part in path)
    return _SEPARATOR.join(parts).encode("utf-8", "replace").decode()


def _own(answer: int | None) -> None:
    if answer is None:
        raise LeaseLost
