"""Secrets: a string that hides itself, and the box that encrypts it at rest."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from muniment.errors import Misconfigured

_NONCE_BYTES = 12  # NIST SP 800-38D §8.2.2: 96 random bits
_VERSION = b"\x01"
_PLACE_END = re.compile("[/?]")
_BRACKET = re.compile(r"[\[\]\s]")
_HOST = re.compile(r"([^:\s\[\]]*|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")


class Secret:
    """A string that shows itself only when asked with `reveal()`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
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


@dataclass(frozen=True)
class SecretBox:
    """Encrypts secrets with AES-256-GCM.

    The *purpose* is authenticated with the ciphertext: a value that was sealed
    for one purpose cannot be opened for another.
    """

    _key: Secret

    @classmethod
    def from_key_file(cls, path: Path) -> SecretBox:
        """Read the key that `create_key_file` wrote; Misconfigured if it is missing or no key."""
        try:
            text = path.read_text("ascii").strip()
            key = base64.b64decode(text, validate=True)
        except OSError as error:
            raise Misconfigured(
                f"cannot read the secret key file {path}: {error.strerror}",
                hint="MUNIMENT_SECRET_KEY_FILE must name it, the same one everywhere; `muniment key create` makes the first.",
            ) from error
        except ValueError as error:
            raise Misconfigured(f"{path} is not a Muniment secret key file") from error
        if len(key) != 32:
            raise Misconfigured(f"{path} is not a Muniment secret key file: expected 32 bytes in base64")
        return cls(Secret(text))

    def seal(self, secret: Secret, *, purpose: str) -> bytes:
        """Return the ciphertext of `secret`: version, nonce, AES-GCM output."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher().encrypt(nonce, secret.reveal().encode(), purpose.encode())

    def open(self, sealed: bytes, *, purpose: str) -> Secret:
        """Return what `seal` was given; Misconfigured when the key or the purpose differs."""
        nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if sealed[:1] != _VERSION or len(nonce) < _NONCE_BYTES:
                raise InvalidTag
            return Secret(self._cipher().decrypt(nonce, ciphertext, purpose.encode()).decode())
        except InvalidTag as error:
            raise Misconfigured(
                "a stored credential cannot be decrypted with this key",
                hint="MUNIMENT_SECRET_KEY_FILE must name the key file that encrypted it.",
            ) from error

    def _cipher(self) -> AESGCM:
        return AESGCM(base64.b64decode(self._key.reveal()))


def check_url(url: Secret, name: str, schemes: Sequence[str]) -> None:
    """Raise Misconfigured when the URL in the setting `name` is none, or of another scheme; never shows a part of it.

    Libraries answer a URL whose password holds a `/` or `#` with an error that quotes the password.
    """
    text = url.reveal()
    scheme, _, rest = text.partition("://")
    place, _, behind = _PLACE_END.sub(" ", rest, count=1).partition(" ")
    login, _, hosts = place.rpartition("@")
    # A password with a slash ends the place too soon: then the @ stands behind it.
    cut_off = "@" in behind and "@" not in place
    broken = cut_off or "#" in text or _BRACKET.search(login)
    # libpq and asyncpg take several hosts, for a fail-over
    if scheme not in schemes or broken or not all(map(_HOST.fullmatch, hosts.split(","))):
        raise Misconfigured(
            f"{name} is not a URL like {schemes[0]}://user:password@host:port/name",
            hint="In user and password write / # ? @ : [ ] and % as %2F %23 %3F %40 %3A %5B %5D %25 (percent-encoding).",
        )


def place(url: Secret | None) -> str:
    """Return where a checked URL leads, without user, password and options; a socket is its path."""
    parts = urlsplit(url.reveal() if url is not None else "")
    return parts.netloc.rpartition("@")[2] or parse_qs(parts.query).get("host", [parts.path])[0]


def create_key_file(path: Path) -> None:
    """Write a fresh 256-bit key to `path` with mode 0600, unless the file exists."""
    if not path.exists():
        create_private_file(path, base64.b64encode(AESGCM.generate_key(bit_length=256)) + b"\n")


def create_private_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` with mode 0600, unless the file exists; missing folders get mode 0700.

    It is written and synced under another name and then linked into place: a crash leaves
    either no file or a whole one, and of two racing processes one wins. The other name is
    random: two containers on one volume may have the same process id.
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
