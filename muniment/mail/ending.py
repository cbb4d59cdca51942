"""Tells whether a message ends where its structure says that it does."""

from __future__ import annotations

from email.parser import BytesHeaderParser

from muniment.mail.headers import header_block

#: How many bytes of the end of a message are looked at: the last boundary stands there, unless a long text follows it.
TAIL_BYTES = 64 * 1024


def is_cut(head: bytes, tail: bytes) -> bool:
    """Return whether a message is obviously cut: within its header, after it, or before its last boundary.

    `head` are its first bytes, with the whole header; `tail` its last `TAIL_BYTES`. That nothing is missing cannot be
    seen this way, and senders cut messages, too: this is a hint.
    """
    _, blank, body = head.replace(b"\r\n", b"\n").partition(b"\n\n")
    if not blank or not body.strip():
        return True
    boundary = _boundary(head)
    return boundary is not None and b"--" + boundary + b"--" not in tail


def _boundary(head: bytes) -> bytes | None:
    """Return the boundary of a multipart (RFC 2046 §5.1.1); None if the message is none, or names none."""
    try:
        header = BytesHeaderParser().parsebytes(header_block(head)[1:])
        named = header.get_boundary() if header.get_content_maintype() == "multipart" else None
    except (ValueError, LookupError, TypeError, AttributeError):
        return None  # the parser of the standard library meets hostile mail
    return named.encode("ascii", "replace") if named else None
