"""Translates errors of aioimaplib, as well as those of sockets and TLS, into errors of `muniment.errors`."""

from __future__ import annotations

from contextlib import AbstractContextManager

import aioimaplib

from muniment.errors import MunimentError, ProtocolViolation, ServerUnavailable
from muniment.mailserver import translate

TABLE: translate.Table = {
    **translate.TABLE,
    aioimaplib.aioimaplib.CommandTimeout: (ServerUnavailable, "{peer} did not answer in time while {doing}", None),
    aioimaplib.aioimaplib.AioImapException: (
        ProtocolViolation,
        "{peer} broke the protocol while {doing}: {error}",
        None,
    ),
}


def translated(error: BaseException, peer: str, doing: str) -> MunimentError:
    """Return our error for a foreign one; `peer` is host:port, `doing` completes the phrase "while …"."""
    return translate.translated(error, peer, doing, TABLE)


def translating(peer: str, doing: str) -> AbstractContextManager[None]:
    """Turn foreign errors inside the block into ours."""
    return translate.translating(peer, doing, TABLE)
