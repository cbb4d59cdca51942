"""The targets of chaos: the whole system, its mail server, and the connections between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from random import Random

import asyncpg
from msgspec import structs

from muniment.demo.mail import generate_addresses
from muniment.embedded import endpoints
from muniment.model.profile import Access, Mailboxes
from muniment.services.profiles.submit_profile import ProfileRequest, submit_profile
from muniment.services.resources import Resources
from tests.chaos.clock import Clock
from tests.chaos.disk import SmallDisk, small_disk
from tests.chaos.proxy import BreakingProxy, Weather
from tests.support.dovecot import running_dovecot
from tests.support.principal import ADMIN
from tests.support.processes import Running
from tests.support.source import Source
from tests.support.system import System, system

#: With times this short, even many consecutive failures must not fail a mailbox.
PATIENT = {"MUNIMENT_JOB_ATTEMPTS": "40", "MUNIMENT_STOP_SECONDS": "8"}

_TIMEOUT_SECONDS = 5.0


@dataclass
class World:
    """A running system with two profiles: one reads half of the mailboxes in cleartext, the other half by TLS."""

    system: System
    source: Source
    plain: BreakingProxy
    tls: BreakingProxy
    clock: Clock
    disk: SmallDisk
    rng: Random

    @property
    def proxies(self) -> tuple[BreakingProxy, BreakingProxy]:
        """The proxies of both profiles."""
        return self.plain, self.tls

    def set_weather(self, weather: Weather) -> None:
        """Set the weather of both proxies."""
        for proxy in self.proxies:
            proxy.weather = weather

    async def execute(self, *statements: str) -> None:
        """Execute statements as Muniment's role, in one transaction; do nothing while PostgreSQL is down."""
        found = endpoints.read(self.system.data)
        if found is None or found.database_url is None:
            return
        with suppress(
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError
        ):
            connection = await asyncpg.connect(found.database_url.reveal(), timeout=5)
            try:
                async with connection.transaction():
                    for statement in statements:
                        await connection.execute(statement, timeout=5)
            finally:
                await connection.close(timeout=5)

    def scheduler(self) -> Running:
        """Return an additional scheduler, to be used with `with`."""
        return Running("scheduler", data=self.system.data, environ=self.system.client)

    def profiles(self) -> list[ProfileRequest]:
        """Return one profile per proxy."""
        half = len(self.source.addresses) // 2
        sides = {"plain": self.source.addresses[:half], "tls": self.source.addresses[half:]}
        return [self._profile(name, addresses) for name, addresses in sides.items()]

    def _profile(self, name: str, addresses: list[str]) -> ProfileRequest:
        profile = self.source.profile(name)
        is_plain = name == "plain"
        document = profile.document
        server = structs.replace(
            document.server,
            port=self.plain.port if is_plain else self.tls.port,
            access=Access.IMAP if is_plain else Access.IMAP_SSL,
            accept_all_certificates=True,
            timeout_seconds=_TIMEOUT_SECONDS,
        )
        boxes = Mailboxes(addresses=tuple(addresses))
        return replace(profile, document=structs.replace(document, server=server, mailboxes=boxes))


@asynccontextmanager
async def chaotic_world(
    seed: int, *, mailboxes: int, disk_mebibytes: int | None = 2048
) -> AsyncIterator[tuple[World, Resources]]:
    """Start everything, with empty mailboxes and the profiles `plain` and `tls`; finally stop and remove everything.

    `disk_mebibytes`: size of a separate disk that can be filled; None: use the ordinary one.
    """
    async with AsyncExitStack() as stack:
        dovecot = stack.enter_context(running_dovecot())
        disk = stack.enter_context(small_disk(disk_mebibytes))
        clock = Clock(disk.folder)
        started = stack.enter_context(system(disk.folder, **PATIENT, **clock.environ))
        source = Source(dovecot, generate_addresses(mailboxes), seed, changes_numbers=True)
        plain = await stack.enter_async_context(BreakingProxy(dovecot.port))
        tls = await stack.enter_async_context(BreakingProxy(dovecot.tls_port))
        await asyncio.to_thread(started.start)
        world = World(started, source, plain, tls, clock, disk, Random(f"chaos {seed}"))
        resources = await stack.enter_async_context(started.resources())
        for profile in world.profiles():
            await submit_profile(ADMIN, resources, profile)
        yield world, resources
