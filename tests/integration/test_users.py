"""Users over the years: addresses, names, leaving and coming back. The archive stays."""

from __future__ import annotations

import pytest

from muniment.errors import Conflict, Forbidden, NotFound
from muniment.model.profile import ProfileKind
from muniment.model.user import User
from muniment.secrecy import Secret
from muniment.services.access.audit import show_audit
from muniment.services.access.principal import Principal
from muniment.services.directories.users import (
    add_address,
    add_user,
    list_users,
    remove_address,
    remove_user,
    rename_user,
    set_addresses,
)
from muniment.services.searching.search_messages import Search, search_messages
from tests.support.harness import Harness
from tests.support.imap_script import Script
from tests.support.imap_server import running_imap_server
from tests.support.principal import ADMIN
from tests.support.scripted import mailbox, submit

ANN = "ann@example.com"


async def add(harness: Harness, name: str, *addresses: str) -> None:
    """Add a user."""
    await add_user(ADMIN, harness.resources, name, addresses)


async def find(harness: Harness, name: str) -> User:
    """Return the user or removed user of this name."""
    (found,) = [one for one in await list_users(ADMIN, harness.resources, removed=True) if one.name == name]
    return found


async def test_addresses_are_replaced_added_and_removed(harness: Harness) -> None:
    """The first address is the primary one; an address belongs to one user, and repetitions do not count."""
    resources = harness.resources
    await add(harness, "Ann", "a@example.com", "A@Example.com", "b@example.com")
    assert (await find(harness, "Ann")).addresses == ["a@example.com", "b@example.com"]

    added = await add_address(ADMIN, resources, "ann", "c@example.com")
    primary = await add_address(ADMIN, resources, "Ann", "B@example.com", primary=True)
    fewer = await remove_address(ADMIN, resources, "Ann", "b@EXAMPLE.com")
    replaced = await set_addresses(ADMIN, resources, "Ann", ["new@example.com"])
    await add(harness, "Ben", "a@example.com")

    assert added.addresses == ["a@example.com", "b@example.com", "c@example.com"]
    assert primary.addresses == ["B@example.com", "a@example.com", "c@example.com"]
    assert fewer.addresses == ["a@example.com", "c@example.com"]
    assert replaced.addresses == ["new@example.com"]
    with pytest.raises(Conflict, match="address A@example.com belongs to another user"):
        await set_addresses(ADMIN, resources, "Ann", ["x@example.com", "A@example.com"])
    with pytest.raises(NotFound, match="is not an address of Ann"):
        await remove_address(ADMIN, resources, "Ann", "x@example.com")
    assert (await find(harness, "Ann")).addresses == ["new@example.com"]


async def test_removing_a_user_keeps_the_archive(harness: Harness) -> None:
    """The addresses become free and the user can no longer read; the mail stays, and a successor gets it if told so."""
    resources = harness.resources
    with running_imap_server(Script({ANN: mailbox("ann")})) as server:
        await add(harness, "Ann", ANN)
        await submit(harness, server, mailboxes=[ANN])
        await harness.archive("all")
        archived = await harness.exported("Ann")
        named = await remove_user(ADMIN, resources, "Ann")

    assert named == ["all"]
    assert await harness.exported("Ann", "again") == archived != {}
    assert await list_users(ADMIN, resources) == []
    assert (await find(harness, "Ann")).removed is not None
    with pytest.raises(Forbidden, match="user Ann was removed"):
        await search_messages(Principal.archive_user("Ann"), resources, Search("the"))
    await search_messages(ADMIN.on_behalf_of("Ann"), resources, Search("the"))
    await add(harness, "Ben", ANN)
    with pytest.raises(Conflict, match="archive of the removed user Ann") as caught:
        await add(harness, "ann", "ann2@example.com")
    assert caught.value.hint is not None
    assert "--with-archive" in caught.value.hint
    for change in (remove_user(ADMIN, resources, "Ann"), rename_user(ADMIN, resources, "Ann", "Other")):
        with pytest.raises(NotFound, match="user Ann was removed"):
            await change

    await add_user(ADMIN, resources, "ann", ["ann2@example.com"], with_archive=True)

    back = await find(harness, "Ann")
    assert (back.removed, back.addresses) == (None, ["ann2@example.com"])


async def test_an_archive_is_taken_over_only_if_there_is_one(harness: Harness) -> None:
    """A mistyped name with --with-archive is refused; so is the name of a user who is there."""
    with pytest.raises(NotFound, match="no archive of a removed user Ann"):
        await add_user(ADMIN, harness.resources, "Ann", [ANN], with_archive=True)
    await add(harness, "Ann", ANN)
    with pytest.raises(Conflict, match="already exists"):
        await add(harness, "Ann", "b@example.com")


async def test_renaming(harness: Harness) -> None:
    """The user keeps id, addresses and archive; the new name must be free, the archives of removed users included."""
    resources = harness.resources
    for name in ("Ann", "Ben", "Carla"):
        await add(harness, name, f"{name}@example.com")
    await remove_user(ADMIN, resources, "Carla")
    before = await find(harness, "Ann")

    await rename_user(ADMIN, resources, "ann", "ANN Smith")

    after = await find(harness, "ANN Smith")
    assert (after.id, after.addresses) == (before.id, before.addresses)
    for taken in ("ben", "carla"):
        with pytest.raises(Conflict, match=f"already a user or an archive named {taken}"):
            await rename_user(ADMIN, resources, "ANN Smith", taken)
    with pytest.raises(NotFound):
        await rename_user(ADMIN, resources, "nobody", "somebody")


async def test_who_is_left_out_stays_left_out(harness: Harness) -> None:
    """A name or address by which a profile of all users leaves somebody out does not vanish unnoticed."""
    resources = harness.resources
    with running_imap_server(Script({})) as server:
        await add(harness, "Ann", ANN, "a@example.com")
        await add(harness, "Ben", "ben@example.com")
        await submit(harness, server, mailboxes=None, except_users=["BEN", "a@example.com"])

    with pytest.raises(Conflict, match="profile all leaves this user out by Ben"):
        await rename_user(ADMIN, resources, "Ben", "Benjamin")
    with pytest.raises(Conflict, match="leaves this user out by a@example.com"):
        await remove_address(ADMIN, resources, "Ann", "a@example.com")
    await rename_user(ADMIN, resources, "Ben", "BEN")
    await rename_user(ADMIN, resources, "Ann", "Anna")
    await set_addresses(ADMIN, resources, "Anna", ["A@example.com"])


async def test_every_change_of_a_user_is_audited(harness: Harness) -> None:
    """The log has the state before and after."""
    resources = harness.resources
    await add(harness, "Ann", ANN)
    await add_address(ADMIN, resources, "Ann", "a@example.com")
    await rename_user(ADMIN, resources, "Ann", "Anna")
    await remove_user(ADMIN, resources, "Anna")

    entries = [one for one in await show_audit(ADMIN, resources, None, 10) if one.action.startswith("user ")]

    states = [(one.action, one.before, one.after) for one in reversed(entries)]
    ann = {"name": "Ann", "addresses": [ANN]}
    two = {"name": "Ann", "addresses": [ANN, "a@example.com"]}
    anna = {"name": "Anna", "addresses": [ANN, "a@example.com"]}
    assert states == [
        ("user added", None, ann),
        ("user changed", ann, two),
        ("user changed", two, anna),
        ("user removed", anna, None),
    ]


async def test_users_made_by_a_profile_get_the_addresses_that_are_known(harness: Harness) -> None:
    """A user of a CSV row owns its address, in the order of the rows, unless somebody else has it."""
    await add(harness, "Owner", "taken@example.com")
    await add(harness, "Ben", "ben@example.com")
    rows = [
        "login;password;address;user",
        "x;pw;taken@example.com;Ann",
        "x;pw;a@example.com;Ann",
        "y;pw;b@example.com;Ann",
        "z;pw;other@example.com;Ben",
        "v;pw;plain-account;Carla",
    ]
    with running_imap_server(Script({})) as server:
        csv = "\n".join(rows).encode()
        await submit(
            harness, server, kind=ProfileKind.CSV, mailboxes=None, user="", login=None, password=Secret(""), csv=csv
        )

    addresses = {one.name: one.addresses for one in await list_users(ADMIN, harness.resources)}
    assert addresses == {
        "Owner": ["taken@example.com"],
        "Ann": ["a@example.com", "b@example.com"],
        "Ben": ["ben@example.com"],
        "Carla": [],
    }


async def test_the_user_of_a_single_mailbox_gets_its_address(harness: Harness) -> None:
    """The mailbox's address, or else the login if it is an address."""
    with running_imap_server(Script({})) as server:
        await submit(harness, server, kind=ProfileKind.SINGLE, mailboxes=None, user=ANN, login=None)

    assert (await find(harness, ANN)).addresses == [ANN]
