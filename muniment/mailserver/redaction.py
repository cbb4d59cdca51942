"""Redaction: what a server repeats of a password is taken out of its words before anybody can see them."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = b"**********"


class Redactor:
    """Hides secrets in texts of the server.

    Bytes come in as the server sent them, before they are decoded or cut: half a password at
    the end of a cut line would not be recognised. Case does not matter, since servers change it.
    """

    def __init__(self, secrets: Iterable[bytes] = ()) -> None:
        longest_first = sorted(filter(None, set(secrets)), key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first)), re.IGNORECASE) if longest_first else None

    def __repr__(self) -> str:
        return "Redactor()"

    def hide(self, text: bytes) -> bytes:
        """Return `text` with stars in the place of every secret."""
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)

    def hide_text(self, text: str) -> str:
        """Do the same for a text that has been decoded already."""
        return text if self._pattern is None else self.hide(text.encode("utf-8", "replace")).decode("utf-8", "replace")


NOTHING_SECRET = Redactor()
