"""Folders of a mailbox: as the server lists them and as the archive knows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from muniment.model.folder_scope import Namespace


@dataclass(frozen=True)
class FolderStatus:
    """STATUS of a folder (RFC 9051 §6.3.11, RFC 7162 §3.1.2.1); what did not come is None."""

    uidvalidity: int
    uidnext: int | None
    messages: int | None
    highestmodseq: int | None


@dataclass(frozen=True)
class ServerFolder:
    """A folder that can be selected, as LIST (and LIST-STATUS, RFC 5819) showed it.

    `wire_name` is the name exactly as the server sent it (mUTF-7 or UTF-8 bytes) and the
    only thing ever sent back; `path` is decoded and split at the server's delimiter. `namespace` and `root` (its prefix)
    are those of RFC 2342, where the server tells them.
    """

    wire_name: bytes
    path: tuple[str, ...]
    attributes: frozenset[str]
    status: FolderStatus | None  # None: the server has no LIST-STATUS, ask with STATUS or EXAMINE
    namespace: Namespace = Namespace.PERSONAL
    root: tuple[str, ...] = ()


def messages_in(folders: Sequence[ServerFolder]) -> int | None:
    """Return how many messages folders hold; None when the server does not tell that of each without opening it."""
    counts = [folder.status.messages for folder in folders if folder.status is not None]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(folders) else None


@dataclass(frozen=True)
class FolderState:
    """What the archive knows of a folder: identity, cursor and the last completeness proof.

    `proven_run` is the run of the last proof and `status` what the server said then, None before the
    first; `complete` tells whether nothing was missing then. A complete folder whose status did
    not move needs no EXAMINE. `renumbered`: it holds entries of an older UIDVALIDITY.
    `refusal`: why the server did not open it in this run, empty if it did. `vanished`: the server did not list it the
    last time.
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
