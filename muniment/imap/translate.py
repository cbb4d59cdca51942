"""Translates errors of aioimaplib, sockets and TLS into those of `muniment.errors`."""

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
        "{peer} violated the protocol while {doing}: {error}",
        None,
    ),
}


def translated(error: BaseException, peer: str, doing: str) -> MunimentError:
    """Return our error for a foreign exception; `peer` is host:port, `doing` completes the phrase "while …"."""
    return translate.translated(error, peer, doing, TABLE)


def translating(peer: str, doing: str) -> AbstractContextManager[None]:
    """Translate foreign exceptions raised inside the block."""
    return translate.translating(peer, doing, TABLE)
