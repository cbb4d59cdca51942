"""The doors that services work with; `muniment.resources` opens and closes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from muniment.db.database import Database
from muniment.imap import ByteBudget, Limits
from muniment.queue import Queue
from muniment.search import SearchIndex
from muniment.secrecy import SecretBox
from muniment.settings import Settings


@dataclass(frozen=True)
class Doors:
    """One set for each process."""

    settings: Settings
    database: Database
    secrets: SecretBox
    queue: Queue
    index: SearchIndex
    budget: ByteBudget

    @cached_property
    def limits(self) -> Limits:
        """What the settings allow one connection."""
        settings = self.settings
        return Limits(
            batch_messages=settings.batch_messages,
            batch_bytes=settings.batch_bytes,
            spool_bytes=settings.spool_bytes,
            max_message_bytes=settings.max_message_bytes,
            spool=settings.spool,
        )
