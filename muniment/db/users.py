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
    await set_addresses(session, user_id, addresses)
    return user_id


async def set_addresses(session: Session, user_id: int, addresses: Sequence[str]) -> None:
    """Replace a user's addresses; the first one is the primary address. Raises Conflict if one is taken."""
    await session.execute(_SQL["clear_addresses"], user_id)
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


async def rename(session: Session, user_id: int, name: str) -> None:
    """Give a user another name; Conflict if it is taken."""
    try:
        await session.execute(_SQL["rename"], user_id, name)
    except Conflict as error:
        raise Conflict(f"there is already a user or an archive named {name}") from error


async def remove(session: Session, user_id: int) -> None:
    """Remove a user and the user's addresses; the archive stays."""
    await session.execute(_SQL["remove"], user_id)
    await session.execute(_SQL["clear_addresses"], user_id)


async def take_back(session: Session, user_id: int, addresses: Sequence[str]) -> None:
    """Make a removed user one again, with the archive; Conflict if an address is taken."""
    await session.execute(_SQL["take_back"], user_id)
    await set_addresses(session, user_id, addresses)


async def lock(session: Session, user_id: int) -> None:
    """Wait for other changes of this user, and keep them out until the transaction ends."""
    await session.execute(_SQL["lock"], user_id)


async def leaving_out(session: Session, names: Sequence[str]) -> list[str]:
    """Return the profiles of all users that leave out one of these names or addresses."""
    return await session.values(_SQL["leaving_out"], [name.lower() for name in names])


async def profiles_of(session: Session, user_id: int) -> list[str]:
    """Return the profiles that name mailboxes of a user's archive."""
    return await session.values(_SQL["profiles_of"], user_id)


async def list_all(session: Session, *, removed: bool = False) -> list[User]:
    """Return all users, sorted by name; with `removed`, also the removed ones, whose archives remain."""
    return await session.rows(User, _SQL["list_all"], removed)


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


async def give_addresses(session: Session, given: Sequence[tuple[int, str]]) -> None:
    """Give addresses to the users (by id) who have none, in this order; skips what belongs to somebody else."""
    await session.execute(_SQL["give_addresses"], [user_id for user_id, _ in given], [address for _, address in given])
