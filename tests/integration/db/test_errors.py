"""Every error that asyncpg raises is translated, or listed with a reason."""

from __future__ import annotations

import asyncio
import inspect
import socket

import asyncpg
import pytest

from muniment.db.database import ERRORS, Database, database_errors
from muniment.embedded.postgres import EmbeddedPostgres
from muniment.errors import (
    Conflict,
    Damaged,
    DatabaseUnavailable,
    Misconfigured,
    MunimentError,
    StatementEnded,
    Transient,
    Unstorable,
)
from muniment.secrecy import Secret
from tests.support.waiting import wait_until_async

#: Families that stand for a mistake in our own SQL or in asyncpg's use of the protocol: they must crash
#: loudly, with a traceback, and no administrator can do anything about them.
EXCUSED = {
    asyncpg.SyntaxOrAccessError: "a query that does not fit the schema; tests prepare every one",
    asyncpg.FeatureNotSupportedError: "a statement that PostgreSQL does not know",
    asyncpg.InternalServerError: "a bug in PostgreSQL",
    asyncpg.FDWError: "we use no foreign tables",
    asyncpg.PLPGSQLError: "our functions raise nothing",
    asyncpg.ExternalRoutineError: "we use no external routines",
    asyncpg.ExternalRoutineInvocationError: "we use no external routines",
    asyncpg.SQLRoutineError: "we use no SQL routines that could fail so",
    asyncpg.DependentPrivilegeDescriptorsStillExistError: "we drop nothing",
    asyncpg.InvalidGrantorError: "we grant nothing",
    asyncpg.InvalidRoleSpecificationError: "we change no roles",
    asyncpg.InvalidTransactionInitiationError: "only asyncpg begins transactions",
    asyncpg.InvalidTransactionTerminationError: "only asyncpg ends transactions",
    asyncpg.SavepointError: "only asyncpg sets savepoints",
    asyncpg.InvalidCursorNameError: "only asyncpg names cursors",
    asyncpg.InvalidCursorStateError: "only asyncpg moves cursors",
    asyncpg.InvalidSQLStatementNameError: "only asyncpg names statements",
    asyncpg.SQLStatementNotYetCompleteError: "only asyncpg ends statements",
    asyncpg.LocatorError: "we use no locators",
    asyncpg.DiagnosticsError: "we ask for no diagnostics",
    asyncpg.CaseNotFoundError: "only in PL/pgSQL",
    asyncpg.CardinalityViolationError: "a subquery of ours that returns more than one row",
    asyncpg.TriggeredActionError: "we have no triggers",
    asyncpg.TriggeredDataChangeViolationError: "we have no triggers",
    asyncpg.WithCheckOptionViolationError: "we have no views",
    asyncpg.InvalidArgumentForXqueryError: "we use no XML",
}
#: Not raised itself.
BASES = {asyncpg.PostgresError}


def foreign() -> list[type[BaseException]]:
    """Return every exception class of asyncpg that is no warning."""
    classes = [c for _, c in inspect.getmembers(asyncpg, inspect.isclass) if issubclass(c, Exception)]
    return [c for c in classes if not issubclass(c, Warning) and c not in BASES]


@pytest.mark.parametrize("theirs", foreign(), ids=lambda c: c.__name__)
def test_every_foreign_error_has_a_place(theirs: type[BaseException]) -> None:
    """Each class is mapped, or belongs to a family that is excused by name; never both by accident."""
    mapped = issubclass(theirs, tuple(ERRORS))
    excused = issubclass(theirs, tuple(EXCUSED))

    assert mapped or excused
    assert theirs not in EXCUSED or not mapped


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (asyncpg.UniqueViolationError("x"), Conflict),
        (asyncpg.CheckViolationError("x"), Unstorable),
        (asyncpg.CharacterNotInRepertoireError("x"), Unstorable),
        (asyncpg.DeadlockDetectedError("x"), DatabaseUnavailable),
        (asyncpg.QueryCanceledError("x"), StatementEnded),
        (asyncpg.AdminShutdownError("x"), DatabaseUnavailable),
        (asyncpg.DiskFullError("x"), DatabaseUnavailable),
        (asyncpg.TooManyConnectionsError("x"), DatabaseUnavailable),
        (asyncpg.ReadOnlySQLTransactionError("x"), DatabaseUnavailable),
        (asyncpg.PostgresIOError("x"), DatabaseUnavailable),
        (asyncpg.InvalidCachedStatementError("x"), DatabaseUnavailable),
        (asyncpg.DataCorruptedError("x"), Damaged),
        (asyncpg.UndefinedTableError("x"), Misconfigured),
        (asyncpg.InsufficientPrivilegeError("x"), Misconfigured),
        (asyncpg.InterfaceError("x"), DatabaseUnavailable),
        (ConnectionResetError("x"), DatabaseUnavailable),
        (TimeoutError("x"), DatabaseUnavailable),
        (socket.gaierror(1, "x"), DatabaseUnavailable),
    ],
    ids=lambda e: type(e).__name__ if isinstance(e, Exception) else e.__name__,
)
def test_the_most_specific_entry_wins(theirs: Exception, ours: type[MunimentError]) -> None:
    """Each class becomes the one of ours that says what a caller may do, with the cause kept."""
    with pytest.raises(ours) as caught, database_errors():
        raise theirs

    assert type(caught.value) is ours
    assert caught.value.__cause__ is theirs
    assert caught.value.hint or ours in {Conflict, Unstorable}


def test_bugs_are_not_dressed_up() -> None:
    """An error that stands for a bug passes as it is, so that it crashes with its traceback."""
    with pytest.raises(asyncpg.PostgresSyntaxError), database_errors():
        raise asyncpg.PostgresSyntaxError("x")


@pytest.mark.parametrize("value", ["\0", "lone \ud800 surrogate"], ids=["NUL", "surrogate"])
async def test_text_that_postgresql_cannot_hold(database: Database, value: str) -> None:
    """Text that PostgreSQL cannot hold is Unstorable whether the server or asyncpg notices it, alone or in an array."""
    async with database.session() as session:
        with pytest.raises(Unstorable):
            await session.value("SELECT $1::text", value)
        with pytest.raises(Unstorable):
            await session.value("SELECT $1::text[]", ["fine", value])
        with pytest.raises(Unstorable):
            await session.copy("users", ["name"], [("fine",), (value,)])
        assert await session.value("SELECT count(*) FROM users") == 0


@pytest.mark.parametrize(
    ("user", "database"),
    [("nobody-of-this-name", "muniment"), ("muniment_runtime", "no-such-database")],
    ids=["user", "name"],
)
async def test_server_that_does_not_let_us_in(postgres: EmbeddedPostgres, user: str, database: str) -> None:
    """A wrong user or database name is a wrong setting, not a server to wait for."""
    with pytest.raises(Misconfigured, match=r"does not exist|authentication failed") as caught:
        await Database.open(Secret(postgres.url_of(database, user)))

    assert "MUNIMENT_DATABASE_URL" in caught.value.hint


async def test_server_that_is_not_there(port: int) -> None:
    """A PostgreSQL that does not listen is unavailable, with a hint, and its password is not in the message."""
    with pytest.raises(DatabaseUnavailable) as caught:
        await Database.open(Secret(f"postgresql://muniment:hunter2@127.0.0.1:{port}/x"))

    assert isinstance(caught.value, Transient)
    assert caught.value.hint
    assert "hunter2" not in str(caught.value)


async def test_silent_transaction_is_ended(database: Database, database_url: str) -> None:
    """A process that says nothing within a transaction loses it, and its locks, after the time of the setting."""
    hasty = await Database.open(Secret(database_url), idle_transaction_seconds=0.05)

    async def silent() -> None:
        async with hasty.transaction() as session:
            await session.execute("INSERT INTO users (name) VALUES ('x')")
            pid = await session.value("SELECT pg_backend_pid()")
            await wait_until_async(lambda: gone(pid), "the end of the transaction")
            await session.value("SELECT 1")

    async def gone(pid: int) -> bool:
        async with database.session() as session:
            return not await session.value("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid)

    with pytest.raises(DatabaseUnavailable):
        await silent()

    async with hasty.session() as session:
        assert await session.value("SELECT count(*) FROM users") == 0
    await hasty.close()


async def test_cancelled_transactions_leave_nothing_open(database: Database) -> None:
    """Wherever a transaction is cancelled, in BEGIN or COMMIT too, it is rolled back and nobody complains."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    async def write() -> None:
        async with database.transaction() as session:
            await session.execute("INSERT INTO users (name) VALUES ('x' || random()::text)")

    for steps in range(60):
        task = asyncio.create_task(write())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})

    async def open_transactions() -> int:
        async with database.session() as session:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
            count: int = await session.value(query)
            return count

    async def settled() -> bool:
        return await open_transactions() == 0

    await wait_until_async(settled, "no transaction left open")
    assert complaints == []
