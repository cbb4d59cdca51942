"""Deletes messages of a POP3 mailbox (RFC 1939 §5, DELE and QUIT)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from muniment.errors import CommandRefused
from muniment.model.folder import FolderStatus, ServerFolder

if TYPE_CHECKING:
    from muniment.pop3.session import Pop3Session


class Pop3Eraser:
    """Deletes messages: marks them one by one, sends QUIT, and reopens the mailbox so that callers can verify it."""

    is_exact = True

    def __init__(self, session: Pop3Session) -> None:
        self._session = session

    async def open(self, folder: ServerFolder) -> FolderStatus:
        """Return the folder's status."""
        return await self._session.examine(folder)

    async def marked(self) -> set[int]:
        """Return an empty set: other POP3 clients cannot leave marked messages behind."""
        return set()

    async def erase(self, uids: Sequence[int]) -> None:
        """Delete these messages; raise CommandRefused if the server refuses, in which case some may be gone.

        A message that is not listed afterwards is deleted only if the server accepted DELE for it and QUIT.
        """
        refusal: CommandRefused | None = None
        marked: list[int] = []
        for uid in uids:
            try:
                await self._session.mark(uid)
                marked.append(uid)
            except CommandRefused as error:
                refusal = error
        try:
            await self._session.quit()
            self._session.deleted(marked)
        except CommandRefused as error:
            refusal = error
        await self._session.connect()
        if refusal is not None:
            raise refusal
