"""How much of attachments is read, and the texts that readers gather within that."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from muniment.errors import BudgetSpent

#: Grows when a reader learns to read more: what was read before is read again when it is indexed anew.
READERS_VERSION = 1

#: Characters of text that are kept of one attachment.
TEXT_CHARACTERS = 1_000_000
#: Bytes that archives within an attachment may unpack to, all together.
UNPACKED_BYTES = 64 * 1024 * 1024
#: Members of archives that are looked at, and how deep they may be nested.
MEMBERS = 1000
DEPTH = 4
#: Seconds after which a reader stops and gives what it has; the process is killed somewhat later.
READ_SECONDS = 15.0
KILL_SECONDS = 20.0
#: Address space of the process (bytes).
MEMORY_BYTES = 1536 * 1024 * 1024


@dataclass
class Budget:
    """Gathers text of one attachment, and says why when not all of it."""

    characters: int = TEXT_CHARACTERS
    unpacked: int = UNPACKED_BYTES
    members: int = MEMBERS
    until: float = field(default_factory=lambda: time.monotonic() + READ_SECONDS)
    texts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Take a piece of text; BudgetSpent when it is the last."""
        if len(text) > self.characters:
            self.texts.append(text[: self.characters])
            self.characters = 0
            self.trouble(f"text beyond {TEXT_CHARACTERS:,} characters was left out")
            raise BudgetSpent
        self.texts.append(text)
        self.characters -= len(text)
        self.check_time()

    def check_time(self) -> None:
        """BudgetSpent when the time is over."""
        if time.monotonic() > self.until:
            self.trouble(f"reading was stopped after {READ_SECONDS:.0f} s")
            raise BudgetSpent

    def unpack(self, size: int) -> None:
        """Note that so many bytes were unpacked; BudgetSpent when that is too much."""
        self.unpacked -= size
        if self.unpacked < 0:
            self.trouble(f"it unpacks to more than {UNPACKED_BYTES >> 20} MiB")
            raise BudgetSpent

    def trouble(self, problem: str) -> None:
        """Note why text is missing."""
        if problem not in self.problems and len(self.problems) < 5:
            self.problems.append(problem)
