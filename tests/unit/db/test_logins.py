"""What PostgreSQL stores of a password."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

import pytest

from muniment.db.logins import scram_verifier
from muniment.errors import Misconfigured
from muniment.secrecy import Secret


def test_the_password_can_be_checked_and_not_read() -> None:
    """The verifier has the form of RFC 5803: salt, stored key and server key, another salt each time."""
    first, second = (scram_verifier(Secret("correct horse")) for _ in range(2))
    form = re.fullmatch(r"SCRAM-SHA-256\$4096:([^$]+)\$([^:]+):(.+)", first)
    assert form is not None
    salt, stored, server = (base64.b64decode(part, validate=True) for part in form.groups())

    salted = hashlib.pbkdf2_hmac("sha256", b"correct horse", salt, 4096)
    assert hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest() == stored
    assert hmac.digest(salted, b"Server Key", "sha256") == server
    assert first != second
    assert "horse" not in first


def test_other_letters_are_refused() -> None:
    """PostgreSQL would normalise them first; a login that then fails would be hard to explain."""
    with pytest.raises(Misconfigured, match="not ASCII") as caught:
        scram_verifier(Secret("schlüssel"))

    assert caught.value.hint
    assert "schl" not in str(caught.value)
