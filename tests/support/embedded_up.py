"""`muniment up` with stand-ins for the workers: `python -m tests.support.embedded_up DATA CHILDREN`.

CHILDREN is JSON: a list of `[name, rank, seconds to wait after SIGTERM, Python code]`. Prints `ready` like the real
command, unless `NEVER_READY` is set in the environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import asyncpg

from muniment import log as logs
from muniment.embedded.child import Program, Step
from muniment.embedded.up import supervise
from muniment.errors import MunimentError
from muniment.settings import Settings, environment


def _programs(settings: Settings, run: Path) -> list[Program]:
    env = {**os.environ, **environment(settings, run / "secrets")}
    return [
        Program(name, (sys.executable, "-c", code), run, env, rank, (Step(signal.SIGTERM, seconds),))
        for name, rank, seconds, code in json.loads(sys.argv[2])
    ]


async def _prepare(settings: Settings) -> None:
    url = settings.owner_database_url or settings.database_url
    assert url is not None
    connection = await asyncpg.connect(url.reveal())
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS starts (at timestamptz DEFAULT now())")
        await connection.execute("GRANT SELECT ON starts TO PUBLIC")
        await connection.execute("INSERT INTO starts DEFAULT VALUES")
    finally:
        await connection.close()


async def _ready(_settings: Settings) -> bool:
    return "NEVER_READY" not in os.environ


def _announce(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run until a signal; print an error as one line on standard error and exit with code 1."""
    logs.configure()
    data = Path(sys.argv[1])
    try:
        return asyncio.run(
            supervise(
                Settings.from_environment({**os.environ, "MUNIMENT_DATA": str(data)}),
                processes=_programs,
                prepare=_prepare,
                ready=_ready,
                announce=_announce,
            )
        )
    except MunimentError as error:
        sys.stderr.write(f"{type(error).__name__}: {error} ({error.hint})\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
