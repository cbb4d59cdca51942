"""The index in OpenSearch: its fields, and how documents fill them.

Muniment prepares the words itself (`muniment.search.words`), so text fields are only split at whitespace. The second
value of a text field, after its words, holds their stems, which begin with a tilde.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from muniment.model.document import Document
from muniment.search.delivered import delivered_words
from muniment.search.query import HIDDEN, STEMMED, Field
from muniment.search.words import BREAK, Words, read_words

#: The field that contains every word and stem once, for searches that name no field.
EVERYWHERE = "words"

#: Increases with each change of the mapping. New properties are added to existing indexes; anything else needs an index
#: of its own.
MAPPING_VERSION = 2

_TEXT = {"type": "text", "analyzer": "whitespace", "similarity": "boolean", "norms": False}
_KEYWORD = {"type": "keyword"}
_DATE = {"type": "date", "format": "epoch_millis"}

#: docs/reference/opensearch-index.md describes each field.
PROPERTIES: dict[str, dict[str, Any]] = {
    "store": {"type": "integer"},
    "id": {"type": "long"},
    "sha256": _KEYWORD,
    "header_id": _KEYWORD,
    "date": _DATE,
    "sent": _DATE,
    "received": _DATE,
    "archived": _DATE,
    "year": _KEYWORD,
    "size": {"type": "long"},
    "archives": _KEYWORD,
    "folders": _KEYWORD,
    "flags": _KEYWORD,
    "is_filed": {"type": "boolean"},
    "has_attachment": {"type": "boolean"},
    "types": _KEYWORD,
    "sender": {"type": "keyword", "ignore_above": 512},
    **{field.value: {**_TEXT, "index_options": "positions"} for field in Field},
    EVERYWHERE: {**_TEXT, "index_options": "docs"},
    "problems": {"type": "keyword", "ignore_above": 1024},
}


def template(prefix: str) -> dict[str, Any]:
    """Return the index template for every index whose name begins with `prefix-`."""
    return {
        "index_patterns": [f"{prefix}-*"],
        "version": MAPPING_VERSION,
        "template": {
            "settings": {
                "number_of_shards": 1,
                "auto_expand_replicas": "0-1",
            },
            "mappings": {
                "dynamic": "strict",
                # Not needed: results are shown from PostgreSQL, and documents are made from the archive.
                "_source": {"enabled": False},
                "properties": PROPERTIES,
            },
        },
    }


def fields(document: Document) -> dict[str, Any]:
    """Return the fields of a document in the form that OpenSearch expects."""
    texts = {
        Field.SUBJECT: read_words((document.subject,)),
        Field.FROM: read_words(document.from_),
        Field.TO: read_words(document.to),
        Field.CC: read_words(document.cc),
        Field.BODY: read_words(document.body),
        Field.FILENAME: read_words(document.file_names),
        Field.ATTACHMENT: read_words((*document.file_names, *document.attachments)),
        Field.REPLY_TO: read_words(document.reply_to),
        Field.SENT_BY: read_words(document.sent_by),
        Field.LIST: read_words(document.lists),
        Field.LINK: read_words(document.links),
        Field.DELIVERED: delivered_words(document.delivered),
    }
    everywhere: dict[str, None] = {}
    for field, words in texts.items():
        if field in HIDDEN:
            continue
        everywhere.update(dict.fromkeys(words.words))
        if field in STEMMED:
            everywhere.update(dict.fromkeys(words.stems))
    everywhere.pop(BREAK, None)
    return {
        "store": document.store_id,
        "id": document.message_id,
        "sha256": document.sha256.hex(),
        "header_id": document.header_id,
        "date": milliseconds(document.date),
        "sent": _maybe(document.sent),
        "received": _maybe(document.received),
        "archived": milliseconds(document.archived),
        "year": str(document.date.year),
        "size": document.size,
        "archives": _texts(document.archives),
        "folders": _texts(document.folders),
        "flags": document.flags,
        "is_filed": document.is_filed,
        "has_attachment": document.has_attachment,
        "types": document.types,
        "sender": document.sender,
        **{field.value: _text(words, stemmed=field in STEMMED) for field, words in texts.items()},
        EVERYWHERE: " ".join(everywhere),
        "problems": list(dict.fromkeys(problem.words for problem in document.problems)),
    }


def milliseconds(moment: datetime) -> int:
    """Return a time as OpenSearch stores it: milliseconds since the epoch."""
    return round(moment.timestamp() * 1000)


def _maybe(moment: datetime | None) -> int | None:
    return None if moment is None else milliseconds(moment)


def _texts(numbers: Sequence[int]) -> list[str]:
    return [str(number) for number in numbers]


def _text(words: Words, *, stemmed: bool) -> list[str]:
    found = [" ".join(words.words)]
    return [*found, " ".join(words.stems)] if stemmed else found
