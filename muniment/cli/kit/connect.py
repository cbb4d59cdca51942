"""Connects a command to the installation: settings, principal and open resources."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Concatenate, ParamSpec, TypeVar

import click

from muniment import log, resources
from muniment.cli.kit.who import claimed, who
from muniment.cli.program import DATA
from muniment.services.access.principal import Principal
from muniment.services.resources import Resources
from muniment.settings import Settings

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: A service, or a function that calls several.
_Service = Callable[Concatenate[Principal, Resources, _P], Awaitable[_T]]

_CONNECTIONS = 2


def settings() -> Settings:
    """Return the settings of this command: the environment, overridden by `--data`."""
    found = Settings.from_environment()
    data = click.get_current_context().meta.get(DATA)
    return replace(found, data=data) if data else found


def quiet(found: Settings) -> Settings:
    """Log only warnings and errors unless MUNIMENT_LOG_LEVEL is set; return the settings."""
    level = found.log_level if os.environ.get("MUNIMENT_LOG_LEVEL") else "WARNING"
    log.configure(level, json=found.log_json)
    return found


def operator() -> Principal:
    """Return the principal of this command: anyone with shell access is an administrator."""
    return Principal.administrator(who(), claimed=claimed())


def call(service: _Service[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a service as the operator with all resources open, and return its result."""
    return _call(resources.open_resources(quiet(settings()), connections=_CONNECTIONS), service, *args, **kwargs)


def call_with_database_only(service: _Service[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a service that needs neither the broker nor the key, as the operator, and return its result."""
    return _call(resources.open_database_only(quiet(settings())), service, *args, **kwargs)


def call_for_reading(service: _Service[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a service that needs the database and the index, but neither the broker nor the key, as the operator."""
    return _call(resources.open_for_reading(quiet(settings())), service, *args, **kwargs)


def call_for_watching(service: _Service[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a service that shows the state of the installation and does not need the key, as the operator."""
    return _call(resources.open_for_watching(quiet(settings())), service, *args, **kwargs)


def call_as_owner(service: _Service[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a service that changes tables themselves, as the operator, and return its result."""
    return _call(resources.open_database_as_owner(quiet(settings())), service, *args, **kwargs)


def call_as_administrator(service: _Service[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a service that creates roles in PostgreSQL, as the operator, and return its result."""
    return _call(resources.open_database_as_administrator(quiet(settings())), service, *args, **kwargs)


def _call(
    opening: AbstractAsyncContextManager[Resources], service: _Service[_P, _T], *args: _P.args, **kwargs: _P.kwargs
) -> _T:
    async def body() -> _T:
        async with opening as opened:
            return await service(operator(), opened, *args, **kwargs)

    return asyncio.run(body())
