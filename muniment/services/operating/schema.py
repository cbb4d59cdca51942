"""The database schema: migrations, and the roles that own it and work with it."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from muniment.db import migrate, roles
from muniment.db.database import Database
from muniment.db.logins import Login
from muniment.errors import Misconfigured
from muniment.secrecy import Secret
from muniment.services.access.audit import Action, act, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources

_WHOLE = "installation"


@audited(Action.MIGRATED, anyway=True)
async def apply_migrations(principal: Principal, resources: Resources) -> int:
    """Apply pending migrations and return how many ran; Misconfigured if the applied history differs.

    `resources.database` is open as the owner of the tables. Afterwards, the role that Muniment works as has its rights
    on whatever is new.
    """
    principal.require(Right.ADMIN)
    count = await migrate.migrate(resources.database)
    await grant_runtime(resources, resources.database)
    async with resources.database.session() as session:
        await act(session, principal, Action.MIGRATED, _WHOLE, details={"applied": count})
    return count


async def count_pending_migrations(principal: Principal, resources: Resources) -> int:
    """Return how many migrations are pending."""
    principal.require(Right.ADMIN)
    return await migrate.pending(resources.database)


@audited(Action.ROLES_CREATED, anyway=True)
async def create_roles(principal: Principal, resources: Resources) -> tuple[str, str]:
    """Create the roles of MUNIMENT_OWNER_DATABASE_URL and MUNIMENT_DATABASE_URL and separate them; return their names.

    `resources.database` is open as an administrator of PostgreSQL. Everything in the database then is the owner's.
    """
    principal.require(Right.ADMIN)
    owner_url = resources.settings.owner_database_url
    owner = _login(owner_url, "MUNIMENT_OWNER_DATABASE_URL")
    runtime = _login(resources.settings.database_url, "MUNIMENT_DATABASE_URL")
    assert owner_url is not None
    await roles.create(resources.database, owner, runtime)
    database = await Database.open(owner_url, connections=1)
    try:
        await grant_runtime(resources, database)
    finally:
        await database.close()
    return owner.role, runtime.role


async def grant_runtime(resources: Resources, owner: Database) -> None:
    """Give the role of MUNIMENT_DATABASE_URL its rights, if it is another one than that of `owner`."""
    url = resources.settings.database_url
    if url is None or resources.settings.owner_database_url in {None, url}:
        return
    runtime = await Database.open(url, connections=1)
    try:
        async with runtime.session() as session:
            works = await roles.where(session)
    finally:
        await runtime.close()
    async with owner.transaction() as session:
        owns = await roles.where(session)
        if (owns.database, owns.started) != (works.database, works.started):
            raise Misconfigured("MUNIMENT_OWNER_DATABASE_URL and MUNIMENT_DATABASE_URL lead to different databases")
        if owns.role != works.role:
            await roles.grant(session, works.role)


def _login(url: Secret | None, setting: str) -> Login:
    """Return the role and the password in a URL."""
    if url is None:
        raise Misconfigured(f"{setting} is not set", hint="It names the role and its password, and the database.")
    parts = urlsplit(url.reveal())
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    role = unquote(parts.username or "") or query.get("user", "")
    password = unquote(parts.password or "") or query.get("password", "")
    if not role:
        raise Misconfigured(f"{setting} names no role", hint="Write it as postgresql://ROLE:PASSWORD@HOST/DATABASE.")
    return Login(role, Secret(password) if password else None)
