"""The sizes that a POP3 server lists, as far as they can be compared with what it delivers."""

from __future__ import annotations


def announced_size(listed: int | None, received: int) -> int | None:
    """Return the size that a server listed for a message of which it delivered `received` bytes.

    RETR sends lines (RFC 1939 §3): a message that does not end with one gets a CRLF, which LIST may not count.
    """
    return received if listed is not None and listed + 2 == received else listed
