"""Check that a process fits its database: the schema it knows, the key that it has."""

from __future__ import annotations

from muniment.db import installation
from muniment.db.database import Database
from muniment.db.migrate import pending
from muniment.errors import Misconfigured
from muniment.secrecy import Secret, SecretBox

_PURPOSE = "key check"
_TEXT = Secret("muniment")


async def check_installation(database: Database, secrets: SecretBox) -> None:
    """Raise Misconfigured when the schema is too old for this code, or the key another than the passwords' one.

    The first key that is ever used with a database becomes the right one.
    """
    if lacking := await pending(database, phase="pre"):
        raise Misconfigured(
            f"the database lacks {lacking} of this version's migrations", hint="Run `muniment migrate` first."
        )
    async with database.session() as session:
        sealed = await installation.key_check(session, sealed_check(secrets))
    try:
        secrets.open(sealed, purpose=_PURPOSE)
    except Misconfigured as error:
        raise Misconfigured(
            "the secret key is not the one that the passwords in this database are encrypted with",
            hint="MUNIMENT_SECRET_KEY_FILE must name that key file. If it is lost: `muniment key reset`.",
        ) from error


def sealed_check(secrets: SecretBox) -> bytes:
    """Return what the database keeps to recognise the key by."""
    return secrets.seal(_TEXT, purpose=_PURPOSE)
