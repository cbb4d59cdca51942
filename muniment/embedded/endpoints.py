"""Publishes the embedded servers of a running `muniment up` to other processes on this machine.

The owner's URL is in a file of its own, so that no process holds it but those that ask for it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from muniment.embedded.folder import DataFolder
from muniment.errors import BrokerUnavailable, DatabaseUnavailable
from muniment.secrecy import Secret
from muniment.settings import Settings


@dataclass(frozen=True)
class Endpoints:
    """The embedded servers of the process `pid`; None if a server is not embedded but named in the settings."""

    database_url: Secret | None
    redis_url: Secret | None
    pid: int
    #: Only `write` takes it; `read` leaves it out, see `owner_url`.
    owner_database_url: Secret | None = None


def write(data: Path, endpoints: Endpoints) -> None:
    """Publish the endpoints atomically, readable only by the owner."""
    if endpoints.owner_database_url:
        _publish(_owner_path(data), {"owner_database_url": endpoints.owner_database_url}, endpoints.pid)
    urls = {"database_url": endpoints.database_url, "redis_url": endpoints.redis_url}
    _publish(_path(data), urls, endpoints.pid)


def _publish(path: Path, urls: Mapping[str, Secret | None], pid: int) -> None:
    draft = path.with_name(f"{path.name}.new")
    text = json.dumps({**{name: url.reveal() if url else None for name, url in urls.items()}, "pid": pid})
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def remove(data: Path) -> None:
    """Withdraw the endpoints."""
    _path(data).unlink(missing_ok=True)
    _owner_path(data).unlink(missing_ok=True)


def read(data: Path) -> Endpoints | None:
    """Return the endpoints of the `muniment up` that runs on this data folder; None if there is none."""
    try:
        values = json.loads(_path(data).read_text())
        os.kill(values["pid"], 0)
        urls = {name: Secret(values[name]) if values[name] else None for name in ("database_url", "redis_url")}
        return Endpoints(**urls, pid=values["pid"])
    except (OSError, ValueError, LookupError, TypeError):
        return None  # no file, no such process, or an invalid file


def owner_url(data: Path) -> Secret | None:
    """Return the URL for the owner of the embedded database; None if no `muniment up` runs one."""
    try:
        values = json.loads(_owner_path(data).read_text())
        os.kill(values["pid"], 0)
        return Secret(values["owner_database_url"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def resolve(settings: Settings) -> Settings:
    """Return the settings, with missing URLs taken from the embedded servers.

    Raises DatabaseUnavailable or BrokerUnavailable if a URL is missing and no `muniment up` is running.
    """
    embedded = None if settings.database_url and settings.redis_url else read(settings.data)
    database_url = settings.database_url or (embedded and embedded.database_url)
    if not database_url:
        raise DatabaseUnavailable(f"Muniment is not running on {settings.data}")
    return replace(resolve_broker(settings), database_url=database_url)


def resolve_broker(settings: Settings) -> Settings:
    """Return the settings, with a missing broker's URL taken from the embedded one: for what needs no database.

    Raises BrokerUnavailable if the URL is missing and no `muniment up` is running.
    """
    embedded = None if settings.redis_url else read(settings.data)
    redis_url = settings.redis_url or (embedded and embedded.redis_url)
    if not redis_url:
        raise BrokerUnavailable(f"Muniment is not running on {settings.data}")
    return replace(settings, redis_url=redis_url)


def _owner_path(data: Path) -> Path:
    return DataFolder(data).run / "owner.json"


def _path(data: Path) -> Path:
    return DataFolder(data).run / "endpoints.json"
