"""The resources that services work with; `muniment.resources` opens and closes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from muniment.attachments import AttachmentReader
from muniment.db.database import Database
from muniment.governor import Governor
from muniment.mailserver import ByteBudget, FreeGate, Limits
from muniment.queue import Queue
from muniment.search import SearchIndex
from muniment.secrecy import SecretBox
from muniment.settings import Settings


@dataclass(frozen=True)
class Resources:
    """One set for each process. Without a governor everybody may connect to any mail server at once."""

    settings: Settings
    database: Database
    secrets: SecretBox
    queue: Queue
    index: SearchIndex
    budget: ByteBudget
    governor: Governor | None = None
    attachments: AttachmentReader = field(default_factory=AttachmentReader)

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
            gate=self.governor or FreeGate(),
        )
