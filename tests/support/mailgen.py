"""Generated mailboxes, the hashes of their messages, and a loader for servers whose files tests cannot write."""

from __future__ import annotations

import base64
import hashlib
import imaplib
import itertools
import socket
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from muniment.demo.mail import GeneratedMessage, generate_addresses, generate_mailbox
from muniment.demo.maildir import Mail, served_bytes

Folders = Mapping[tuple[str, ...], Sequence[Mail]]


def generate_mailboxes(count: int, messages: int) -> dict[str, dict[tuple[str, ...], list[GeneratedMessage]]]:
    """Return `count` generated mailboxes of `messages` messages, by address."""
    addresses = generate_addresses(count)
    return {address: generate_mailbox(seed, messages, owner=address) for seed, address in enumerate(addresses)}


def digests(folders: Folders) -> dict[tuple[str, ...], Counter[str]]:
    """Return the SHA-256 (hex) of every message as served, by folder path, empty folders included."""
    return {
        path: Counter(hashlib.sha256(served_bytes(message.raw)).hexdigest() for message in messages)
        for path, messages in folders.items()
    }


def append(connection: imaplib.IMAP4, folders: Folders, delimiter: str = "/") -> dict[tuple[str, ...], list[Mail]]:
    """Create folders and APPEND messages to them over IMAP; return the refused messages by folder.

    Messages are sent as `served_bytes`: IMAP literals contain CRLF and no NUL.
    """
    # imaplib writes a literal in small pieces; waiting for the ACK of each costs 40 ms per message.
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    refused: dict[tuple[str, ...], list[Mail]] = {}
    for path, messages in folders.items():
        name = quoted(path, delimiter)
        if path != ("INBOX",):
            connection.create(name)  # NO if it exists; any other problem makes APPEND fail
        for message in messages:
            if not _append_one(connection, name, message):
                refused.setdefault(path, []).append(message)
    return refused


def _append_one(connection: imaplib.IMAP4, name: str, message: Mail) -> bool:
    # Not `connection.append`: it changes a lone CR, which a message may contain, to CRLF.
    inner: Any = connection
    inner.literal = served_bytes(message.raw)
    flags = " ".join(message.flags)
    answer, _ = inner._simple_command("APPEND", name, f"({flags})", imaplib.Time2Internaldate(message.date))
    return bool(answer == "OK")


def quoted(path: Iterable[str], delimiter: str = "/") -> str:
    """Return a folder path as an IMAP quoted string in modified UTF-7 (RFC 3501 §5.1.3).

    Implemented independently of Muniment's codec, so that tests do not check the codec against itself.
    """
    name = "".join(
        "".join(run).replace("&", "&-") if is_plain else _shifted("".join(run))
        for is_plain, run in itertools.groupby(delimiter.join(path), key=lambda c: " " <= c <= "~")
    )
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _shifted(text: str) -> str:
    return "&" + base64.b64encode(text.encode("utf-16-be")).decode().rstrip("=").replace("/", ",") + "-"
