"""The resources that services work with: the database, contents, the broker, the index, and what a process shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from muniment.attachments import AttachmentReader, Patience
from muniment.errors import Misconfigured
from muniment.mailserver.gate import UnlimitedGate
from muniment.mailserver.limits import Limits
from muniment.model.comparison import ComparisonInterval

# Every command imports this module, and few use every resource.
if TYPE_CHECKING:
    from muniment.contents import ContentStore
    from muniment.db.database import Database
    from muniment.governor import Governor
    from muniment.mailserver import ByteBudget, Connector
    from muniment.queue import Queue
    from muniment.sealing import KeyRing
    from muniment.search import SearchIndex
    from muniment.settings import Settings


class _NotOpened:
    """Stands for a resource that a command does without; using it raises Misconfigured."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, _: str) -> NoReturn:
        raise Misconfigured(f"{self._name} was not opened")


NO_KEY: Any = _NotOpened("the secret key")
_NO_BROKER: Any = _NotOpened("the broker")
_NO_CONTENTS: Any = _NotOpened("the store of contents")
_NO_INDEX: Any = _NotOpened("the search index")
_NO_CONNECTOR: Any = _NotOpened("the connector to mail servers")


@dataclass(frozen=True, kw_only=True)
class Resources:
    """One set for each process; `muniment.resources` opens and closes it.

    A resource that is not given was not opened: a service that uses it raises Misconfigured. `budget` bounds the memory
    that all messages in flight may take. `connector` reaches the mail servers. Without a governor every connection to
    them is allowed at once.
    """

    settings: Settings
    database: Database
    budget: ByteBudget
    secrets: KeyRing = NO_KEY
    queue: Queue = _NO_BROKER
    contents: ContentStore = _NO_CONTENTS
    index: SearchIndex = _NO_INDEX
    governor: Governor | None = None
    connector: Connector = _NO_CONNECTOR
    attachments: AttachmentReader = field(default_factory=AttachmentReader)
    patience: Patience = field(default_factory=Patience)

    @property
    def comparison(self) -> ComparisonInterval:
        """How often a folder whose STATUS stands still is compared."""
        return ComparisonInterval(self.settings.compare_hours, self.settings.compare_messages)

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
            gate=self.governor or UnlimitedGate(),
            budget=self.budget,
        )
