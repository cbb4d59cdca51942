"""Keep a transaction open while its process is busy elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from muniment.db.database import Session

#: PostgreSQL ends a transaction that sends no statement for longer than a setting says (`Database.open`).
SIGN_OF_LIFE_SECONDS = 5.0

_T = TypeVar("_T")


async def keep_alive(session: Session, work: Coroutine[Any, Any, _T]) -> _T:
    """Return the result of `work`, which must not use `session`, and send a statement every few seconds meanwhile.

    DatabaseUnavailable when the transaction has ended; then `work` is cancelled.
    """
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=SIGN_OF_LIFE_SECONDS))[0]:
            await session.value("SELECT 1")
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
