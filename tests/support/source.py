"""A mail system that grows and changes while it is archived, and its expected archive."""

from __future__ import annotations

import hashlib
import imaplib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from muniment.demo.dovecot import Dovecot
from muniment.demo.mail import generate_mailbox
from muniment.demo.maildir import served_bytes
from muniment.model.folder_scope import EVERYTHING
from muniment.model.profile import Access, ProfileKind, Server
from muniment.secrecy import Secret
from muniment.services.profiles.submit_profile import ProfileRequest
from tests.support.dovecot import MASTER, MASTER_PASSWORD
from tests.support.harness import Contents
from tests.support.profiles import profile_request

_INBOX = ("INBOX",)
_ATTIC = "Attic"
_PASSWORD = "only its user knows"


@dataclass(frozen=True)
class _Letter:
    """A message with a unique word."""

    raw: bytes
    date: datetime
    flags: tuple[str, ...] = ("\\Seen",)


class Source:
    """Mailboxes of a real Dovecot; `contents` is their exact archive, by address.

    All random choices derive from `seed`. `changes_numbers`: UIDVALIDITY may change, too.
    """

    def __init__(self, dovecot: Dovecot, addresses: Sequence[str], seed: int, *, changes_numbers: bool = False) -> None:
        self.changes_numbers = changes_numbers
        self.dovecot = dovecot
        self.addresses = list(addresses)
        self.contents: dict[str, Contents] = {address: {} for address in addresses}
        self.needles: list[str] = []
        self._seed = seed
        self._rng = Random(f"source {seed}")
        self._rounds = 0
        for address in addresses:
            dovecot.add_user(address, _PASSWORD)

    @property
    def messages(self) -> int:
        """The number of messages."""
        return sum(folder.total() for contents in self.contents.values() for folder in contents.values())

    def profile(self, name: str, *, max_jobs: int = 8) -> ProfileRequest:
        """Return a master profile for all mailboxes."""
        return profile_request(
            name=name,
            kind=ProfileKind.MASTER,
            server=Server("127.0.0.1", self.dovecot.port, Access.IMAP, timeout_seconds=20.0),
            user=MASTER,
            password=Secret(MASTER_PASSWORD),
            mailboxes=self.addresses,
            max_jobs=max_jobs,
            folders=EVERYTHING,
        )

    def grow(self, messages: int) -> None:
        """Add so many messages to each mailbox, in existing and new folders, and one with a unique word."""
        self._rounds += 1
        for number, address in enumerate(self.addresses):
            # Half of the mail has attachments, so that transactions take noticeable time.
            seed = hash((self._seed, self._rounds, number))
            box = generate_mailbox(seed, messages, attachments=0.5, attachment_bytes=20_000)
            self.dovecot.load(address, box)
            for path, letters in box.items():
                self._expect(address, path, [letter.raw for letter in letters])
            self._plant(address, f"needle{self._rounds}x{number}")

    def renumber(self) -> None:
        """Give one folder of one mailbox new UIDs; nothing may read it meanwhile."""
        address = self._rng.choice(self.addresses)
        path = self._rng.choice(sorted(path for path, folder in self.contents[address].items() if folder))
        self.dovecot.renumber(address, path)

    def stir(self, moves: int, deletions: int) -> None:
        """Move and delete messages of each mailbox over IMAP, as its user would.

        Archived messages stay: a moved message is found in its new folder, a deleted one in its last.
        """
        for address in self.addresses:
            with imaplib.IMAP4("127.0.0.1", self.dovecot.port) as user:
                user.login(address, _PASSWORD)
                for uid in self._some(user, moves):
                    raw = _body(user, uid)
                    _ok(user.uid("MOVE", uid, _ATTIC))
                    self._expect(address, (_ATTIC,), [raw])
                    self._forget(address, _INBOX, raw)
                for uid in self._some(user, deletions):
                    _ok(user.uid("STORE", uid, "+FLAGS.SILENT", "(\\Deleted)"))
                _ok(user.expunge())

    def _some(self, user: imaplib.IMAP4, count: int) -> list[str]:
        """Return UIDs of INBOX after opening it; also make sure that the target folder of moves exists."""
        user.create(_ATTIC)  # it may exist
        _ok(user.select("INBOX"))
        uids = _ok(user.uid("SEARCH", "ALL"))[0].decode().split()
        return self._rng.sample(uids, min(count, len(uids)))

    def files(self) -> dict[str, str]:
        """Return every message file, whose name contains its flags, with its hash: neither may change."""
        found = {}
        for address in self.addresses:
            root = self.dovecot.maildir(address).folder(_INBOX)
            for file in sorted(root.rglob("*")):
                if file.parent.name in {"cur", "new"} and file.is_file():
                    found[str(file.relative_to(root.parent))] = hashlib.sha256(file.read_bytes()).hexdigest()
        return found

    def _plant(self, address: str, word: str) -> None:
        raw = f"From: a@example.com\r\nTo: {address}\r\nSubject: found\r\n\r\nThe word is {word}.\r\n".encode()
        self.dovecot.load(address, {_INBOX: [_Letter(raw, datetime(2024, 1, 1, tzinfo=UTC))]})
        self._expect(address, _INBOX, [raw])
        self.needles.append(word)

    def _expect(self, address: str, path: tuple[str, ...], messages: Sequence[bytes]) -> None:
        if messages:
            hashes = Counter(hashlib.sha256(served_bytes(raw)).hexdigest() for raw in messages)
            self.contents[address].setdefault(path, Counter()).update(hashes)

    def _forget(self, address: str, path: tuple[str, ...], raw: bytes) -> None:
        folder = self.contents[address][path]
        folder[hashlib.sha256(served_bytes(raw)).hexdigest()] -= 1
        self.contents[address][path] = +folder


def _ok(answer: tuple[str, list[Any]]) -> list[Any]:
    status, data = answer
    assert status == "OK", answer
    return data


def _body(user: imaplib.IMAP4, uid: str) -> bytes:
    """Return a message as served."""
    data = _ok(user.uid("FETCH", uid, "(BODY.PEEK[])"))
    return next(bytes(part[1]) for part in data if isinstance(part, tuple))
