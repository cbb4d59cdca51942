"""Connections to PostgreSQL: a pool, transactions, and the translation of asyncpg's errors."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, LiteralString, Self, TypeVar

import asyncpg

from muniment.db.careful import TLS_HINT, connecting
from muniment.errors import (
    Conflict,
    Damaged,
    DatabaseUnavailable,
    Misconfigured,
    MunimentError,
    StatementEnded,
    Unstorable,
)
from muniment.links import wants_verified_tls
from muniment.process import process_name
from muniment.secrecy import Secret, check_url

Row = TypeVar("Row")
T = TypeVar("T")

#: Interval at which a transaction that waits for something else sends a statement; `Database.open` sets the limit.
SIGN_OF_LIFE_SECONDS = 5.0

#: Maps asyncpg's errors to Muniment's; the most specific class wins (longest method resolution order).
ERRORS: dict[type[BaseException], type[MunimentError]] = {
    asyncpg.UniqueViolationError: Conflict,
    asyncpg.ForeignKeyViolationError: Conflict,
    asyncpg.ExclusionViolationError: Conflict,
    asyncpg.RestrictViolationError: Conflict,
    asyncpg.ObjectNotInPrerequisiteStateError: Conflict,  # in use
    asyncpg.IntegrityConstraintViolationError: Unstorable,  # violates CHECK or NOT NULL
    asyncpg.DataError: Unstorable,
    UnicodeEncodeError: Unstorable,  # a lone surrogate, which asyncpg cannot send
    asyncpg.UntranslatableCharacterError: Unstorable,
    asyncpg.ProgramLimitExceededError: Unstorable,
    asyncpg.PostgresConnectionError: DatabaseUnavailable,
    asyncpg.OperatorInterventionError: DatabaseUnavailable,  # shutdown, crash, cannot connect now, cancelled
    asyncpg.QueryCanceledError: StatementEnded,
    asyncpg.InsufficientResourcesError: DatabaseUnavailable,  # too many connections, disk full, out of memory
    asyncpg.TransactionRollbackError: DatabaseUnavailable,  # deadlock, serialization
    asyncpg.LockNotAvailableError: DatabaseUnavailable,
    asyncpg.InternalClientError: DatabaseUnavailable,
    asyncpg.InterfaceError: DatabaseUnavailable,  # connection or pool is closed
    asyncpg.InvalidAuthorizationSpecificationError: DatabaseUnavailable,  # Misconfigured when opening
    asyncpg.InvalidCatalogNameError: DatabaseUnavailable,
    asyncpg.InvalidTransactionStateError: DatabaseUnavailable,  # read-only after a failover, timeouts
    asyncpg.InvalidCachedStatementError: DatabaseUnavailable,  # a migration ran in the meantime
    asyncpg.SnapshotTooOldError: DatabaseUnavailable,
    asyncpg.PostgresSystemError: DatabaseUnavailable,  # disk errors
    asyncpg.ConfigFileError: DatabaseUnavailable,
    asyncpg.FatalPostgresError: DatabaseUnavailable,
    asyncpg.DataCorruptedError: Damaged,
    asyncpg.IndexCorruptedError: Damaged,
    asyncpg.UndefinedTableError: Misconfigured,
    asyncpg.UndefinedColumnError: Misconfigured,
    asyncpg.UndefinedFunctionError: Misconfigured,
    asyncpg.InvalidSchemaNameError: Misconfigured,
    asyncpg.InsufficientPrivilegeError: Misconfigured,
    ConnectionError: DatabaseUnavailable,
    TimeoutError: DatabaseUnavailable,
    OSError: DatabaseUnavailable,
}
# asyncpg's client-side DataError is also an InterfaceError.
_FOREIGN = tuple(ERRORS)
_NOT_LET_IN = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
_SCHEMES = ("postgresql", "postgres")
#: A COPY of a huge message may take long; the job's lease limits it.
_COPY_SECONDS = 3600.0
_SCHEMA_HINT = (
    "Run `muniment migrate` with the version that is installed, as the owner of the tables"
    " (MUNIMENT_OWNER_DATABASE_URL)."
)


#: The largest number in a `bigint`.
_MOST = 2**63 - 1


def is_id(number: int) -> bool:
    """Whether a row can have this id."""
    return 0 < number <= _MOST


@contextmanager
def database_errors() -> Iterator[None]:
    """Translate asyncpg's errors to Muniment's."""
    try:
        yield
    except _FOREIGN as error:
        known = [theirs for theirs in ERRORS if isinstance(error, theirs)]
        ours = ERRORS[max(known, key=lambda theirs: len(theirs.__mro__))]
        hint = _SCHEMA_HINT if ours is Misconfigured else None
        raise ours(f"database: {str(error) or type(error).__name__}", hint=hint) from error


class Session:
    """A database connection; runs queries and returns rows as dataclasses."""

    def __init__(self, connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record]) -> None:
        self._connection = connection

    async def rows(self, kind: type[Row], query: LiteralString, *args: object) -> list[Row]:
        """Return every row of `query` as a `kind`."""
        with database_errors():
            return [kind(**record) for record in await self._connection.fetch(query, *args)]

    async def row(self, kind: type[Row], query: LiteralString, *args: object) -> Row | None:
        """Return the first row of `query` as a `kind`, or None."""
        with database_errors():
            record = await self._connection.fetchrow(query, *args)
        return None if record is None else kind(**record)

    async def values(self, query: LiteralString, *args: object) -> list[Any]:
        """Return the first column of every row."""
        with database_errors():
            return [record[0] for record in await self._connection.fetch(query, *args)]

    async def value(self, query: LiteralString, *args: object) -> Any:
        """Return the first column of the first row, or None."""
        with database_errors():
            return await self._connection.fetchval(query, *args)

    async def execute(self, query: LiteralString, *args: object) -> None:
        """Run `query` and ignore its result."""
        with database_errors():
            await self._connection.execute(query, *args)

    async def copy(
        self,
        table: LiteralString,
        columns: Sequence[str],
        records: Iterable[Sequence[object]] | AsyncIterable[Sequence[object]],
    ) -> None:
        """Append a stream of `records` to `table` with binary COPY."""
        with database_errors():
            await self._connection.copy_records_to_table(table, columns=columns, records=records, timeout=_COPY_SECONDS)

    async def stream(self, kind: type[Row], query: LiteralString, *args: object) -> AsyncIterator[Row]:
        """Yield the rows of `query` one by one, using a server-side cursor; requires a transaction."""
        with database_errors():
            async for record in self._connection.cursor(query, *args, prefetch=100):
                yield kind(**record)

    async def keep_alive(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`, which must not use this session; send a statement now and every few seconds.

        PostgreSQL ends a transaction that is idle for too long. If it has, `work` is cancelled and DatabaseUnavailable
        is raised.
        """
        task = asyncio.ensure_future(work)
        try:
            done = False
            while not done:
                await self.value("SELECT 1")
                done = bool((await asyncio.wait({task}, timeout=SIGN_OF_LIFE_SECONDS))[0])
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    @asynccontextmanager
    async def transaction(self, *, snapshot: bool = False) -> AsyncIterator[Self]:
        """Commit at the end of the block; roll back on an error. `snapshot`: read-only, repeatable read."""
        isolation: Literal["repeatable_read"] | None = "repeatable_read" if snapshot else None
        with database_errors():
            transaction = self._connection.transaction(isolation=isolation, readonly=snapshot)
            # Not start(): if BEGIN is cancelled, asyncpg rejects a transaction that was not entered with __aenter__.
            await transaction.__aenter__()
        try:
            yield self
        except BaseException as error:
            # If the rollback fails because the connection is gone, the original error matters more.
            with suppress(MunimentError), database_errors():
                await transaction.__aexit__(type(error), error, error.__traceback__)
            raise
        with database_errors():
            await transaction.__aexit__(None, None, None)


if TYPE_CHECKING:
    _AnyConnection = asyncpg.Connection[asyncpg.Record]
else:
    _AnyConnection = asyncpg.Connection  # generic for type checkers only


class _Connection(_AnyConnection):
    """A connection that is returned to the pool without asyncpg's reset query, which would cost a round trip each time.

    No reset is needed: settings are changed only with SET LOCAL, cursors and locks end with their transaction, and
    `migrate` releases the only session lock itself. asyncpg still rolls back an open transaction.
    """

    def get_reset_query(self) -> str:
        """Return an empty query."""
        return ""


class Database:
    """The connection pool of a process."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool

    @classmethod
    async def open(
        cls,
        url: Secret,
        *,
        connections: int = 10,
        idle_transaction_seconds: float = 60.0,
        unencrypted_links: bool = False,
    ) -> Database:
        """Connect; DatabaseUnavailable if PostgreSQL does not respond, Misconfigured if it refuses the login.

        Beyond this machine, TLS with a verified certificate is the default, and a server that demands the password in
        clear text without it is refused, unless there may be `unencrypted_links`.
        """
        check_url(url, "MUNIMENT_DATABASE_URL", _SCHEMES)
        verified = wants_verified_tls(url, unencrypted=unencrypted_links)
        with database_errors():
            pool = await asyncpg.create_pool(
                url.reveal(),
                connect=connecting(may_tell_password=unencrypted_links),
                ssl=_verifying(url) if verified else None,
                min_size=0,
                max_size=connections,
                timeout=20,
                command_timeout=300,
                init=_prepare,
                connection_class=_Connection,
                server_settings={
                    "application_name": process_name(),  # used by `db.jobs.end_stuck`
                    # A process that is stopped within a transaction must not keep its locks forever.
                    "idle_in_transaction_session_timeout": f"{round(idle_transaction_seconds * 1000)}ms",
                },
            )
            database = cls(pool)
        try:
            async with database.session() as session:
                await session.value("SELECT 1")
        except DatabaseUnavailable as error:
            if not isinstance(error.__cause__, _NOT_LET_IN):
                if verified:
                    raise DatabaseUnavailable(str(error), hint=TLS_HINT) from error
                raise
            # At startup, a refused login means a wrong setting. Later it is transient: the pool waits for it to work
            # again.
            raise Misconfigured(
                str(error), hint="Check the user, the password and the database name in MUNIMENT_DATABASE_URL."
            ) from error
        return database

    async def close(self) -> None:
        """Close all connections, waiting for those in use."""
        with database_errors():
            await self._pool.close()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Yield a connection from the pool; each statement is its own transaction."""
        with database_errors():
            connection = await self._pool.acquire(timeout=60)
        try:
            yield Session(connection)
        finally:
            with database_errors():
                await self._pool.release(connection)

    @asynccontextmanager
    async def transaction(self, *, snapshot: bool = False) -> AsyncIterator[Session]:
        """Yield a connection within a transaction."""
        async with self.session() as session, session.transaction(snapshot=snapshot):
            yield session


def _verifying(url: Secret) -> ssl.SSLContext | Literal["verify-full"]:
    """Return how asyncpg verifies a server: by the CA that libpq's settings name, otherwise by the system's CAs."""
    named = "sslrootcert=" in url.reveal() or os.environ.get("PGSSLROOTCERT")
    if named or Path("~/.postgresql/root.crt").expanduser().exists():
        return "verify-full"
    return ssl.create_default_context()


async def _prepare(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
