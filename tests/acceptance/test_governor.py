"""One mail server with a connection limit and many workers: the limit is never exceeded, and no mailbox is left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from muniment.model.login import LoginMethod
from muniment.model.profile import Access, ProfileKind, Server
from muniment.secrecy import Secret
from muniment.services.operating.show_governor import show_governor
from muniment.services.profiles.submit_profile import submit_profile
from muniment.services.resources import Resources
from tests.support.imap_script import Script
from tests.support.imap_server import ImapServer, running_imap_server
from tests.support.principal import ADMIN
from tests.support.profiles import profile_request
from tests.support.proof import begin, finish
from tests.support.scripted import mailbox
from tests.support.system import System, system

WORKERS = 4
AT_ONCE = 8  # mailboxes per worker: three times the server's limit
ALLOWED = 10
MESSAGES = 4  # in each of three folders
BIG_MESSAGES = 200
BIG = "big@example.com"
ADDRESSES = [f"user{number}@example.com" for number in range(60)]


@contextmanager
def strict_server() -> Iterator[ImapServer]:
    mailboxes = {address: mailbox(address, messages=MESSAGES) for address in ADDRESSES}
    mailboxes[BIG] = mailbox(BIG, messages=BIG_MESSAGES)
    with running_imap_server(Script(mailboxes=mailboxes, allows=ALLOWED)) as server:
        yield server


@contextmanager
def fleet(**environ: str) -> Iterator[System]:
    numbers = {"MUNIMENT_ARCHIVE_PROCESSES": str(WORKERS), "MUNIMENT_ARCHIVE_CONCURRENCY": str(AT_ONCE)}
    with system(**numbers, **environ) as made:
        made.start()
        yield made


async def archive_all(resources: Resources, server: ImapServer) -> None:
    """Archive every mailbox once, with more simultaneous jobs than the server allows connections."""
    request = profile_request(
        name="everybody",
        kind=ProfileKind.MASTER,
        server=Server(server.host, server.port, Access.IMAP, timeout_seconds=20.0),
        login=LoginMethod.parse("plain-authzid"),
        user="archiver",
        password=Secret("master"),
        mailboxes=list(server.script.mailboxes),
        max_jobs=WORKERS * AT_ONCE,
    )
    await submit_profile(ADMIN, resources, request)
    run = await finish(resources, await begin(resources, "everybody"))
    assert run.messages.archived == 3 * (MESSAGES * len(ADDRESSES) + BIG_MESSAGES)
    assert run.mailboxes.done == len(ADDRESSES) + 1


async def strikes(resources: Resources) -> int:
    async with resources.database.session() as session:
        return int(await session.value("SELECT sum(strikes) + sum(losses) FROM jobs"))


async def test_a_configured_limit_is_never_exceeded() -> None:
    """4 workers with 32 jobs on a server that allows 10 connections: never an 11th, and everything is archived."""
    # Slowly: on a fast machine, mailboxes would be done before that many connections are open.
    limits = {"MUNIMENT_SERVER_CONNECTIONS": str(ALLOWED), "MUNIMENT_SERVER_COMMANDS_PER_SECOND": "100"}
    with strict_server() as server, fleet(**limits) as up:
        async with up.resources() as resources:
            await archive_all(resources, server)
            failures = await strikes(resources)

    # All are likely to be open at the same moment, but a busy machine does not guarantee it.
    assert ALLOWED // 2 < server.max_connections <= ALLOWED
    assert server.refused == 0
    assert failures == 0


async def test_a_limit_is_learned_from_refusals() -> None:
    """Without a configured limit, the workers learn it from a few refusals, and no mailbox fails because of them."""
    # Slowly: on a fast machine, mailboxes would be done before enough connections are open to be refused.
    with strict_server() as server, fleet(MUNIMENT_SERVER_COMMANDS_PER_SECOND="100") as up:
        async with up.resources() as resources:
            await archive_all(resources, server)
            failures = await strikes(resources)
            found = await show_governor(ADMIN, resources)

    assert found is not None
    [state] = found
    assert state.learned is not None
    assert ALLOWED // 2 <= state.learned <= ALLOWED
    assert "[LIMIT]" in state.reason
    # Of more than 61 connections: refusals of those already being opened when the limit is learned.
    assert 0 < server.refused <= WORKERS * AT_ONCE - ALLOWED
    assert failures == 0
