"""Read the messages that a search found, to show where they match."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from muniment.attachments.limits import READERS_VERSION
from muniment.contents.codec import decode_part
from muniment.db import attachment_texts
from muniment.errors import Damaged
from muniment.mail.bodies import read_text
from muniment.search.query import Field, Query
from muniment.services.resources import Resources
from muniment.services.searching.mark_matches import snippet

if TYPE_CHECKING:
    from muniment.services.searching.search_messages import Hit

#: Bytes of a message that are read to make a snippet.
_SHOWN_BYTES = 1024 * 1024


async def with_snippets(resources: Resources, query: Query, hits: Sequence[Hit], until: float) -> AsyncIterator[Hit]:
    """Yield hits with snippets until `until` (`time.monotonic()`), and the rest as they are."""

    async def each() -> AsyncIterator[Hit]:
        for hit in hits:
            yield hit

    async for hit, parts in resources.contents.read(each()):
        raw = b""
        if time.monotonic() >= until:
            yield hit
            continue
        try:
            async for part in parts:
                raw += decode_part(part.codec, part.data)
                if len(raw) >= _SHOWN_BYTES:
                    break
        except Damaged:
            raw = b""
        yield await _with_snippet(resources, query, hit, raw[:_SHOWN_BYTES], until)


async def _with_snippet(resources: Resources, query: Query, hit: Hit, raw: bytes, until: float) -> Hit:
    body = read_text(raw, limit=_SHOWN_BYTES)
    texts = [(Field.BODY, body.text), *((Field.ATTACHMENT, text) for text in body.attached)]
    found = snippet(query, texts, until)
    if found is None and body.attachments:
        hashes = [hashlib.sha256(attachment.data).digest() for attachment in body.attachments]
        async with resources.database.session() as session:
            kept = await attachment_texts.find(session, hashes, READERS_VERSION)
        found = snippet(query, [(Field.ATTACHMENT, row.text) for row in kept.values()], until)
    found = found or snippet(query, [(Field.FILENAME, name) for name in body.attachment_names], until)
    return replace(hit, snippet=found)
