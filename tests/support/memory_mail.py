"""An installation with a mail server within the process, and the expected contents of its mailboxes."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from muniment.mailserver.memory import MemoryMailServer
from muniment.mailserver.memory_mailbox import Mailbox, MemoryFolder
from muniment.model.deletion import Deletion
from muniment.services.deleting.show_deletions import show_deletions
from muniment.services.resources import Resources
from muniment.services.runs.lifecycle import RunReport, start_run
from tests.support.harness import Contents, Harness
from tests.support.principal import ADMIN

ANNA, BEN = "anna@example.com", "ben@example.com"

#: The privileged user of every profile.
ARCHIVER = "archiver"


def message(name: str, body: bytes = b"as it was sent") -> bytes:
    """Return a unique message."""
    return (
        b"Message-ID: <%b@example.com>\r\nFrom: Sender <s@example.com>\r\nTo: anna@example.com\r\n"
        b"Subject: about %b\r\nDate: Wed, 17 Jul 2024 02:44:25 -0700\r\n\r\n%b\r\n"
    ) % (name.encode(), name.encode(), body)


def folder(name: str, count: int, *, uidvalidity: int = 1) -> MemoryFolder:
    """Return a folder of unique messages, with UIDs starting at 1."""
    return MemoryFolder((message(f"{name}-{number}") for number in range(1, count + 1)), uidvalidity=uidvalidity)


def mailbox(name: str, count: int = 6) -> Mailbox:
    """Return a mailbox with two folders."""
    return {
        "INBOX": folder(f"{name}-inbox", count, uidvalidity=7),
        "Work/2024": folder(f"{name}-work", count, uidvalidity=8),
    }


def contents(of: Mailbox, *, without: Collection[int] = ()) -> Contents:
    """Return the expected archive of a mailbox, `without` these UIDs of INBOX."""
    found: Contents = {}
    for name, held in of.items():
        kept = [mail for uid, mail in held.messages.items() if not (name == "INBOX" and uid in without)]
        if kept:
            found[tuple(name.split("/"))] = Counter(hashlib.sha256(mail.content).hexdigest() for mail in kept)
    return found


@dataclass
class MemoryWorld:
    """The archiving path on a real database, with a mail server within the process."""

    harness: Harness
    mail: MemoryMailServer
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def resources(self) -> Resources:
        """The resources that services use."""
        return self.harness.resources

    def with_resources(self, **changes: Any) -> MemoryWorld:
        """Return a copy of this world with other resources."""
        return replace(self, harness=Harness(replace(self.resources, **changes), self.harness.folder))

    def with_settings(self, **changes: Any) -> MemoryWorld:
        """Return a copy of this world with other settings."""
        return replace(self, harness=self.harness.with_settings(**changes))

    async def submit(self, **changes: Any) -> str:
        """Add a privileged profile for every mailbox except the privileged user's own, and return its name."""
        name = f"profile-{next(self._numbers)}"
        mailboxes = [address for address in self.mail.mailboxes if address != ARCHIVER]
        await self.harness.submit(name, "mail.example.com", 143, **{"mailboxes": mailboxes, **changes})
        return name

    async def archive(self, **changes: Any) -> RunReport:
        """Add a profile and run it until it ends."""
        return await self.harness.archive(await self.submit(**changes))

    async def start(self, **changes: Any) -> int:
        """Add a profile, start a run of it, and return the run's id."""
        return await start_run(ADMIN, self.resources, await self.submit(**changes))

    async def start_of(self, profile: str) -> int:
        """Start a run of a profile, and return the run's id."""
        return await start_run(ADMIN, self.resources, profile)

    async def exported(self, address: str = ANNA) -> Contents:
        """Return the archive of a mailbox as hashes of the exported files."""
        return await self.harness.exported(address, f"export-{next(self._numbers)}")

    async def value(self, query: str, *arguments: Any) -> Any:
        """Return one value from the database."""
        async with self.harness.database.session() as session:
            return await session.value(query, *arguments)

    async def is_proven(self, address: str = ANNA) -> bool:
        """Tell whether a mailbox counts as proven complete."""
        return bool(await self.value("SELECT proven IS NOT NULL FROM mailboxes WHERE address = $1", address))

    async def ledger(self) -> list[Deletion]:
        """Return all deletions."""
        return await show_deletions(ADMIN, self.harness.resources, run_id=None, address=None, limit=None)

    def once_before(self, uid: int, act: Callable[[], Awaitable[Any]], *, folder: str = "INBOX") -> None:
        """Make something happen once, just before a message is delivered."""

        async def hook(_: str, asked_folder: str, asked: int) -> None:
            if (asked_folder, asked) == (folder, uid):
                self.mail.before_fetch = None
                await act()

        self.mail.before_fetch = hook

    async def steal_leases(self) -> None:
        """Let another worker lease every running job."""
        await self.value("UPDATE jobs SET fence = fence + 1 WHERE state = 'running' RETURNING id")


def warnings(report: RunReport) -> str:
    """Return all warnings of a run's mailboxes, one per line."""
    return "\n".join(text for notice in report.notices for text in notice.warnings)
