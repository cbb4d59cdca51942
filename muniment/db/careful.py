"""Refuses a PostgreSQL server that demands the password as it is, over a link that others can read.

asyncpg answers AuthenticationCleartextPassword on any link, also one without TLS, and has no counterpart of libpq's
`require_auth`: whoever stands between Muniment and PostgreSQL needs only to ask. So its protocol class is extended: it
looks at the server's messages until the login is over.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import asyncpg
import asyncpg.protocol

from muniment.errors import Misconfigured
from muniment.links import is_local

#: The hint for a link that needs TLS.
TLS_HINT = (
    "PostgreSQL on another machine needs TLS: end MUNIMENT_DATABASE_URL with ?sslmode=verify-full&sslrootcert=FILE, "
    "and use SCRAM passwords. If nobody else can reach that network, set MUNIMENT_UNENCRYPTED_LINKS=true."
)
_AUTHENTICATION, _READY = b"R", b"Z"
_CLEARTEXT = 3  # AuthenticationCleartextPassword
_LENGTH_BYTES, _CODE_BYTES = 4, 4

_may_tell: ContextVar[bool] = ContextVar("may_tell_password", default=False)


class _Protocol(asyncpg.protocol.Protocol):
    """asyncpg's protocol; `data_received` is the original one again as soon as the login is over."""

    def __init__(self, addr: Any, connected: Any, params: Any, record_class: Any, loop: Any) -> None:
        super().__init__(addr, connected, params, record_class, loop)
        self._place = addr
        self._connected = connected
        self._may_tell = _may_tell.get() or isinstance(addr, str) or is_local(str(addr[0]))
        self._verifies = isinstance(params.ssl, ssl.SSLContext) and params.ssl.verify_mode is ssl.CERT_REQUIRED
        self._pending = b""

    def data_received(self, data: Any) -> None:
        """Take the server's bytes, unless they demand a password that must not be told."""
        if self._may_tell or (self.is_ssl and self._verifies) or not self._is_demanded(data):
            super().data_received(data)
        elif not self._connected.done():
            host, port = self._place[:2]
            self._connected.set_exception(
                # Not an error of asyncpg: after one of those, it tries the other of "with TLS" and "without".
                Misconfigured(
                    f"PostgreSQL at {host}:{port} demands the password in clear text on an open link", hint=TLS_HINT
                )
            )

    def _is_demanded(self, data: bytes) -> bool:
        """Whether these bytes complete such a demand; what is no message at all counts as one, too."""
        self._pending += data
        while len(self._pending) > _LENGTH_BYTES:
            kind, length = self._pending[:1], int.from_bytes(self._pending[1 : 1 + _LENGTH_BYTES], "big")
            if kind == _READY:
                self._pending = b""
                self._may_tell = True  # the password is not needed any more
                return False
            if kind == _AUTHENTICATION:
                code = self._pending[1 + _LENGTH_BYTES : 1 + _LENGTH_BYTES + _CODE_BYTES]
                if len(code) == _CODE_BYTES and int.from_bytes(code, "big") == _CLEARTEXT:
                    return True
            if length < _LENGTH_BYTES:
                return True
            if len(self._pending) < 1 + length:
                return False
            self._pending = self._pending[1 + length :]
        return False


asyncpg.protocol.Protocol = _Protocol  # type: ignore[misc, assignment]


def connecting(*, may_tell_password: bool) -> Any:
    """Return what a pool connects with; `may_tell_password`: on any link, to a server that demands it."""

    async def connect(*args: Any, **options: Any) -> Any:
        with _permission(may_tell=may_tell_password):
            return await asyncpg.connect(*args, **options)

    return connect


@contextmanager
def _permission(*, may_tell: bool) -> Iterator[None]:
    token = _may_tell.set(may_tell)
    try:
        yield
    finally:
        _may_tell.reset(token)
