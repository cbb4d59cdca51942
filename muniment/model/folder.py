"""Folders of a mailbox: as the server lists them and as the archive knows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from muniment.model.folder_scope import Namespace


@dataclass(frozen=True)
class FolderStatus:
    """STATUS of a folder (RFC 9051 §6.3.11, RFC 7162 §3.1.2.1); values that the server did not report are None."""

    uidvalidity: int
    uidnext: int | None
    messages: int | None
    highestmodseq: int | None


@dataclass(frozen=True)
class ServerFolder:
    """A selectable folder as reported by LIST (and LIST-STATUS, RFC 5819).

    `wire_name` is the name exactly as the server sent it (mUTF-7 or UTF-8 bytes); commands always use this form.
    `path` is decoded and split at the server's delimiter. `namespace` and `root` (the namespace's prefix) follow
    RFC 2342 if the server reports them.
    """

    wire_name: bytes
    path: tuple[str, ...]
    attributes: frozenset[str]
    status: FolderStatus | None  # None: the server has no LIST-STATUS; use STATUS or EXAMINE
    namespace: Namespace = Namespace.PERSONAL
    root: tuple[str, ...] = ()


def messages_in(folders: Sequence[ServerFolder]) -> int | None:
    """Return the total number of messages; None if a folder's count is unknown without opening it."""
    counts = [folder.status.messages for folder in folders if folder.status is not None]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(folders) else None


@dataclass(frozen=True)
class FolderState:
    """The archive's state of a folder: identity, cursor and the last completeness proof.

    `proven_run` is the run of the last proof, and `status` the server's status at that time; both are None before the
    first proof. `complete`: nothing was missing at that time. A complete folder with an unchanged status needs no
    EXAMINE until it is due (`ComparisonInterval`). `renumbered`: the folder contains entries with an older UIDVALIDITY.
    `refusal`: why the server did not open the folder in this run; empty if it did. `vanished`: the server's last LIST
    did not contain the folder. `partial`: why the list behind the last proof may be a part of the folder (POP3), so
    that it is not `complete`; or empty. `proven`: when its UIDs were last compared; `flags_seen`: its flags, which are
    known up to `flags_modseq` (RFC 7162; None: unknown).
    """

    id: int
    wire_name: bytes
    path: tuple[str, ...]
    uidvalidity: int
    last_uid: int
    status: FolderStatus | None
    renumbered: bool
    proven_run: int | None
    complete: bool
    quarantined: int
    refusal: str
    vanished: bool = False
    partial: str = ""
    proven: datetime | None = None
    flags_seen: datetime | None = None
    flags_modseq: int | None = None
