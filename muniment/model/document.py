"""What a search index knows of a message: one document for each message, wherever it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Document:
    """The searchable facts and texts of one message; docs/reference/opensearch-index.md describes each field.

    `version`: of two documents of a message the one with the higher version counts. `archives`: ids of the users who
    have it, the access list; `folders`: ids of the folders it stands in; `flags`: `user id/flag`, lower case without
    the backslash. `is_filed`: it stands in an archive that is somebody's, not only where mail is collected. Times are
    in UTC, sizes in bytes; `date`: when it was sent, else received, else archived. Texts are as people read them.
    `problems`: what of its text could not be read.
    """

    store_id: int
    message_id: int
    version: int
    sha256: bytes
    size: int
    header_id: str
    date: datetime
    sent: datetime | None
    received: datetime | None
    archived: datetime
    archives: tuple[int, ...] = ()
    folders: tuple[int, ...] = ()
    flags: tuple[str, ...] = ()
    is_filed: bool = True
    sender: str = ""
    subject: str = ""
    from_: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    file_names: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    has_attachment: bool = False
    problems: tuple[str, ...] = field(default=(), compare=False)
