"""Seal every stored password again: for a new key, or for the place where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field

from muniment.db import installation, profiles
from muniment.db.database import Session
from muniment.db.installation import Hold
from muniment.db.profiles import SealedMailbox, SealedProfile
from muniment.errors import Misconfigured
from muniment.sealing import KeyRing, SecretBox
from muniment.services.access import audit
from muniment.services.access.audit import Action
from muniment.services.access.principal import Principal, Right
from muniment.services.mailboxes.credentials import mailbox_place, profile_place
from muniment.services.mailboxes.secret_box import current_box
from muniment.services.resources import Resources

_BATCH = 200


@dataclass
class Sealed:
    """What was done: `values` were sealed again; the others, by name, cannot be decrypted where they stand."""

    values: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)


async def bind_passwords(principal: Principal, resources: Resources, ring: KeyRing) -> Sealed:
    """Bind the passwords of the time before version 2 to their place; from then on an unbound one is refused.

    Run this when no process of an older version works any more: those cannot read what it writes. It may be
    interrupted and repeated. An unreadable password stays as it is.
    """
    principal.require(Right.ADMIN)
    async with resources.database.transaction() as session:
        box = await current_box(session, ring)
    done = Sealed()
    while box.accepts_unbound:
        done = await _seal_all(resources, box, done)
        async with resources.database.transaction() as session:
            box = await current_box(session, ring, Hold.SEALING)
            await installation.keep_passwords(session)
            others = sum(n for header, n in (await installation.sealed_by(session)).items() if header != box.header())
            if others <= len(done.unreadable):  # nothing was stored since
                await installation.set_key_check(session, box.check())
                await audit.act(session, principal, Action.PASSWORDS_BOUND, "key", after={"values": done.values})
                break
    return done


async def adopt_newest_key(principal: Principal, resources: Resources, ring: KeyRing) -> Sealed:
    """Seal every password with the newest key of the ring, and make that the active one.

    May be interrupted and repeated. If passwords are unreadable, older keys are still in use.
    """
    principal.require(Right.ADMIN)
    bound = await bind_passwords(principal, resources, ring)
    async with resources.database.transaction() as session:
        old = await current_box(session, ring, Hold.SEALING)
        box = SecretBox(ring, old.installation, ring.keys[0])
        if old.active != box.active:
            # From now on everybody seals with the new key: one pass over what is there is enough.
            await installation.set_key_check(session, box.check())
            before, after = {"key": old.active.id}, {"key": box.active.id}
            await audit.act(session, principal, Action.KEY_ROTATED, "key", before=before, after=after)
    return await _seal_all(resources, box, Sealed(bound.values))


async def _seal_all(resources: Resources, box: SecretBox, before: Sealed) -> Sealed:
    done = Sealed(before.values)
    last = 0
    while True:
        async with resources.database.transaction() as session:
            found = await profiles.sealed_otherwise(session, last, box.header(), _BATCH)
            for profile in found:
                await _seal_profile(session, box, profile, done)
        if not found:
            break
        last = found[-1].id
    at = (0, 0)
    while True:
        async with resources.database.transaction() as session:
            rows = await profiles.mailboxes_sealed_otherwise(session, at, box.header(), _BATCH)
            for row in rows:
                await _seal_mailbox(session, box, row, done)
        if not rows:
            return done
        at = (rows[-1].profile_id, rows[-1].mailbox_id)


async def _seal_profile(session: Session, box: SecretBox, found: SealedProfile, done: Sealed) -> None:
    try:
        place = profile_place(found.id, found.stored().profile.server)
        sealed = box.seal(box.open(found.password, place), place)
    except Misconfigured as error:
        done.unreadable[f"profile {found.name}"] = str(error)
        return
    await profiles.set_password(session, found.id, sealed)
    done.values += 1


async def _seal_mailbox(session: Session, box: SecretBox, found: SealedMailbox, done: Sealed) -> None:
    profile = (await profiles.get(session, found.profile_id)).profile
    try:
        server = profile.server.at(found.server)
        place = mailbox_place(profile.id, found.mailbox_id, found.login_user, server)
        sealed = box.seal(box.open(found.password, place), place)
    except Misconfigured as error:
        done.unreadable[f"profile {profile.name}, mailbox {found.address}"] = str(error)
        return
    await profiles.set_mailbox_password(session, found.profile_id, found.mailbox_id, sealed)
    done.values += 1
