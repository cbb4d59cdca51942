"""Limits for reading attachments, and the budget that collects text within them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from muniment.errors import BudgetSpent

#: Increase this when readers extract more text: older results are then read again on reindexing.
READERS_VERSION = 3

#: Characters of text to keep per attachment.
TEXT_CHARACTERS = 1_000_000
#: Total bytes that the archives in an attachment may unpack to.
UNPACKED_BYTES = 64 * 1024 * 1024
#: Maximum number of archive members, and maximum nesting depth.
MEMBERS = 1000
DEPTH = 4
#: Seconds after which a reader stops and returns what it has; the process is killed slightly later.
READ_SECONDS = 15.0
KILL_AFTER_SECONDS = 5.0
#: Seconds that all attachments of a message may take before it is indexed without the rest, and then, when no other
#: mail waits, with it.
FIRST_SECONDS = 3.0
MESSAGE_SECONDS = 30.0
#: Maximum address space of the process (bytes).
MEMORY_BYTES = 1536 * 1024 * 1024

#: Reads an attachment within another one: its name, its MIME type and its bytes.
Within = Callable[[str, str, bytes], None]


@dataclass
class Budget:
    """Collects the text of one attachment, and the reasons if some of it is missing."""

    characters: int = TEXT_CHARACTERS
    unpacked: int = UNPACKED_BYTES
    members: int = MEMBERS
    seconds: float = READ_SECONDS
    until: float = field(default_factory=lambda: time.monotonic() + READ_SECONDS)
    late: bool = False
    texts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, seconds: float) -> Budget:
        """Return a budget that ends after this time."""
        return cls(seconds=seconds, until=time.monotonic() + seconds)

    def add(self, text: str) -> None:
        """Add a piece of text; raise BudgetSpent if no more fits."""
        if len(text) > self.characters:
            self.texts.append(text[: self.characters])
            self.characters = 0
            self.trouble(f"text beyond {TEXT_CHARACTERS:,} characters was omitted")
            raise BudgetSpent
        self.texts.append(text)
        self.characters -= len(text)
        self.check_time()

    def check_time(self) -> None:
        """Raise BudgetSpent if the time is over."""
        if time.monotonic() > self.until:
            self.late = True
            self.trouble(f"reading was stopped after {self.seconds:.0f} s")
            raise BudgetSpent

    def member(self) -> None:
        """Count a file in another one; raise BudgetSpent if there are too many."""
        self.members -= 1
        if self.members < 0:
            self.trouble("an archive has too many members")
            raise BudgetSpent

    def unpack(self, size: int) -> None:
        """Count `size` unpacked bytes; raise BudgetSpent if the total is too large."""
        self.unpacked -= size
        if self.unpacked < 0:
            self.trouble(f"it unpacks to more than {UNPACKED_BYTES >> 20} MiB")
            raise BudgetSpent

    def trouble(self, problem: str) -> None:
        """Record a reason for missing text."""
        if problem not in self.problems and len(self.problems) < 5:
            self.problems.append(problem)
