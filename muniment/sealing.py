"""Encryption at rest: every secret is sealed with one of the installation's keys, for the one place where it stands.

A sealed value is a version byte, the id of its key (8 bytes), a nonce (12 bytes) and the output of AES-256-GCM. The
place, which includes the installation and the mail server that the secret is sent to, is authenticated with it and not
stored: whoever moves a value to another row, or changes the host beside it, makes it unreadable.

Version 1 was bound to its purpose only and named no key. It is opened until the installation's check value has
version 2, which means that every value was sealed again (`services.operating.seal_again`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from muniment.errors import Misconfigured
from muniment.secrecy import Secret

_NONCE_BYTES = 12  # NIST SP 800-38D §8.2.2: 96 random bits
_KEY_BYTES = 32
_ID_BYTES = 8
#: How a value of version 1 begins, which is bound to no place.
UNBOUND = b"\x01"
_BOUND = b"\x02"

#: The length of what `header` returns, at the start of a sealed value.
HEADER_BYTES = 1 + _ID_BYTES

#: How long a key opens values after it was removed from the file: longer than a process holds a value that it has read.
_REMEMBERED_SECONDS = 300.0

_WHERE = "MUNIMENT_SECRET_KEY_FILE must name the key file that was used to encrypt it."
_MOVED_HINT = "If nobody changed the database by hand, find out who did. Then set the password again: `profile edit`."


@dataclass(frozen=True)
class Place:
    """What a secret is sealed for: its purpose, its row, and the facts that decide where it is sent, and how."""

    purpose: str
    row: tuple[int, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)

    def bound_to(self, installation: str, key_id: str) -> bytes:
        """Return the place within an installation, as authenticated data: the same bytes for the same place."""
        values = [installation, key_id, self.purpose, self.row, self.facts]
        return json.dumps(values, sort_keys=True, separators=(",", ":")).encode("ascii")


#: The place of the check value, by which an installation knows its key.
KEY_CHECK = Place("key check")
_CHECK = Secret("muniment")


@dataclass(frozen=True)
class Key:
    """One key of a key file."""

    secret: Secret

    @classmethod
    def generate(cls) -> Key:
        """Return a new key, 256 random bits."""
        return cls(Secret(base64.b64encode(AESGCM.generate_key(bit_length=8 * _KEY_BYTES)).decode()))

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits that name the key and tell nothing about it."""
        return hashlib.sha256(b"muniment key id\0" + self._raw()).digest()[:_ID_BYTES].hex()

    def cipher(self) -> AESGCM:
        """Return the cipher with this key."""
        return AESGCM(self._raw())

    def _raw(self) -> bytes:
        return base64.b64decode(self.secret.reveal())


class KeyRing:
    """The keys of a key file, newest first: one in base64 on each line.

    A process notices when the file changes, so that a rotation needs no restart: it gets the new key, and forgets the
    one that was removed. Not at once: it may have read a value just before that was sealed again.
    """

    def __init__(self, keys: Sequence[Key], path: Path | None = None) -> None:
        self._keys = tuple(keys)
        self._removed: dict[str, tuple[Key, float]] = {}  # with the time until which they open values
        self._read_at = _stamp(path)
        self.path = path

    @classmethod
    def from_key_file(cls, path: Path) -> KeyRing:
        """Read the keys in a file; raise Misconfigured if it is missing or invalid."""
        ring = cls((), path)  # its stamp is older than what is read
        ring._keys = _read(path)
        return ring

    @property
    def keys(self) -> tuple[Key, ...]:
        """All keys, newest first."""
        return self._keys

    def refresh(self) -> None:
        """Read the key file again if it changed; raise Misconfigured if it is invalid.

        A file that went away, like a folder that is not mounted for a moment, leaves the keys as they are.
        """
        stamp = _stamp(self.path)
        if self.path is not None and stamp not in {None, self._read_at}:
            self._change(_read(self.path), stamp)

    def find(self, key_id: str) -> Key | None:
        """Return the key with this id; None if the file does not hold it either, and did not a moment ago."""
        if all(key.id != key_id for key in self._keys):
            self.refresh()
        key, until = self._removed.get(key_id, (None, 0.0))
        return self.current(key_id) or (key if time.monotonic() < until else None)

    def current(self, key_id: str) -> Key | None:
        """Return the key with this id among those in the file."""
        return next((key for key in self._keys if key.id == key_id), None)

    def add(self, key: Key) -> None:
        """Put a new key first, also in the file; raise Misconfigured if the file cannot be written."""
        self._store((key, *self._keys))

    def retain(self, key_id: str) -> list[str]:
        """Delete all keys but one, also in the file, and return the ids of the deleted keys."""
        gone = [key.id for key in self._keys if key.id != key_id]
        if gone:
            self._store(tuple(key for key in self._keys if key.id == key_id))
        return gone

    def _store(self, keys: tuple[Key, ...]) -> None:
        if self.path is not None:
            _replace(self.path, keys)
        self._change(keys, _stamp(self.path))

    def _change(self, keys: tuple[Key, ...], stamp: tuple[int, int] | None) -> None:
        until = time.monotonic() + _REMEMBERED_SECONDS
        self._removed |= {key.id: (key, until) for key in self._keys if key not in keys}
        self._keys, self._read_at = keys, stamp

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(key.id for key in self._keys)})"


@dataclass(frozen=True)
class SecretBox:
    """Seals and opens the secrets of one installation.

    `active` is the key that seals. `accepts_unbound`: values of version 1 are opened, because not all were sealed
    again yet.
    """

    ring: KeyRing
    installation: str
    active: Key
    accepts_unbound: bool = False

    @classmethod
    def new(cls, ring: KeyRing, installation: str) -> SecretBox:
        """Return the box of an installation that has no check value yet."""
        return cls(ring, installation, ring.keys[0])

    @classmethod
    def checked(cls, ring: KeyRing, installation: str, check: bytes) -> SecretBox:
        """Return the box of the installation with this check value; Misconfigured if no key of the ring fits."""
        ring.refresh()
        unbound = check[:1] == UNBOUND
        candidates = ring.keys if unbound else tuple(filter(None, [ring.current(key_of(check))]))
        for key in candidates:
            box = cls(ring, installation, key, accepts_unbound=unbound)
            try:
                if _opened(check, KEY_CHECK, installation, key) == _CHECK:
                    return box
            except InvalidTag:
                continue
        raise Misconfigured(
            "the secret key is not the one that the passwords in this database are encrypted with"
            + (f", {key_of(check)}" if key_of(check) else ""),
            hint="MUNIMENT_SECRET_KEY_FILE must name that key file. If it is lost: `muniment key reset`.",
        )

    def check(self) -> bytes:
        """Return a check value, by which the database recognises the installation and the active key."""
        return self.seal(_CHECK, KEY_CHECK)

    def seal(self, secret: Secret, place: Place) -> bytes:
        """Return the ciphertext of `secret`, which opens only at `place`."""
        nonce = os.urandom(_NONCE_BYTES)
        data = place.bound_to(self.installation, self.active.id)
        return self.header() + nonce + self.active.cipher().encrypt(nonce, secret.reveal().encode(), data)

    def open(self, sealed: bytes, place: Place) -> Secret:
        """Return the plaintext passed to `seal`; Misconfigured if the key is missing, or the place is another one."""
        if sealed[:1] == UNBOUND:
            return self._open_unbound(sealed, place)
        key = self.ring.find(key_of(sealed)) if sealed[:1] == _BOUND and len(sealed) >= HEADER_BYTES else None
        if key is None:
            raise Misconfigured(
                f"a stored password cannot be decrypted: the key file lacks its key {key_of(sealed) or '(none)'}",
                hint=_WHERE,
            )
        try:
            return _opened(sealed, place, self.installation, key)
        except InvalidTag as error:
            raise Misconfigured(
                "a stored password cannot be decrypted here: it was sealed for another profile, mailbox, host, port "
                "or protection",
                hint=_MOVED_HINT,
            ) from error

    def header(self) -> bytes:
        """Return how every value begins that this box seals."""
        return _BOUND + bytes.fromhex(self.active.id)

    def _open_unbound(self, sealed: bytes, place: Place) -> Secret:
        if not self.accepts_unbound:
            raise Misconfigured(
                "a stored password cannot be decrypted: it is of the time before passwords were bound to their place",
                hint=_MOVED_HINT,
            )
        for key in self.ring.keys:
            try:
                return _opened(sealed, place, self.installation, key)
            except InvalidTag:
                continue
        raise Misconfigured("a stored password cannot be decrypted with this key", hint=_WHERE)


def key_of(sealed: bytes) -> str:
    """Return the id of the key that sealed a value; empty if it names none (version 1)."""
    return "" if sealed[:1] == UNBOUND else sealed[1:HEADER_BYTES].hex()


def _opened(sealed: bytes, place: Place, installation: str, key: Key) -> Secret:
    """Decrypt a value of either version; raise InvalidTag if it is not what this key sealed for this place."""
    if sealed[:1] == UNBOUND:
        start, data = 1, place.purpose.encode()
    else:
        start, data = HEADER_BYTES, place.bound_to(installation, key.id)
    nonce, ciphertext = sealed[start : start + _NONCE_BYTES], sealed[start + _NONCE_BYTES :]
    if len(nonce) < _NONCE_BYTES:
        raise InvalidTag
    return Secret(key.cipher().decrypt(nonce, ciphertext, data).decode())


def _stamp(path: Path | None) -> tuple[int, int] | None:
    """Return what changes whenever the file is replaced or written; None if there is no file."""
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_ino)


def _read(path: Path) -> tuple[Key, ...]:
    try:
        lines = path.read_text("ascii").split() or [""]
        sizes = {len(base64.b64decode(line, validate=True)) for line in lines}
    except OSError as error:
        raise Misconfigured(
            f"cannot read the secret key file {path}: {error.strerror}",
            hint="MUNIMENT_SECRET_KEY_FILE must name the same key file in every process; "
            "`muniment key create` creates one.",
        ) from error
    except ValueError as error:
        raise Misconfigured(f"{path} is not a Muniment secret key file") from error
    if sizes != {_KEY_BYTES}:
        raise Misconfigured(f"{path} is not a Muniment secret key file: expected 32 bytes in base64 on each line")
    return tuple(Key(Secret(line)) for line in lines)


def _replace(path: Path, keys: Sequence[Key]) -> None:
    """Write the file anew with its owner and mode; a crash leaves the old file or the new one."""
    try:
        before = path.stat()
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write("".join(f"{key.secret.reveal()}\n" for key in keys).encode("ascii"))
                if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
                os.fchmod(file.fileno(), before.st_mode & 0o7777)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(path)
        finally:
            Path(draft).unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Misconfigured(
            f"cannot write the secret key file {path}: {error.strerror}",
            hint="Rotate the key where the file can be written, then copy it to the other machines.",
        ) from error
