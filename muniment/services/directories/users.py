"""Create, change, remove and list users."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from muniment.db import users
from muniment.db.database import Session
from muniment.errors import Conflict, NotFound
from muniment.model.user import User
from muniment.services.access.audit import Action, act, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources


@audited(Action.USER_ADDED, "name")
async def add_user(
    principal: Principal, resources: Resources, name: str, addresses: Sequence[str], *, with_archive: bool = False
) -> None:
    """Create a user; the first address is the primary one.

    `with_archive`: the name is that of a removed user, whose archive the new user gets. Raises Conflict if the name or
    an address is taken, or if there is such an archive and the caller does not ask for it: a namesake must not get a
    stranger's mail.
    """
    principal.require(Right.ADMIN)
    async with resources.database.transaction() as session:
        old = await _removed(session, name)
        if old is None and with_archive:
            raise NotFound(f"there is no archive of a removed user {name}", hint="`muniment user list --removed`")
        if old is not None and not with_archive:
            raise Conflict(
                f"the archive of the removed user {old.name} has this name",
                hint="Give the new user this archive with --with-archive, or choose another name.",
            )
        if old is None:
            await users.add(session, name, _distinct(addresses))
        else:
            await users.take_back(session, old.id, _distinct(addresses))
        await _act(session, principal, Action.USER_ADDED, None, await users.find(session, name))


@audited(Action.USER_CHANGED, "name")
async def set_addresses(principal: Principal, resources: Resources, name: str, addresses: Sequence[str]) -> User:
    """Replace a user's addresses, the first one is the primary address; return the changed user.

    Raises NotFound, or Conflict if an address is taken or a profile leaves the user out by an address that would go.
    """
    principal.require(Right.ADMIN)
    return await _change_addresses(principal, resources, name, lambda _: addresses)


@audited(Action.USER_CHANGED, "name")
async def add_address(
    principal: Principal, resources: Resources, name: str, address: str, *, primary: bool = False
) -> User:
    """Add an address to a user, or make it the primary one; return the changed user. Raises as `set_addresses` does."""
    principal.require(Right.ADMIN)
    return await _change_addresses(
        principal, resources, name, lambda old: [address, *old] if primary else [*old, address]
    )


@audited(Action.USER_CHANGED, "name")
async def remove_address(principal: Principal, resources: Resources, name: str, address: str) -> User:
    """Take an address from a user, and return the changed user. Raises as `set_addresses` does."""
    principal.require(Right.ADMIN)

    def without(old: Sequence[str]) -> list[str]:
        kept = [one for one in old if one.lower() != address.lower()]
        if len(kept) == len(old):
            raise NotFound(f"{address} is not an address of {name}", hint="`muniment user list` shows all addresses.")
        return kept

    return await _change_addresses(principal, resources, name, without)


@audited(Action.USER_CHANGED, "name")
async def rename_user(principal: Principal, resources: Resources, name: str, new_name: str) -> None:
    """Give a user another name; the archive follows.

    Raises NotFound, or Conflict if the new name is taken or a profile leaves the user out by the old one.
    """
    principal.require(Right.ADMIN)
    async with resources.database.transaction() as session:
        before = await _locked(session, name)
        await _check_left_out(session, [before.name] if before.name.lower() != new_name.lower() else [])
        await users.rename(session, before.id, new_name)
        await _act(session, principal, Action.USER_CHANGED, before, await users.find(session, new_name))


@audited(Action.USER_REMOVED, "name")
async def remove_user(principal: Principal, resources: Resources, name: str) -> list[str]:
    """Remove a user but keep the archive; return the profiles that still archive mailboxes into it. Raises NotFound."""
    principal.require(Right.ADMIN)
    async with resources.database.transaction() as session:
        before = await _locked(session, name)
        await users.remove(session, before.id)
        await _act(session, principal, Action.USER_REMOVED, before, None)
        return await users.profiles_of(session, before.id)


async def list_users(principal: Principal, resources: Resources, *, removed: bool = False) -> list[User]:
    """Return all users, ordered by name; with `removed`, also those whose archives remain."""
    principal.require(Right.ADMIN)
    async with resources.database.session() as session:
        return await users.list_all(session, removed=removed)


async def _change_addresses(
    principal: Principal, resources: Resources, name: str, change: Callable[[Sequence[str]], Sequence[str]]
) -> User:
    async with resources.database.transaction() as session:
        before = await _locked(session, name)
        wanted = _distinct(change(before.addresses))
        kept = {address.lower() for address in wanted}
        await _check_left_out(session, [address for address in before.addresses if address.lower() not in kept])
        await users.set_addresses(session, before.id, wanted)
        after = await users.find(session, before.name)
        await _act(session, principal, Action.USER_CHANGED, before, after)
        return after


async def _locked(session: Session, name: str) -> User:
    user_id = await users.find_id(session, name)
    await users.lock(session, user_id)
    found = await users.find(session, name)
    if found.removed is not None:
        raise NotFound(
            f"user {found.name} was removed",
            hint=f"`muniment user add '{found.name}' --with-archive --email ADDRESS` makes it a user again.",
        )
    return found


async def _removed(session: Session, name: str) -> User | None:
    try:
        found = await users.find(session, name)
    except NotFound:
        return None
    return found if found.removed is not None else None


async def _check_left_out(session: Session, going: Sequence[str]) -> None:
    """Refuse to forget a name or address that keeps its user out of a profile: the user would be archived."""
    found = await users.leaving_out(session, going)
    if found:
        raise Conflict(
            f"profile {found[0]} leaves this user out by {' or '.join(going)}",
            hint=f"Change the profile first: `muniment profile edit '{found[0]}' --set mailboxes.but_not=…`.",
        )


async def _act(session: Session, principal: Principal, action: Action, before: User | None, after: User | None) -> None:
    subject = after or before
    assert subject is not None
    await act(
        session,
        principal,
        action,
        subject.name,
        before=None if before is None else {"name": before.name, "addresses": before.addresses},
        after=None if after is None else {"name": after.name, "addresses": after.addresses},
    )


def _distinct(addresses: Sequence[str]) -> list[str]:
    """Return the addresses without those that only repeat an earlier one, at most in another case."""
    found: dict[str, str] = {}
    for address in addresses:
        found.setdefault(address.lower(), address)
    return list(found.values())
