"""Keys are rotated without losing a password, whatever interrupts it; unbound passwords are bound once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from muniment.db import installation, profiles
from muniment.db.installation import Hold
from muniment.errors import Conflict, Misconfigured
from muniment.model.login import LoginMethod
from muniment.model.profile import ProfileKind
from muniment.sealing import KEY_CHECK, Key, KeyRing, SecretBox
from muniment.secrecy import Secret, create_key_file
from muniment.services.access.audit import show_audit
from muniment.services.mailboxes.credentials import mailbox_place, open_logins, profile_place
from muniment.services.mailboxes.secret_box import current_box
from muniment.services.operating import seal_again
from muniment.services.operating.check_installation import check_installation
from muniment.services.operating.reset_key import reset_key
from muniment.services.operating.rotate_key import key_use, prepare_key, rotate_key
from muniment.services.operating.seal_again import bind_passwords
from muniment.services.profiles.edit_profile import edit_profile, export_profile
from tests.support.harness import Harness
from tests.support.principal import ADMIN
from tests.support.sealing import sealed_unbound

CSV = b"login;password;address;user\n" + b"".join(b"u%d;pw%d;u%d@example.com;U%d\n" % (n, n, n, n) for n in range(12))
PASSWORDS = {"office": "master", **{f"u{n}@example.com": f"pw{n}" for n in range(12)}}


@pytest.fixture
async def filled(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> Harness:
    """Return an installation with 13 passwords in two profiles, sealed again in small batches."""
    monkeypatch.setattr(seal_again, "_BATCH", 4)
    await harness.submit("office", "mail.example.com", 993, mailboxes=["ann@example.com"])
    csv = {"kind": ProfileKind.CSV, "login": LoginMethod.parse("login"), "mailboxes": None, "user": ""}
    await harness.submit("rows", "mail.example.com", 993, csv=CSV, password=Secret(""), **csv)
    return harness


def path_of(harness: Harness) -> Path:
    """Return the key file."""
    return harness.resources.settings.key_file


def ring_of(harness: Harness) -> KeyRing:
    """Return the keys that a new process reads."""
    return KeyRing.from_key_file(path_of(harness))


async def passwords(harness: Harness) -> dict[str, str]:
    """Return every password as a worker would send it."""
    found = {}
    async with harness.database.session() as session:
        for name in ("office", "rows"):
            stored = await profiles.get(session, (await profiles.find(session, name)).id)
            logins = await open_logins(harness.resources, stored)
            for mailbox in await profiles.test_mailboxes(session, stored.profile):
                key = name if name == "office" else mailbox.address
                found[key] = logins.of_mailbox(mailbox).credentials.password.reveal()
    return found


async def use(harness: Harness) -> dict[str, int]:
    """Return how many passwords each key seals."""
    return dict((await key_use(ADMIN, harness.resources, ring_of(harness))).values)


async def unbind(harness: Harness) -> None:
    """Write every password and the check value as an older version did."""
    async with harness.database.transaction() as session:
        box = await current_box(session, harness.resources.secrets, Hold.SEALING)
        for profile in await profiles.sealed_otherwise(session, 0, b"\x00", 1000):
            place = profile_place(profile.id, profile.profile().server)
            old = sealed_unbound(box.active, box.open(profile.password, place), place)
            await profiles.set_password(session, profile.id, old)
        for row in await profiles.mailboxes_sealed_otherwise(session, (0, 0), b"\x00", 1000):
            server = (await profiles.get(session, row.profile_id)).profile.server.at(row.server)
            place = mailbox_place(row.profile_id, row.mailbox_id, row.login_user, server)
            old = sealed_unbound(box.active, box.open(row.password, place), place)
            await profiles.set_mailbox_password(session, row.profile_id, row.mailbox_id, old)
        check = sealed_unbound(box.active, Secret("muniment"), KEY_CHECK)
        await installation.set_key_check(session, check)


async def test_a_rotation_encrypts_everything_again_and_removes_the_old_key(filled: Harness) -> None:
    """Passwords stay the same, one key is left, it is not the old one, and the audit log names both."""
    [old] = ring_of(filled).keys
    done = await rotate_key(ADMIN, filled.resources, ring_of(filled))

    assert (done.values, done.removed, done.unreadable) == (13, (old.id,), {})
    assert [key.id for key in ring_of(filled).keys] == [done.key] != [old.id]
    assert await use(filled) == {done.key: 13}
    assert await passwords(filled) == PASSWORDS  # by a process that read the key file before the rotation
    [entry] = [e for e in await show_audit(ADMIN, filled.resources, None, 10) if e.action == "key rotated"]
    assert (entry.before, entry.after) == ({"key": old.id}, {"key": done.key})
    with pytest.raises(Misconfigured, match="is not the one"):
        await check_installation(filled.database, KeyRing([old]))


async def test_a_second_rotation_makes_another_key(filled: Harness) -> None:
    """Each command that finishes has made one key."""
    keys = [(await rotate_key(ADMIN, filled.resources, ring_of(filled))).key for _ in range(3)]

    assert len(set(keys)) == 3
    assert await passwords(filled) == PASSWORDS


class _Killed(Exception):
    pass


@pytest.mark.parametrize("survives", range(0, 14, 2))
async def test_a_killed_rotation_continues(filled: Harness, monkeypatch: pytest.MonkeyPatch, survives: int) -> None:
    """Killed at any password, nothing is lost meanwhile; the repetition uses the key of the first attempt."""
    [old] = ring_of(filled).keys
    left = survives
    for name in ("set_password", "set_mailbox_password"):
        genuine: Callable[..., Awaitable[None]] = getattr(profiles, name)

        async def limited(*args: Any, genuine: Callable[..., Awaitable[None]] = genuine) -> None:
            nonlocal left
            if left == 0:
                raise _Killed
            left -= 1
            await genuine(*args)

        monkeypatch.setattr(profiles, name, limited)
    if survives < 13:
        with pytest.raises(_Killed):
            await rotate_key(ADMIN, filled.resources, ring_of(filled))
    monkeypatch.undo()
    meanwhile = await passwords(filled)
    waiting = [key.id for key in ring_of(filled).keys]
    done = await rotate_key(ADMIN, filled.resources, ring_of(filled))

    assert meanwhile == await passwords(filled) == PASSWORDS
    assert waiting == [done.key, old.id] or survives > 13
    assert [key.id for key in ring_of(filled).keys] == [done.key]


async def test_an_old_key_that_only_waits_to_be_removed(filled: Harness) -> None:
    """Killed after the last password and before the key file was written, the next rotation only removes the key."""
    old = ring_of(filled)
    done = await rotate_key(ADMIN, filled.resources, ring_of(filled))
    path_of(filled).write_text("".join(f"{k.secret.reveal()}\n" for k in (*ring_of(filled).keys, *old.keys)))
    again = await rotate_key(ADMIN, filled.resources, ring_of(filled))

    assert (again.key, again.values, again.removed) == (done.key, 0, (old.keys[0].id,))


async def test_several_machines_get_the_key_before_it_is_used(filled: Harness, tmp_path: Path) -> None:
    """A prepared key seals nothing; a machine with the copied file reads everything during and after the rotation."""
    [old] = ring_of(filled).keys
    prepared = await prepare_key(ADMIN, filled.resources, ring_of(filled))
    await edit(filled, "kept")
    assert await use(filled) == {old.id: 13}
    with pytest.raises(Conflict, match="prepared already"):
        await prepare_key(ADMIN, filled.resources, ring_of(filled))
    copy = tmp_path / "copy.key"
    copy.write_bytes(path_of(filled).read_bytes())
    other = Harness(replace(filled.resources, secrets=KeyRing.from_key_file(copy)), filled.folder)
    done = await rotate_key(ADMIN, filled.resources, ring_of(filled))

    assert done.key == prepared.key
    assert await passwords(other) == {**PASSWORDS, "office": "kept"}
    await edit(other, "by the other machine")
    assert await use(filled) == {done.key: 13}


async def edit(harness: Harness, password: str) -> None:
    """Set the password of a profile."""
    document = await export_profile(ADMIN, harness.resources, "office")
    await edit_profile(ADMIN, harness.resources, document, document, password=Secret(password), csv=None)


async def test_a_password_stored_during_a_rotation_has_the_new_key(filled: Harness) -> None:
    """Whoever stores a password asks for the active key in the same transaction: none is left with a removed key."""
    storing = asyncio.gather(*(edit(filled, f"number {number}") for number in range(8)))
    done = await rotate_key(ADMIN, filled.resources, ring_of(filled))
    await storing

    assert await use(filled) == {done.key: 13}
    assert (await passwords(filled))["office"].startswith("number ")


async def test_only_one_rotation_at_a_time(filled: Harness) -> None:
    """A second one is refused, instead of making a key of its own."""
    async with filled.database.session() as session, installation.only_rotation(session):
        with pytest.raises(Conflict, match="being rotated"):
            await rotate_key(ADMIN, filled.resources, ring_of(filled))
    await rotate_key(ADMIN, filled.resources, ring_of(filled))


async def test_what_cannot_be_decrypted_stops_nothing_and_keeps_its_key(filled: Harness) -> None:
    """A moved password is named, the others get the new key, and the old key stays until the password is set again."""
    [old] = ring_of(filled).keys
    async with filled.database.session() as session:
        await session.execute(
            "UPDATE profile_mailboxes SET password = (SELECT password FROM profile_mailboxes "
            "WHERE password <> '' ORDER BY mailbox_id DESC LIMIT 1) "
            "WHERE password <> '' AND mailbox_id = (SELECT min(mailbox_id) FROM profile_mailboxes WHERE password <> '')"
        )
    done = await rotate_key(ADMIN, filled.resources, ring_of(filled))

    assert len(done.unreadable) == 1
    assert next(iter(done.unreadable)).startswith("profile rows, mailbox u")
    assert await use(filled) == {done.key: 12, old.id: 1}
    assert [key.id for key in ring_of(filled).keys] == [done.key, old.id]
    rows = await export_profile(ADMIN, filled.resources, "rows")
    await edit_profile(ADMIN, filled.resources, rows, rows, password=Secret(""), csv=CSV)
    assert (await rotate_key(ADMIN, filled.resources, ring_of(filled))).removed == (old.id,)
    assert await passwords(filled) == PASSWORDS


async def test_values_of_an_older_version_work_until_they_are_bound(filled: Harness) -> None:
    """The upgrade loses nothing: unbound passwords open, are bound once, and are refused from then on."""
    await unbind(filled)
    assert await use(filled) == {"": 13}
    assert await passwords(filled) == PASSWORDS
    async with filled.database.session() as session:
        unbound = await session.value("SELECT password FROM profiles WHERE name = 'office'")
        check = await session.value("SELECT key_check FROM installation")
    done = await bind_passwords(ADMIN, filled.resources, ring_of(filled))

    assert (done.values, done.unreadable) == (13, {})
    assert "" not in await use(filled)
    assert await passwords(filled) == PASSWORDS
    assert (await bind_passwords(ADMIN, filled.resources, ring_of(filled))).values == 0
    async with filled.database.session() as session:
        await session.execute("UPDATE profiles SET password = $1 WHERE name = 'office'", unbound)
    with pytest.raises(Misconfigured, match="before passwords were bound"):
        await passwords(filled)
    # With a check value of that time as well, a backup can still be played back, but only until the key is rotated.
    await edit(filled, "master")
    await rotate_key(ADMIN, filled.resources, ring_of(filled))
    async with filled.database.session() as session:
        await session.execute("UPDATE profiles SET password = $1 WHERE name = 'office'", unbound)
        await session.execute("UPDATE installation SET key_check = $1", check)
    with pytest.raises(Misconfigured, match="is not the one"):
        await passwords(filled)


async def test_a_rotation_binds_what_is_unbound(filled: Harness) -> None:
    """After an upgrade, `key rotate` alone is enough."""
    await unbind(filled)
    done = await rotate_key(ADMIN, filled.resources, ring_of(filled))

    assert await use(filled) == {done.key: 13}
    assert await passwords(filled) == PASSWORDS
    assert len(ring_of(filled).keys) == 1


async def test_a_password_stored_while_others_are_bound(filled: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of the older version stores an unbound password at the last moment: it is bound as well."""
    await unbind(filled)
    genuine = seal_again._seal_all
    calls = 0

    async def late(*args: Any) -> seal_again.Sealed:
        nonlocal calls
        done = await genuine(*args)
        calls += 1
        if calls == 1:
            await unbind(filled)
        return done

    monkeypatch.setattr(seal_again, "_seal_all", late)
    await bind_passwords(ADMIN, filled.resources, ring_of(filled))

    assert calls == 2
    assert "" not in await use(filled)
    assert await passwords(filled) == PASSWORDS


async def test_without_its_row_an_installation_takes_no_key(filled: Harness, tmp_path: Path) -> None:
    """Somebody deleted the row that knows the key: neither a foreign key nor the right one passes for the first."""
    async with filled.database.session() as session:
        await session.execute("DELETE FROM installation")
    create_key_file(tmp_path / "foreign.key")
    for ring in (KeyRing.from_key_file(tmp_path / "foreign.key"), ring_of(filled)):
        with pytest.raises(Misconfigured, match="is missing") as caught:
            await check_installation(filled.database, ring)
        assert "muniment key reset" in (caught.value.hint or "")
    with pytest.raises(Misconfigured, match="is missing"):
        await passwords(filled)
    with pytest.raises(Misconfigured, match="is missing"):
        await edit(filled, "x")

    await reset_key(ADMIN, filled.resources, ring_of(filled))

    await check_installation(filled.database, ring_of(filled))
    assert await use(filled) == {}


async def test_with_another_id_an_installation_is_another_one(filled: Harness) -> None:
    """The id is part of every seal, also of the check value."""
    async with filled.database.session() as session:
        await session.execute("UPDATE installation SET id = gen_random_uuid()")

    with pytest.raises(Misconfigured, match="is not the one"):
        await check_installation(filled.database, ring_of(filled))


async def test_a_first_key_needs_an_unused_installation(harness: Harness) -> None:
    """In an empty database, the first key is accepted, also when two processes are the first."""
    await asyncio.gather(*(check_installation(harness.database, ring_of(harness)) for _ in range(4)))

    assert isinstance(ring_of(harness).keys[0], Key)
    async with harness.database.transaction() as session:
        assert isinstance(await current_box(session, ring_of(harness)), SecretBox)
        assert await session.value("SELECT count(*) FROM installation") == 1
