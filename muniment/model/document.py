"""The search index's view of a message: one document per message, regardless of how many folders it is in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from muniment.model.text_problem import TextProblem

#: Increases when documents contain more or other words: every index is then rebuilt in the background.
DOCUMENTS_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Document:
    """The searchable facts and texts of one message; docs/reference/opensearch-index.md describes each field.

    `version`: of two documents of the same message, the one with the higher version is current. `archives`: ids of the
    users who have the message (the access list). `folders`: ids of the folders that contain it. `flags`: `user
    id/flag`, in lower case without the backslash. `is_filed`: the message is in a user's archive, not only in a
    collecting mailbox. Times are in UTC, sizes in bytes. `date`: when the message was sent; if unknown, received; if
    unknown, archived. Texts are decoded. `sent_by`: the Sender field, otherwise From. `lists`: the mailing list
    (List-Id). `links`: where links lead. `delivered`: `user id/address`, envelope recipients that the header does not
    show. `problems`: parts of the text that could not be read, or were guessed.
    `is_unfinished`: attachments were left out that are read as soon as no other mail waits.
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
    reply_to: tuple[str, ...] = ()
    sent_by: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    delivered: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    file_names: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    has_attachment: bool = False
    problems: tuple[TextProblem, ...] = field(default=(), compare=False)
    is_unfinished: bool = field(default=False, compare=False)
