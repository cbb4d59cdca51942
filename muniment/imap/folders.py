"""Lists folders with LIST, STATUS or LIST-STATUS (RFC 3501 §6.3.8, §6.3.10, RFC 5819).

Includes each folder's special use (RFC 6154) and namespace (RFC 2342).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from muniment.errors import ProtocolViolation
from muniment.imap import tokens, wire
from muniment.imap.mutf7 import split_path
from muniment.imap.namespaces import Prefix, parse_namespaces, prefix_of
from muniment.imap.protocol import ImapProtocol
from muniment.imap.refusal import Status, command_error, is_misunderstood, is_throttle
from muniment.imap.tokens import Part, Value, number
from muniment.mailserver.server_text import shown
from muniment.model.folder import FolderStatus, ServerFolder

_UNSELECTABLE = {"\\noselect", "\\nonexistent"}
_STATUS_WINDOW = 16  # STATUS commands in flight: hides the round trip without filling the server's buffers
_MAX_FOLDERS = 500_000
_MAX_NAME_BYTES = 64 * 1024 * 1024  # all folder names and attributes of a mailbox


async def list_folders(protocol: ImapProtocol) -> list[ServerFolder]:
    """Return every selectable folder, with its STATUS if the server provides one."""
    prefixes: list[Prefix] = []
    if "NAMESPACE" not in protocol.capabilities:
        return (await _list(protocol, prefixes)).folders()
    # Pipelined to save a round trip. If NAMESPACE is refused, all folders count as personal.
    listing, _ = await asyncio.gather(
        _list(protocol, prefixes),
        protocol.run("NAMESPACE", on_data=FolderListing(prefixes).take, pipelined=True),
    )
    return listing.folders()


async def _list(protocol: ImapProtocol, prefixes: list[Prefix]) -> FolderListing:
    for options, items in _forms_of_list(protocol.capabilities):
        listing = FolderListing(prefixes)
        status = await _send_list(protocol, listing, b"RETURN (%b)" % options)
        if status.ok and items:
            _remember(protocol, items)
            return listing
        if status.ok:
            await _ask_status(protocol, listing)
            return listing
        if is_throttle(status):
            raise command_error(status, "LIST", protocol.peer)
        if not is_misunderstood(status):
            break
    listing = FolderListing(prefixes)
    status = await _send_list(protocol, listing)
    if not status.ok:
        raise command_error(status, "LIST", protocol.peer)
    await _ask_status(protocol, listing)
    return listing


async def _send_list(protocol: ImapProtocol, listing: FolderListing, *options: bytes) -> Status:
    return await protocol.run("LIST", [b'""', b'"*"', *options], on_data=listing.take, pipelined=True)


def _forms_of_list(capabilities: frozenset[str]) -> list[tuple[bytes, bytes]]:
    """Return the LIST return options to try, each with its STATUS items, from most to least.

    Some servers advertise options that they do not understand.
    """
    special_use = b"SPECIAL-USE" if "SPECIAL-USE" in capabilities else b""
    forms: list[tuple[bytes, bytes]] = []
    if "LIST-STATUS" in capabilities:
        for items in _forms_of_items(capabilities):
            status = b"STATUS %b" % items
            forms += [(b" ".join(filter(None, (special_use, status))), items), (status, items)]
    if special_use and "LIST-EXTENDED" in capabilities:
        forms.append((special_use, b""))
    return list(dict.fromkeys(forms))


def _forms_of_items(capabilities: frozenset[str]) -> list[bytes]:
    """Return the STATUS items to request, then the fallback if the server does not understand them."""
    return list(dict.fromkeys((status_items(capabilities), status_items(frozenset()))))


def _remember(protocol: ImapProtocol, understood: bytes) -> None:
    """Drop CONDSTORE on this connection if the server understood only the STATUS items without it."""
    if understood == status_items(frozenset()):
        protocol.capabilities -= {"CONDSTORE"}


def status_items(capabilities: frozenset[str]) -> bytes:
    """Return the STATUS items that the server supports."""
    return b"(UIDVALIDITY UIDNEXT MESSAGES%b)" % (b" HIGHESTMODSEQ" if "CONDSTORE" in capabilities else b"")


async def _ask_status(protocol: ImapProtocol, listing: FolderListing) -> None:
    """Send STATUS for each folder; a refused one leaves the folder without status."""
    window: list[bytes] = []
    # The first goes alone until we know which items the server supports: some disconnect after several BADs.
    room = 1 if len(_forms_of_items(protocol.capabilities)) > 1 else _STATUS_WINDOW
    for folder in listing.folders():
        if not wire.can_name(folder.wire_name):
            continue  # opening it says why it cannot be read
        name = wire.astring(folder.wire_name)
        if len(wire.pieces([name], protocol.capabilities)) > 1:
            await _status_window(protocol, listing, [name])  # a synchronizing literal cannot be pipelined
            continue
        window.append(name)
        if len(window) == room:
            await _status_window(protocol, listing, window)
            window, room = [], _STATUS_WINDOW
    await _status_window(protocol, listing, window)


async def _status_window(protocol: ImapProtocol, listing: FolderListing, names: Sequence[bytes]) -> None:
    for items in _forms_of_items(protocol.capabilities):
        commands = [protocol.run("STATUS", [name, items], on_data=listing.take, pipelined=True) for name in names]
        statuses = []
        for answer in await asyncio.gather(*commands, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer
            if is_throttle(answer):
                raise command_error(answer, "STATUS", protocol.peer)
            statuses.append(answer)
        if any(status.ok for status in statuses):
            _remember(protocol, items)
            return
        names = [name for name, status in zip(names, statuses, strict=True) if is_misunderstood(status)]


class FolderListing:
    """Collects LIST, STATUS and NAMESPACE responses in any order; appends namespace prefixes to the given list."""

    def __init__(self, prefixes: list[Prefix]) -> None:
        self._prefixes = prefixes
        self._folders: dict[bytes, ServerFolder] = {}
        self._status: dict[bytes, FolderStatus] = {}
        self._name_bytes = 0

    def take(self, keyword: bytes, parts: list[Part]) -> bool:
        """Process one untagged response; return whether it contained anything new."""
        before = len(self._folders) + len(self._status)
        if keyword == b"NAMESPACE" and not self._prefixes:
            self._prefixes += parse_namespaces(tokens.parse(parts))
            return bool(self._prefixes)
        if keyword == b"LIST":
            folder = parse_list(tokens.parse(parts))
            if _key(folder.wire_name) not in self._folders:
                self._count(folder.wire_name, *folder.attributes)
                self._folders[_key(folder.wire_name)] = folder
            if len(self._folders) > _MAX_FOLDERS:
                raise ProtocolViolation(f"the server lists more than {_MAX_FOLDERS} folders")
        elif keyword == b"STATUS":
            self._take_status(parts)
        return len(self._folders) + len(self._status) > before

    def _take_status(self, parts: list[Part]) -> None:
        try:
            name, status = parse_status(tokens.parse(parts))
        except ProtocolViolation:
            return  # ignore it: EXAMINE returns the same values later
        key = _key(name)
        if key not in self._folders and key not in self._status:
            self._count(name)
        if len(self._status) < _MAX_FOLDERS:
            self._status[key] = status

    def _count(self, *words: bytes | str) -> None:
        self._name_bytes += sum(map(len, words))
        if self._name_bytes > _MAX_NAME_BYTES:
            raise ProtocolViolation(f"the folder names exceed {_MAX_NAME_BYTES} bytes")

    def _placed(self, folder: ServerFolder) -> ServerFolder:
        prefix = prefix_of(folder.wire_name, self._prefixes)
        if prefix is None or folder.path == ("INBOX",):
            return folder
        return replace(folder, namespace=prefix.namespace, root=prefix.path)

    def folders(self) -> list[ServerFolder]:
        """Return the selectable folders in the server's order."""
        return [
            self._placed(replace(folder, status=self._status.get(key)))
            for key, folder in self._folders.items()
            if not any(attribute.lower() in _UNSELECTABLE for attribute in folder.attributes)
        ]


def parse_list(values: Sequence[Value]) -> ServerFolder:
    """Parse `* LIST (attributes) delimiter name …`."""
    match values:
        case [_, _, list() as attributes, bytes() | None as delimiter, *rest]:
            wire_name, _ = _name_and_list(rest)
            if wire_name is not None:
                flags = frozenset(a.decode("utf-8", "replace") for a in attributes if isinstance(a, bytes))
                return ServerFolder(wire_name, split_path(wire_name, delimiter), flags, None)
    raise ProtocolViolation(f"the server sent a malformed LIST response: {shown(values)}")


def parse_status(values: Sequence[Value]) -> tuple[bytes, FolderStatus]:
    """Parse `* STATUS name (item value …)`; a missing item is None, a missing UIDVALIDITY 0."""
    name, items = _name_and_list(values[2:])
    if name is None or items is None:
        raise ProtocolViolation(f"the server sent a malformed STATUS response: {shown(values)}")
    status = {
        key.upper(): number(value)
        for key, value in zip(items[::2], items[1::2], strict=False)
        if isinstance(key, bytes) and value is not None
    }
    return name, FolderStatus(
        uidvalidity=status.get(b"UIDVALIDITY", 0),
        uidnext=status.get(b"UIDNEXT") or None,
        messages=status.get(b"MESSAGES"),
        highestmodseq=status.get(b"HIGHESTMODSEQ") or None,
    )


def _name_and_list(values: Sequence[Value]) -> tuple[bytes | None, list[Value] | None]:
    """Return a folder's name and the list that follows it; None for a missing one.

    Some servers do not quote names with spaces, so a name may arrive as several atoms. NIL is
    taken as the name "NIL", because every folder has a name.
    """
    words: list[bytes] = []
    for value in values:
        if isinstance(value, list):
            return (b" ".join(words) if words else None), value
        if value is not None and not isinstance(value, bytes):
            return None, None  # a message body
        words.append(b"NIL" if value is None else value)
    return (b" ".join(words) if words else None), None


def _key(name: bytes) -> bytes:
    return b"INBOX" if name.upper() == b"INBOX" else name
