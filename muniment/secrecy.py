"""Secrets: a string type that hides its value, URLs that contain one, and private files; see also `sealing`."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from muniment.errors import Misconfigured

_PLACE_END = re.compile("[/?]")
_BRACKET = re.compile(r"[\[\]\s]")
_HOST = re.compile(r"([^:\s\[\]]*|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")


class Secret:
    """A string whose value only `reveal()` returns; `str` and `repr` hide it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the plaintext."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret('**********')"

    __str__ = __repr__


def check_url(url: Secret, name: str, schemes: Sequence[str]) -> None:
    """Raise Misconfigured if the setting `name` is not a URL with one of the schemes; never shows any part of it.

    Given a URL whose password contains `/` or `#`, libraries raise errors that quote the password.
    """
    text = url.reveal()
    scheme, _, rest = text.partition("://")
    place, _, behind = _PLACE_END.sub(" ", rest, count=1).partition(" ")
    login, _, hosts = place.rpartition("@")
    # A slash in the password ends the network location too early: then the @ comes after it.
    cut_off = "@" in behind and "@" not in place
    broken = cut_off or "#" in text or _BRACKET.search(login)
    # libpq and asyncpg accept several hosts, for failover
    if scheme not in schemes or broken or not all(map(_HOST.fullmatch, hosts.split(","))):
        raise Misconfigured(
            f"{name} is not a URL like {schemes[0]}://user:password@host:port/name",
            hint="Percent-encode / # ? @ : [ ] % in user and password as %2F %23 %3F %40 %3A %5B %5D %25.",
        )


def place(url: Secret | None) -> str:
    """Return the host and port of a checked URL, or the path of its socket, without credentials and options."""
    parts = urlsplit(url.reveal() if url is not None else "")
    return parts.netloc.rpartition("@")[2] or parse_qs(parts.query).get("host", [parts.path])[0]


def create_key_file(path: Path) -> None:
    """Write a new 256-bit key to `path` with mode 0600, unless the file exists."""
    if not path.exists():
        create_private_file(path, base64.b64encode(AESGCM.generate_key(bit_length=256)) + b"\n")


def create_private_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` with mode 0600, unless the file exists; create missing folders with mode 0700.

    The content is written and synced under a temporary name, which is then linked to `path`: a
    crash leaves no file or a complete one, and if two processes race, one wins. The temporary
    name is random, because two containers that share a volume may have the same process id.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()
