"""The end of a message: what is obviously cut."""

from __future__ import annotations

import pytest

from muniment.mail.ending import is_cut

_MULTIPART = (
    b'Subject: x\r\nContent-Type: multipart/mixed;\r\n boundary="=_1"\r\n\r\n--=_1\r\n\r\nhello\r\n--=_1\r\n'
    b"Content-Type: image/png\r\n\r\nAAAA\r\n--=_1--\r\nepilogue\r\n"
)


@pytest.mark.parametrize(
    ("raw", "cut"),
    [
        (b"Subject: x\r\n\r\nhello\r\n", False),
        (b"Subject: x\n\nhello\n", False),
        (b"Subject: x\r\n", True),
        (b"Subject: x\r\n\r\n", True),
        (b"Subject: x\r\n\r\n\r\n", True),
        (b"", True),
        (_MULTIPART, False),
        (_MULTIPART[:-30], True),
        (_MULTIPART.replace(b"--=_1--", b"--=_1"), True),
        (b"Content-Type: multipart/mixed\r\n\r\nno boundary\r\n", False),
    ],
)
def test_what_is_cut(raw: bytes, cut: bool) -> None:
    """A message that ends in its header, after it, or before its last boundary is cut."""
    assert is_cut(raw, raw) is cut
