"""Check that a process matches its database: schema version and secret key."""

from __future__ import annotations

from muniment.db import installation
from muniment.db.database import Database
from muniment.db.migrate import pending
from muniment.errors import Misconfigured
from muniment.secrecy import Secret, SecretBox

_PURPOSE = "key check"
_TEXT = Secret("muniment")


async def check_schema(database: Database) -> None:
    """Raise Misconfigured if the schema is too old for this code."""
    if lacking := await pending(database, phase="pre"):
        raise Misconfigured(
            f"the database lacks {lacking} of this version's migrations", hint="Run `muniment migrate` first."
        )


async def check_installation(database: Database, secrets: SecretBox | None) -> None:
    """Raise Misconfigured if the stored passwords need another key, or if the schema is too old for this code.

    The first key that is used with a database becomes its key. `secrets` None: the process opens no passwords.
    """
    await check_schema(database)
    if secrets is None:
        return
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
    """Return the value that the database stores to recognise the key."""
    return secrets.seal(_TEXT, purpose=_PURPOSE)
