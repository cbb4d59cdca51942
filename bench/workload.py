"""The workloads: mailboxes of a certain kind of mail, with the same bytes for every peer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from muniment.demo.dovecot import Dovecot
from muniment.demo.mail import GeneratedMessage, generate_addresses, generate_mailbox
from muniment.demo.maildir import served_bytes
from tests.support.corpus import corpus_archive, corpus_mailboxes

_Mailbox = Mapping[tuple[str, ...], Sequence[GeneratedMessage]]


class Workload(StrEnum):
    """A kind of mail.

    duplicates: the same newsletters in every mailbox. distinct: newsletters of the same number and size, all different.
    unchanged: measured by its second run.
    """

    SMALL = "small"
    MIXED = "mixed"
    REAL = "real"
    DUPLICATES = "duplicates"
    DISTINCT = "distinct"
    UNCHANGED = "unchanged"

    @property
    def mailboxes(self) -> int:
        """The default number of mailboxes."""
        return {Workload.DUPLICATES: 500, Workload.DISTINCT: 500, Workload.UNCHANGED: 1000}.get(self, 20)


@dataclass(frozen=True)
class _Recipe:
    messages: int  # default number in each mailbox
    attachments: float  # share of messages with an attachment
    attachment_bytes: int  # mean size of an attachment


_RECIPES = {
    Workload.SMALL: _Recipe(messages=1000, attachments=0.10, attachment_bytes=7_000),  # 2.5 KB on average
    Workload.MIXED: _Recipe(messages=500, attachments=0.20, attachment_bytes=145_000),  # 50 KB on average
}


@dataclass(frozen=True)
class Source:
    """The contents of the server: number of messages by address; `bytes` as served, with CRLF."""

    messages_of: Mapping[str, int]
    folders: int
    bytes: int

    @property
    def addresses(self) -> list[str]:
        """The addresses of the mailboxes."""
        return list(self.messages_of)

    @property
    def messages(self) -> int:
        """The number of messages in all mailboxes."""
        return sum(self.messages_of.values())


def why_not(workload: Workload) -> str:
    """Return why this workload cannot run on this machine; empty if it can."""
    if workload is Workload.REAL and corpus_archive() is None:
        return "no mail corpus here; MAIL_CORPUS may name one"
    return ""


def load(server: Dovecot, workload: Workload, mailboxes: int, messages: int | None) -> Source:
    """Fill the server. `messages`: the number per mailbox (None: the workload's default, or the whole corpus)."""
    counts: dict[str, int] = {}
    folders = size = 0
    for address, mailbox in _mailboxes(workload, mailboxes, messages):
        plain = dict(zip(_plain_paths(), mailbox.values(), strict=False))
        server.add_user(address, "nobody uses it")
        server.load(address, plain)
        counts[address] = sum(len(found) for found in plain.values())
        folders += len(plain)
        size += sum(len(served_bytes(message.raw)) for found in plain.values() for message in found)
    return Source(counts, folders, size)


def _mailboxes(workload: Workload, count: int, messages: int | None) -> Iterator[tuple[str, _Mailbox]]:
    addresses = generate_addresses(count)
    if workload is Workload.REAL:
        yield from corpus_mailboxes(addresses, None if messages is None else messages * count).items()
        return
    if workload in {Workload.DUPLICATES, Workload.DISTINCT}:
        issues = _newsletters(0, messages or 20)
        for seed, address in enumerate(addresses, start=1):
            letters = issues if workload is Workload.DUPLICATES else _newsletters(seed, messages or 20)
            # One unique message each, or the mailboxes would look like the same one.
            own = next(found[0] for found in generate_mailbox(seed, 5, owner=address).values() if found)
            yield address, {("INBOX",): [own, *letters]}
        return
    if workload is Workload.UNCHANGED:
        for seed, address in enumerate(addresses):
            mailbox = generate_mailbox(seed, messages or 100, owner=address, attachments=0.0)
            letters = [letter for found in mailbox.values() for letter in found]
            yield address, {(str(number),): letters[number::10] for number in range(10)}
        return
    recipe = _RECIPES[workload]
    for seed, address in enumerate(addresses):
        yield (
            address,
            generate_mailbox(
                seed,
                messages or recipe.messages,
                owner=address,
                attachments=recipe.attachments,
                attachment_bytes=recipe.attachment_bytes,
            ),
        )


def _newsletters(seed: int, count: int) -> list[GeneratedMessage]:
    """Return messages with one attachment each, 70 KB on average."""
    issues = generate_mailbox(seed, count, attachments=1.0, attachment_bytes=60_000)
    return [letter for found in issues.values() for letter in found]


def _plain_paths() -> Iterator[tuple[str, ...]]:
    """Yield folder names that every peer can turn into directories; other tests cover awkward ones."""
    yield ("INBOX",)
    number = 1
    while True:
        yield (f"Folder {number:02}",)
        yield (f"Folder {number:02}", f"Inner {number:02}")
        number += 1
