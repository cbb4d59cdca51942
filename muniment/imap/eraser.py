"""Deletes messages: the only code in Muniment that changes an IMAP mailbox."""

from __future__ import annotations

from collections.abc import Sequence

from muniment.imap.batches import uid_sets
from muniment.imap.opening import open_folder
from muniment.imap.protocol import ImapProtocol
from muniment.imap.refusal import command_error
from muniment.imap.searching import UidSearch
from muniment.model.folder import FolderStatus, ServerFolder


class Eraser:
    """Deletes messages in the folder that `open` selects. The caller decides which messages may be deleted."""

    def __init__(self, protocol: ImapProtocol, search: UidSearch) -> None:
        self._protocol = protocol
        self._search = search

    @property
    def is_exact(self) -> bool:
        """Whether the server can expunge only the given UIDs (UIDPLUS, RFC 4315)."""
        return "UIDPLUS" in self._protocol.capabilities

    async def open(self, folder: ServerFolder) -> FolderStatus:
        """Open a folder read-write; raise CommandRefused if this login may only read."""
        return await open_folder(self._protocol, folder, to_delete=True)

    async def marked(self) -> set[int]:
        """Return the UIDs of messages that are already marked as deleted."""
        return set(await self._search.uids("DELETED"))

    async def erase(self, uids: Sequence[int]) -> None:
        """Mark these messages as deleted and expunge them. Without UIDPLUS, expunges every marked message.

        Raises CommandRefused if the server refuses; some messages may already be gone by then.
        """
        protocol = self._protocol
        sets = [uid_set.encode() for uid_set, _ in uid_sets(sorted(set(uids)))]
        for uid_set in sets:
            status = await protocol.run("STORE", [uid_set, b"+FLAGS.SILENT", b"(\\Deleted)"], uid=True)
            if not status.ok:
                raise command_error(status, "UID STORE of \\Deleted", protocol.peer)
        for words in [[uid_set] for uid_set in sets] if self.is_exact else [[]]:
            status = await protocol.run("EXPUNGE", words, uid=self.is_exact)
            if not status.ok:
                raise command_error(status, "EXPUNGE", protocol.peer)
