"""Users and their addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.errors import Conflict, NotFound
from muniment.model.user import User

_SQL = load("users")


@dataclass(frozen=True)
class _Owner:
    address: str
    user_id: int


@dataclass(frozen=True)
class _Named:
    name: str
    id: int


async def add(session: Session, name: str, addresses: Sequence[str]) -> int:
    """Create a user and return his id; Conflict when the name or an address is taken."""
    try:
        user_id: int = await session.value(_SQL["add"], name)
    except Conflict as error:
        raise Conflict(f"user {name} exists already") from error
    taken = await owners(session, addresses)
    if taken:
        raise Conflict(f"address {min(taken)} belongs to another user")
    collecting = await session.values(_SQL["collecting"], list(addresses))
    if collecting:
        raise Conflict(
            f"{min(collecting)} is the mailbox that collects everybody's mail",
            hint="It must be nobody's: whatever names it would be taken for his mail.",
        )
    await session.execute(_SQL["add_addresses"], user_id, list(addresses))
    return user_id


async def list_all(session: Session) -> list[User]:
    """Return every user, by name."""
    return await session.rows(User, _SQL["list_all"])


async def find_id(session: Session, name: str) -> int:
    """Return the id of a user; NotFound says how to list them."""
    user_id: int | None = await session.value(_SQL["find_id"], name)
    if user_id is None:
        raise NotFound(f"there is no user {name}", hint="`muniment user list` shows all users.")
    return user_id


async def find(session: Session, name: str) -> User:
    """Return a user; NotFound says how to list them."""
    user = await session.row(User, _SQL["find"], name)
    if user is None:
        raise NotFound(f"there is no user {name}", hint="`muniment user list` shows all users.")
    return user


async def owners(session: Session, addresses: Sequence[str]) -> dict[str, int]:
    """Return the owner's id for each address, as given, that has one."""
    return {row.address: row.user_id for row in await session.rows(_Owner, _SQL["find_by_addresses"], list(addresses))}


async def primary_addresses(session: Session, user_ids: Sequence[int]) -> dict[int, str]:
    """Return the primary address of each user who has one, by his id."""
    return {row.user_id: row.address for row in await session.rows(_Owner, _SQL["primary_addresses"], list(user_ids))}


async def ensure(session: Session, names: Sequence[str]) -> dict[str, int]:
    """Return the id for each name, as given, creating the users that are missing."""
    await session.execute(_SQL["ensure_named"], list(names))
    return {row.name: row.id for row in await session.rows(_Named, _SQL["ids_of_names"], list(names))}


async def give_address(session: Session, user_ids: Sequence[int]) -> None:
    """Give users without any address their name as primary address."""
    await session.execute(_SQL["give_address"], list(user_ids))
