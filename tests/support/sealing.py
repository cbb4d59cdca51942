"""Boxes, and sealed values as an older version wrote them."""

from __future__ import annotations

import os
from pathlib import Path

from muniment.sealing import Key, KeyRing, Place, SecretBox
from muniment.secrecy import Secret, create_key_file


def box_of(path: Path, installation: str = "installation") -> SecretBox:
    """Return the box of a key file, which is created if it is missing."""
    create_key_file(path)
    return SecretBox.new(KeyRing.from_key_file(path), installation)


def sealed_unbound(key: Key, secret: Secret, place: Place) -> bytes:
    """Return a value of version 1: bound to its purpose only."""
    nonce = os.urandom(12)
    return b"\x01" + nonce + key.cipher().encrypt(nonce, secret.reveal().encode(), place.purpose.encode())
