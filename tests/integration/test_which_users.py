"""Which users a master profile archives: all, all except some, or only some."""

from __future__ import annotations

from typing import Any

import pytest

from muniment.errors import Misconfigured
from muniment.secrecy import Secret
from muniment.services.directories.users import add_user
from muniment.services.operating.show_status import show_status
from muniment.services.profiles.edit_profile import edit_profile, export_profile
from muniment.services.profiles.profile_document import with_change
from muniment.services.profiles.submit_profile import ProfileSummary
from tests.support.harness import Harness
from tests.support.imap_script import Script
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import mailbox, submit


async def people(harness: Harness) -> Script:
    """Add users with one, two and no addresses; return a server with a mailbox for each address."""
    for name, addresses in {
        "Ann": ["ann@example.com"],
        "Ben": ["ben@example.com", "Benjamin@example.com"],
        "Carla": ["carla@example.com"],
        "Nobody": [],
    }.items():
        await add_user(ADMIN, harness.resources, name, addresses)
    return Script({f"{name}@example.com": mailbox(name) for name in ("ann", "ben", "carla")})


async def mailboxes_of(harness: Harness, server: ImapServer, **changes: Any) -> set[str]:
    """Submit a profile of all users, run it, and return the owners of the archived mailboxes."""
    await submit(harness, server, mailboxes=None, **changes)
    report = await harness.archive("all")
    async with harness.database.session() as session:
        jobs = await session.values("SELECT address FROM jobs JOIN mailboxes ON mailboxes.id = mailbox_id")
    assert report.run.mailboxes.done == len(jobs)
    return set(jobs)


@pytest.mark.parametrize(
    ("left_out", "expected"),
    [
        ([], {"ann@example.com", "ben@example.com", "carla@example.com"}),
        (["ANN", "carla@EXAMPLE.com"], {"ben@example.com"}),
        (["benjamin@example.com"], {"ann@example.com", "carla@example.com"}),
    ],
)
async def test_all_users_but_some(harness: Harness, left_out: list[str], expected: set[str]) -> None:
    """Users are archived by primary address; those excluded by name or any address, in any case, are not stale."""
    async with ImapServer(await people(harness)) as server:
        archived = await mailboxes_of(harness, server, except_users=left_out)
        status = await show_status(ADMIN, harness.resources)

    assert archived == expected
    assert not status.stale


async def test_who_is_not_there_cannot_be_left_out(harness: Harness) -> None:
    """Excluding an unknown user is an error, because a typing mistake would archive mail that must not be."""
    async with ImapServer(await people(harness)) as server:
        with pytest.raises(Misconfigured, match="there is no user dora, emil to leave out"):
            await submit(harness, server, mailboxes=None, except_users=["Emil", "Ann", "Dora"])
        with pytest.raises(Misconfigured, match="only a profile of all users"):
            await submit(harness, server, mailboxes=["ann@example.com"], except_users=["Ben"])


async def test_the_list_can_be_changed(harness: Harness) -> None:
    """`profile edit --set mailboxes.but_not=…` changes the list."""
    async with ImapServer(await people(harness)) as server:
        await submit(harness, server, mailboxes=None, except_users=["Ann"])
    old = await export_profile(ADMIN, harness.resources, "all")
    new = with_change(old, "mailboxes.but_not", '["Ben", "Carla"]')
    secret = Secret("")
    summary: ProfileSummary = await edit_profile(ADMIN, harness.resources, old, new, password=secret, csv=None)

    assert old.mailboxes.but_not == ("ann",)
    assert summary.mailboxes == 1
    assert summary.profile.except_users == ("ben", "carla")
