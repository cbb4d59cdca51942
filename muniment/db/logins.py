"""Roles that log in to PostgreSQL, and what it stores of their passwords."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass

from muniment.errors import Misconfigured
from muniment.secrecy import Secret

#: The group of those who may read everything but secrets; whoever needs that becomes a member.
READER = "muniment_reader"

_SALT_BYTES = 16
_POSTGRES_ITERATIONS = 4096


@dataclass(frozen=True)
class Login:
    """A role that logs in; without a password, pg_hba.conf must let it in another way."""

    role: str
    password: Secret | None


def scram_verifier(password: Secret, *, iterations: int = _POSTGRES_ITERATIONS) -> str:
    """Return the verifier of a password (RFC 5803): so the password itself appears in no statement and in no log.

    `iterations` make guessing slow; long random passwords need few.

    Raises Misconfigured if the password is not ASCII: others would have to be normalised as PostgreSQL does (SASLprep).
    """
    text = password.reveal()
    if not text.isascii():
        raise Misconfigured(
            "a password of a database role is not ASCII", hint="Choose another one, or set it in PostgreSQL yourself."
        )
    salt = os.urandom(_SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", text.encode(), salt, iterations)
    client_key, server_key = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
    stored_key = hashlib.sha256(client_key).digest()
    encoded = [base64.b64encode(value).decode() for value in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${iterations}:{encoded[0]}${encoded[1]}:{encoded[2]}"
