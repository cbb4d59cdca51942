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
    """Create a user and return the id; Conflict if the name or an address is taken."""
    try:
        user_id: int = await session.value(_SQL["add"], name)
    except Conflict as error:
        raise Conflict(f"user {name} already exists") from error
    taken = await owners(session, addresses)
    if taken:
        raise Conflict(f"address {min(taken)} belongs to another user")
    collecting = await session.values(_SQL["collecting"], list(addresses))
    if collecting:
        raise Conflict(
            f"{min(collecting)} is a multidrop mailbox",
            hint="It must not belong to a user: all mail addressed to it would be archived for that user.",
        )
    await session.execute(_SQL["add_addresses"], user_id, list(addresses))
    return user_id


async def list_all(session: Session) -> list[User]:
    """Return all users, sorted by name."""
    return await session.rows(User, _SQL["list_all"])


async def find_id(session: Session, name: str) -> int:
    """Return the id of a user; NotFound if the user does not exist."""
    user_id: int | None = await session.value(_SQL["find_id"], name)
    if user_id is None:
        raise NotFound(f"there is no user {name}", hint="`muniment user list` shows all users.")
    return user_id


async def find(session: Session, name: str) -> User:
    """Return a user; NotFound if the user does not exist."""
    user = await session.row(User, _SQL["find"], name)
    if user is None:
        raise NotFound(f"there is no user {name}", hint="`muniment user list` shows all users.")
    return user


async def owners(session: Session, addresses: Sequence[str]) -> dict[str, int]:
    """Return the owner's id for each address (as given) that has an owner."""
    return {row.address: row.user_id for row in await session.rows(_Owner, _SQL["find_by_addresses"], list(addresses))}


async def primary_addresses(session: Session, user_ids: Sequence[int]) -> dict[int, str]:
    """Return the primary address of each user that has one, by user id."""
    return {row.user_id: row.address for row in await session.rows(_Owner, _SQL["primary_addresses"], list(user_ids))}


async def ensure(session: Session, names: Sequence[str]) -> dict[str, int]:
    """Return the id for each name (as given); creates missing users."""
    await session.execute(_SQL["ensure_named"], list(names))
    return {row.name: row.id for row in await session.rows(_Named, _SQL["ids_of_names"], list(names))}


async def give_address(session: Session, user_ids: Sequence[int]) -> None:
    """Use the name of users without an address as their primary address."""
    await session.execute(_SQL["give_address"], list(user_ids))
