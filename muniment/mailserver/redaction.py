"""Redaction: removes passwords that a server echoes from its text before the text is shown or logged."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = b"**********"


class Redactor:
    """Hides secrets in text from a server.

    Redact the bytes as received, before decoding or truncating them: half a password at the end
    of a truncated line is not recognised. Matching ignores case, because servers change it.
    """

    def __init__(self, secrets: Iterable[bytes] = ()) -> None:
        longest_first = sorted(filter(None, set(secrets)), key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first)), re.IGNORECASE) if longest_first else None

    def __repr__(self) -> str:
        return "Redactor()"

    def hide(self, text: bytes) -> bytes:
        """Return `text` with every secret replaced by asterisks."""
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)

    def hide_text(self, text: str) -> str:
        """Do the same for text that is already decoded."""
        return text if self._pattern is None else self.hide(text.encode("utf-8", "replace")).decode("utf-8", "replace")


NOTHING_SECRET = Redactor()
