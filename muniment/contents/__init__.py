"""The bytes of messages: how they are encoded, a port to where they are stored, and PostgreSQL behind it."""

from muniment.contents.memory import MemoryContents
from muniment.contents.port import ContentStore, NewContent, Stored
from muniment.contents.postgres import PostgresContents

__all__ = ["ContentStore", "MemoryContents", "NewContent", "PostgresContents", "Stored"]
