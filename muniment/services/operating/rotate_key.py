"""Rotate the key that encrypts stored passwords, and show which keys are in use."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from muniment.db import installation
from muniment.errors import Conflict
from muniment.sealing import Key, KeyRing, key_of
from muniment.services.access.audit import Action, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.mailboxes.secret_box import current_box
from muniment.services.operating.seal_again import adopt_newest_key
from muniment.services.resources import Resources


@dataclass(frozen=True)
class KeyUse:
    """The key that seals, and how many stored passwords each key sealed, by id; "" counts unbound ones (version 1)."""

    active: str
    values: Mapping[str, int]


@dataclass(frozen=True)
class Rotation:
    """What a rotation did.

    `key`: the id of the key that is active now, or of the prepared one. `removed`: the ids of the keys that were
    deleted from the key file. `unreadable`: the passwords that keep an old key in the file, with the reason.
    """

    key: str
    values: int = 0
    removed: tuple[str, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)


async def key_use(principal: Principal, resources: Resources, ring: KeyRing) -> KeyUse:
    """Return which keys seal the stored passwords; Misconfigured if the ring lacks the active one."""
    principal.require(Right.ADMIN)
    async with resources.database.transaction() as session:
        box = await current_box(session, ring)
        headers = await installation.sealed_by(session)
    return KeyUse(box.active.id, {key_of(header): number for header, number in headers.items()})


@audited(Action.KEY_PREPARED)
async def prepare_key(principal: Principal, resources: Resources, ring: KeyRing) -> Rotation:
    """Put a new key into the key file, without using it yet; Conflict if one waits there already."""
    principal.require(Right.ADMIN)
    async with resources.database.session() as session, installation.only_rotation(session):
        await asyncio.to_thread(ring.refresh)
        use = await key_use(principal, resources, ring)
        if ring.keys[0].id != use.active:
            raise Conflict(
                f"key {ring.keys[0].id} is prepared already",
                hint="Copy the key file to every machine, then run `muniment key rotate`.",
            )
        await asyncio.to_thread(ring.add, Key.generate())
    return Rotation(ring.keys[0].id)


@audited(Action.KEY_ROTATED)
async def rotate_key(principal: Principal, resources: Resources, ring: KeyRing) -> Rotation:
    """Seal every password with a new key, then delete the old one from the key file.

    Uses the key that `prepare_key` made, or that an interrupted rotation left, and otherwise makes one. May be
    interrupted at any point and repeated. Old keys stay in the file as long as a password needs them.
    """
    principal.require(Right.ADMIN)
    async with resources.database.session() as session, installation.only_rotation(session):
        await asyncio.to_thread(ring.refresh)
        use = await key_use(principal, resources, ring)
        is_new = len(ring.keys) == 1 and set(use.values) <= {"", use.active}
        if is_new:
            await asyncio.to_thread(ring.add, Key.generate())
        key = ring.keys[0].id
        done = await adopt_newest_key(principal, resources, ring)
        left = set((await key_use(principal, resources, ring)).values) - {key}
        removed = () if done.unreadable or left else tuple(await asyncio.to_thread(ring.retain, key))
    return Rotation(key, done.values, removed, done.unreadable)
