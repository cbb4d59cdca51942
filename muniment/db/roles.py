"""Roles in PostgreSQL: one owns everything and migrates, another one works and owns nothing (docs/decisions/0021)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from muniment.db.database import Database, Session
from muniment.db.logins import READER, Login, scram_verifier
from muniment.db.sql import load
from muniment.errors import Misconfigured

_SQL = load("roles")


@dataclass(frozen=True)
class Where:
    """Who is connected, and to which database of which server."""

    role: str
    database: str
    started: datetime


@dataclass(frozen=True)
class Separation:
    """What the connected `role` could do to the tables and the audit log, which belong to `owner`."""

    role: str
    owner: str
    is_superuser: bool
    acts_as_owner: bool
    changes_audit: bool
    is_unguarded: bool
    owns_tables: bool
    creates_objects: bool
    skips_triggers: bool

    @property
    def problems(self) -> list[str]:
        """What is not separated, as sentences; empty if the audit log is protected."""
        if self.is_superuser or self.acts_as_owner:
            what = "is a superuser" if self.is_superuser else "owns the tables"
            found = [f"the database role {self.role} {what}: the audit log is not protected from Muniment itself"]
        else:
            could = {
                "change the audit log": self.changes_audit,
                "change some of the tables' structure": self.owns_tables,
                "create objects beside the tables": self.creates_objects,
                "switch triggers off": self.skips_triggers,
            }
            found = [f"the database role {self.role} may {what}" for what, can in could.items() if can]
        if self.is_unguarded:
            found.append("the trigger that protects the audit log is missing or switched off")
        return found


async def where(session: Session) -> Where:
    """Return who is connected to what."""
    found = await session.row(Where, _SQL["where"])
    assert found is not None
    return found


async def separation(session: Session) -> Separation:
    """Return how far the connected role is separated from the owner; the schema must be migrated."""
    found = await session.row(Separation, _SQL["separation"])
    assert found is not None
    return found


async def grant(session: Session, runtime: str) -> None:
    """Give the runtime role its rights on everything that exists; requires a transaction as the owner."""
    await session.execute(_SQL["name_roles"], "", runtime, READER)
    await session.execute(_SQL["grant"])
    await session.execute(_SQL["grant_reader"])


async def create(database: Database, owner: Login, runtime: Login) -> None:
    """Create the roles, or adopt existing ones, and give everything in the database to the owner.

    `database` is open as an administrator: a superuser, or a role with CREATEROLE that owns the database. Raises
    Misconfigured if a role is unsuitable. It is safe to repeat this.
    """
    async with database.transaction() as session:
        me = (await where(session)).role
        for login in (owner, runtime):
            if login.role != me:
                await _make_login(session, login)
        if runtime.role in {me, owner.role}:
            raise Misconfigured(
                f"the role {runtime.role} of MUNIMENT_DATABASE_URL is also the administrator or the owner",
                hint="Name another role in MUNIMENT_DATABASE_URL; it is created if it does not exist.",
            )
        await session.execute(_SQL["name_roles"], owner.role, runtime.role, READER)
        await session.execute(_SQL["make_reader"])
        await session.execute(_SQL["separate"])
        await session.execute(_SQL["become_owner"])
        await session.execute(_SQL["take_over"])


async def _make_login(session: Session, login: Login) -> None:
    if await session.value(_SQL["is_superuser"], login.role):
        raise Misconfigured(
            f"the role {login.role} is a superuser",
            hint="Name a role without rights of its own; it is created if it does not exist.",
        )
    verifier = scram_verifier(login.password) if login.password else ""
    await session.execute(_SQL["name_login"], login.role, verifier)
    await session.execute(_SQL["make_login"])
