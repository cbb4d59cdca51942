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
_SEPARATOR = "\x01"  # never occurs in a folder name; see _joined


@dataclass(frozen=True)
class ArchiveFolder:
    """A folder in a user's archive: its root folder (the mailbox's address) and the path below it."""

    id: int
    address: str
    path: list[str]


@dataclass(frozen=True)
class Held:
    """UIDs of a folder with one UIDVALIDITY, unordered.

    `archived`; of these, `gone` from the server; `quarantined`, and not to be tried again; `unowned` (match no known
    user); `substitutes`: archived, but in place of other messages; `again`: those to fetch once more; `accepted`: in
    quarantine or substitutes, with an administrator's consent.
    """

    folder_id: int
    archived: list[int]
    gone: list[int]
    quarantined: list[int]
    unowned: list[int]
    substitutes: list[int]
    again: list[int]
    accepted: list[int]


@dataclass(frozen=True)
class Proof:
    """A completeness proof: numbers of UIDs on the server, of missing, filtered and accepted ones, and its STATUS.

    `partial`: why the server may have shown only a part of the folder, so that it proves less; empty otherwise.
    `flags_seen`: flags were compared as well, up to `flags_modseq` (None: unknown).
    """

    folder_id: int
    basis: FolderStatus
    on_server: int
    missing: int
    filtered: int = 0
    accepted: int = 0
    partial: str = ""
    flags_seen: bool = False
    flags_modseq: int | None = None


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
    partial: str
    flags_seen: datetime | None
    flags_modseq: int | None

    def state(self) -> FolderState:
        status = FolderStatus(self.uidvalidity, self.uidnext, self.messages, self.highestmodseq)
        return FolderState(
            id=self.id,
            wire_name=self.wire_name,
            path=tuple(self.path),
            uidvalidity=self.uidvalidity,
            last_uid=self.last_uid,
            # A folder that reappears must be visited regardless of its status: its messages are marked as gone.
            status=status if self.proven and not self.vanished else None,
            renumbered=self.renumbered,
            proven_run=self.proven_run if self.proven else None,
            complete=self.proven is not None and self.missing == 0 and not self.partial,
            quarantined=self.quarantined,
            refusal=self.refusal,
            vanished=self.vanished,
            partial=self.partial,
            proven=self.proven,
            flags_seen=self.flags_seen,
            flags_modseq=self.flags_modseq,
        )


async def ensure(session: Session, mailbox_id: int, listed: Sequence[ServerFolder]) -> None:
    """Create missing folders of the mailbox, with the UIDVALIDITY reported by STATUS (0: not reported)."""
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
    """Return the ids of folders for distributed mail, by (mailbox id, path); creates missing folders."""
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
    """Return the archive's state of each folder; `quarantined` counts messages not tried since `since`."""
    return [row.state() for row in await session.rows(_Row, _SQL["of_mailbox"], mailbox_id, since)]


async def new_numbering(session: Session) -> int:
    """Return a new, unique UIDVALIDITY that no server can have (negative)."""
    numbering: int = await session.value(_SQL["new_numbering"])
    return numbering


async def renumber(session: Session, lease: Lease, folder_id: int, uidvalidity: int) -> None:
    """Set a new UIDVALIDITY and reset the cursor to 0; archived messages are kept. LeaseLost if the lease is lost."""
    _own(await session.value(_SQL["renumber"], lease.job_id, lease.fence, folder_id, uidvalidity))


async def park(session: Session, folder_ids: Sequence[int]) -> None:
    """Move entries from the server's UIDVALIDITYs to unique ones of our own; requires a transaction.

    A server that was restored from a backup may reuse an old UIDVALIDITY, and a different server may use the same one,
    for other messages.
    """
    await session.execute(_SQL["park_entries"], list(folder_ids))
    await session.execute(_SQL["park_quarantine"], list(folder_ids))


async def held(session: Session, numberings: Sequence[tuple[int, int]], since: datetime) -> list[Held]:
    """Return the UIDs that the archive holds for each (folder id, UIDVALIDITY).

    Quarantined messages are included only if they were tried since `since`.
    """
    ids, uidvalidities = [id_ for id_, _ in numberings], [uidvalidity for _, uidvalidity in numberings]
    return await session.rows(Held, _SQL["held"], ids, uidvalidities, since)


async def prove(session: Session, lease: Lease, proofs: Sequence[Proof]) -> None:
    """Store completeness proofs for the lease's run; the transaction must check the lease."""
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
        [proof.accepted for proof in proofs],
        [proof.partial for proof in proofs],
        [proof.flags_seen for proof in proofs],
        [proof.flags_modseq for proof in proofs],
    )


async def set_gone(session: Session, folder_id: int, uidvalidity: int, uids: Sequence[int]) -> None:
    """Mark messages as gone from their folder on the server; the transaction must check the lease."""
    await session.execute(_SQL["set_gone"], folder_id, uidvalidity, list(uids))


async def set_back(session: Session, folder_id: int, uidvalidity: int, uids: Sequence[int]) -> None:
    """Mark messages as present in their folder again; the transaction must check the lease."""
    await session.execute(_SQL["set_back"], folder_id, uidvalidity, list(uids))


async def vanish(session: Session, lease: Lease, folder_ids: Sequence[int]) -> None:
    """Mark folders that the server no longer lists; does nothing if the lease is lost."""
    await session.execute(_SQL["vanish"], lease.job_id, lease.fence, list(folder_ids))


async def leave_all(session: Session, folder_id: int) -> None:
    """Mark all messages of a folder as gone; those that are recognised by content are marked as present again."""
    await session.execute(_SQL["leave_all"], folder_id)


async def refuse(session: Session, lease: Lease, folder_id: int, reason: str) -> None:
    """Record that the server refuses to open the folder; LeaseLost if the lease is lost."""
    _own(await session.value(_SQL["refuse"], lease.job_id, lease.fence, folder_id, reason.replace("\0", "")))


async def adopt_source(session: Session, lease: Lease, mailbox_id: int, source: str) -> bool:
    """Record which server and account the mailbox's UIDs belong to; requires a transaction.

    If the source has changed, reset the UIDVALIDITY of every folder and return True.
    """
    if not await session.value(_SQL["adopt_source"], lease.job_id, lease.fence, mailbox_id, source):
        return False
    await park(session, await session.values(_SQL["numbered_folders"], mailbox_id))
    await session.execute(_SQL["forget_numbering"], mailbox_id)
    return True


async def ids_after(session: Session, last: int, limit: int) -> list[int]:
    """Return up to `limit` folder ids above `last`, of all mailboxes."""
    return await session.values(_SQL["ids_after"], last, limit)


async def of_user(session: Session, user_id: int) -> list[ArchiveFolder]:
    """Return the folders of a user's archive, sorted."""
    return await session.rows(ArchiveFolder, _SQL["of_user"], user_id)


def _joined(path: tuple[str, ...]) -> str:
    """Join a path for string_to_array; PostgreSQL text cannot contain NUL or lone surrogates."""
    parts = (part.replace("\0", "\ufffd").replace(_SEPARATOR, "\ufffd") for part in path)
    return _SEPARATOR.join(parts).encode("utf-8", "replace").decode()


def _own(answer: int | None) -> None:
    if answer is None:
        raise LeaseLost
