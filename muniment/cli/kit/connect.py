"""Settings and open resources for a command."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import click

from muniment import log
from muniment.cli.program import DATA
from muniment.db.database import Database
from muniment.resources import open_database, open_resources
from muniment.services.resources import Resources
from muniment.settings import Settings

_T = TypeVar("_T")


def settings() -> Settings:
    """Return the settings of this command: the environment, and `--data` above it."""
    found = Settings.from_environment()
    data = click.get_current_context().meta.get(DATA)
    return replace(found, data=data) if data else found


def quiet(found: Settings) -> Settings:
    """Let only warnings through to the terminal, unless the administrator chose a level; return the settings."""
    level = found.log_level if os.environ.get("MUNIMENT_LOG_LEVEL") else "WARNING"
    log.configure(level, json=found.log_json)
    return found


def with_database(work: Callable[[Database], Awaitable[_T]]) -> _T:
    """Run `work` with the database open and return what it returns."""

    async def body() -> _T:
        async with open_database(found) as database:
            return await work(database)

    found = quiet(settings())
    return asyncio.run(body())


def with_resources(work: Callable[[Resources], Awaitable[_T]]) -> _T:
    """Run `work` with every resource open and return what it returns."""

    async def body() -> _T:
        async with open_resources(found, connections=2) as resources:
            return await work(resources)

    found = quiet(settings())
    return asyncio.run(body())
