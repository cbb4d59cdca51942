"""The installation: which key its passwords are encrypted with."""

from __future__ import annotations

from muniment.db.database import Session
from muniment.db.sql import load

_SQL = load("installation")


async def key_check(session: Session, proposed: bytes) -> bytes:
    """Return what the installation's key encrypted once; `proposed` becomes that when there is nothing yet."""
    found: bytes | None = await session.value(_SQL["key_check"])
    if found is None:
        await session.execute(_SQL["set_key_check"], proposed)
        found = await session.value(_SQL["key_check"])
        assert found is not None
    return found


async def replace_key(session: Session, key_check: bytes) -> None:
    """Adopt another key: forget every password that the old one encrypted; needs a transaction."""
    await session.execute(_SQL["replace_key_check"], key_check)
    await session.execute(_SQL["forget_profile_passwords"])
    await session.execute(_SQL["forget_mailbox_passwords"])
