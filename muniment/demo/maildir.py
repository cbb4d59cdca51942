"""Writes mail directly into Maildir files: thousands of messages per second, without a server.

The layout is Dovecot's `maildir:…:LAYOUT=fs:UTF-8`: a folder is a directory with `cur`, `new` and `tmp`, with its UTF-8
name below its parent; INBOX is the root. A folder name can therefore contain everything that a file name can (dots,
quotes, `&`, `%`, any script), but the names `cur`, `new` and `tmp` are reserved.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from muniment.demo.account import Account

# The letters of Maildir's info field, in the order required by the specification.
_FLAG_LETTERS = {"\\Draft": "D", "\\Flagged": "F", "\\Answered": "R", "\\Seen": "S", "\\Deleted": "T"}
_KEYWORD_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LONE_LF = re.compile(rb"(?<!\r)\n")


class Mail(Protocol):
    """A message to store in a folder."""

    @property
    def raw(self) -> bytes:
        """The message's bytes, as stored in a file."""
        ...

    @property
    def flags(self) -> tuple[str, ...]:
        """IMAP flags and keywords."""
        ...

    @property
    def date(self) -> datetime:
        """INTERNALDATE, in whole seconds."""
        ...


def served_bytes(raw: bytes) -> bytes:
    """Return what Dovecot sends for a message whose file contains `raw`.

    IMAP allows only CRLF and no NUL (RFC 9051 §4.3.1): Dovecot sends a lone LF as CRLF, and NUL as 0x80.
    """
    return _LONE_LF.sub(b"\r\n", raw).replace(b"\0", b"\x80")


class Maildir:
    """The mail of one mailbox on disk."""

    _numbers = itertools.count()

    def __init__(self, root: Path, account: Account) -> None:
        self._root = root
        self._account = account

    def folder(self, path: tuple[str, ...]) -> Path:
        """Return the directory of the folder `path`, e.g. `("INBOX",)` or `("Clients", "Müller & Co")`."""
        return self._root if path == ("INBOX",) else self._root.joinpath(*path)

    def create(self, path: tuple[str, ...]) -> Path:
        """Create the folder if necessary, and return its directory."""
        directory = self.folder(path)
        for inner in ("tmp", "new", "cur"):
            self._make(directory / inner)
        return directory

    def add(self, path: tuple[str, ...], messages: Iterable[Mail]) -> None:
        """Add messages to a folder, in this order; safe while a server reads the folder.

        Each message is written to `tmp` and then moved to `cur`, so it appears complete or not at all.
        """
        directory = self.create(path)
        keywords = _Keywords(directory / "dovecot-keywords", self._account)
        for message in messages:
            info = self._info(message.flags, keywords)
            name = self._unique_name(message.raw)
            draft = directory / "tmp" / name
            self._write(draft, message)
            draft.rename(directory / "cur" / f"{name}:2,{info}")
        keywords.save()

    def _info(self, flags: tuple[str, ...], keywords: _Keywords) -> str:
        letters = [_FLAG_LETTERS.get(flag) or keywords.letter(flag) for flag in flags]
        return "".join(sorted(set(letters)))

    def _unique_name(self, raw: bytes) -> str:
        # Dovecot orders messages by the leading number, which must increase: time plus a counter.
        # S and W (RFC822.SIZE) tell it the sizes on disk and on the wire, so it need not read every file.
        count = next(self._numbers)
        number = time.time_ns() // 1000 + count
        return f"{number}.P{os.getpid()}Q{count}.muniment,S={len(raw)},W={len(served_bytes(raw))}"

    def _write(self, file: Path, message: Mail) -> None:
        seconds = message.date.timestamp()
        with file.open("wb") as out:
            out.write(message.raw)
        self._account.own(file)
        os.utime(file, (seconds, seconds))

    def _make(self, directory: Path) -> None:
        if not directory.exists():
            self._make(directory.parent)
            directory.mkdir()
            self._account.own(directory)


class _Keywords:
    """The letters that a folder's file names use for IMAP keywords (Dovecot's `dovecot-keywords`)."""

    def __init__(self, file: Path, account: Account) -> None:
        self._file = file
        self._account = account
        lines = file.read_text().splitlines() if file.exists() else []
        self._names = [line.split(" ", 1)[1] for line in lines]

    def letter(self, keyword: str) -> str:
        if keyword not in self._names:
            self._names.append(keyword)
        return _KEYWORD_LETTERS[self._names.index(keyword)]

    def save(self) -> None:
        if self._names:
            self._file.write_text("".join(f"{number} {name}\n" for number, name in enumerate(self._names)))
            self._account.own(self._file)
