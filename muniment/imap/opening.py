"""Opens a folder with EXAMINE, or with SELECT to delete messages (RFC 3501 §6.3.1, §6.3.2)."""

from __future__ import annotations

import re

from aioimaplib.aioimaplib import AUTH, SELECTED

from muniment.errors import CommandRefused
from muniment.imap import tokens, wire
from muniment.imap.command import OnData
from muniment.imap.protocol import ImapProtocol
from muniment.imap.refusal import Status, command_error, is_misunderstood
from muniment.imap.tokens import Part
from muniment.model.folder import FolderStatus, ServerFolder

_CODE = re.compile(rb"\* OK \[(UIDVALIDITY|UIDNEXT|HIGHESTMODSEQ) (\d{1,20})\]", re.IGNORECASE)
_EXAMINE, _SELECT = "EXAMINE", "SELECT"


async def open_folder(protocol: ImapProtocol, folder: ServerFolder, *, to_delete: bool = False) -> FolderStatus:
    """Open a folder read-only, or read-write if `to_delete`; a missing UIDVALIDITY is returned as 0.

    Raises CommandRefused if the server refuses, or opens the folder read-only although `to_delete` is set.
    """
    codes: dict[bytes, int] = {}
    command = _SELECT if to_delete else _EXAMINE

    def take(_: bytes, parts: list[Part]) -> bool:
        match = _CODE.match(parts[0]) if isinstance(parts[0], bytes) else None
        if match is None or match[1].upper() in codes or int(match[2]) > tokens.MAX_NUMBER:
            return False
        codes[match[1].upper()] = int(match[2])
        return True

    status = await _open(protocol, command, folder, take)
    if not status.ok:
        raise command_error(status, f"{command} of {'/'.join(folder.path)!r}", protocol.peer)
    if to_delete and status.code == "READ-ONLY":
        raise CommandRefused(f"{protocol.peer} allows this login only to read {'/'.join(folder.path)!r}")
    return FolderStatus(
        uidvalidity=codes.get(b"UIDVALIDITY", 0),
        uidnext=codes.get(b"UIDNEXT") or None,
        messages=protocol.exists,
        highestmodseq=codes.get(b"HIGHESTMODSEQ") or None,
    )


async def _open(protocol: ImapProtocol, command: str, folder: ServerFolder, take: OnData) -> Status:
    """Send the command with CONDSTORE (RFC 7162 §3.1.8); retry without it if the server does not understand it."""
    name = wire.astring(folder.wire_name)

    async def send(*words: bytes) -> Status:
        protocol.exists = 0
        status = await protocol.run(command, [name, *words], on_data=take)
        # RFC 3501 §6.3.1: after a failed command no folder is open. The library has no state for EXAMINE.
        protocol.state = SELECTED if status.ok else AUTH
        return status

    if "CONDSTORE" not in protocol.capabilities:
        return await send()
    status = await send(b"(CONDSTORE)")
    if not is_misunderstood(status):
        return status
    status = await send()
    if not is_misunderstood(status):
        protocol.capabilities -= {"CONDSTORE"}  # not tried again on this connection
    return status
