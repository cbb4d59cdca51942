"""TLS contexts for connections to mail servers."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from muniment.model.profile import Server


@dataclass(frozen=True)
class _Trust:
    """The cache key of a TLS context. `stamp` is the CA bundle's modification time, so a new bundle is loaded."""

    accept_all: bool
    cafile: str | None
    capath: str | None
    stamp: int


def tls_context(server: Server) -> ssl.SSLContext:
    """Return a context that verifies the server's certificate, or accepts any if the profile says so."""
    paths = ssl.get_default_verify_paths()
    stamp = Path(paths.cafile).stat().st_mtime_ns if paths.cafile else 0
    return _cached_context(_Trust(server.accept_all_certificates, paths.cafile, paths.capath, stamp))


@lru_cache(maxsize=4)
def _cached_context(trust: _Trust) -> ssl.SSLContext:
    """Build a context once per version of the CA bundle: parsing the bundle takes longer than a login."""
    context = ssl.create_default_context()
    if trust.accept_all:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
