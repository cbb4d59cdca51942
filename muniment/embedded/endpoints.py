"""How other processes of this machine find the embedded servers of a running `muniment up`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from muniment.embedded.folder import DataFolder
from muniment.errors import BrokerUnavailable, DatabaseUnavailable
from muniment.secrecy import Secret
from muniment.settings import Settings

_SOCKET_SCHEME = "redis+socket://"


@dataclass(frozen=True)
class Endpoints:
    """The embedded servers of the process `pid`. None: that one is not embedded, the settings name it."""

    database_url: Secret | None
    redis_url: Secret | None
    pid: int


def write(data: Path, endpoints: Endpoints) -> None:
    """Publish the endpoints, at once and for the owner's eyes only."""
    path = _path(data)
    draft = path.with_name(f"{path.name}.new")
    urls = {"database_url": endpoints.database_url, "redis_url": endpoints.redis_url}
    text = json.dumps({**{name: url.reveal() if url else None for name, url in urls.items()}, "pid": endpoints.pid})
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def remove(data: Path) -> None:
    """Withdraw the endpoints."""
    _path(data).unlink(missing_ok=True)


def read(data: Path) -> Endpoints | None:
    """Return the endpoints of the `muniment up` that runs on this data folder, if one does."""
    try:
        values = json.loads(_path(data).read_text())
        os.kill(values["pid"], 0)
        urls = {name: Secret(values[name]) if values[name] else None for name in ("database_url", "redis_url")}
        return Endpoints(**urls, pid=values["pid"])
    except (OSError, ValueError, LookupError, TypeError):
        return None  # no file, no such process, or no endpoints file at all


def resolve(settings: Settings) -> Settings:
    """Return the settings with the URLs of the embedded servers where they name none.

    DatabaseUnavailable or BrokerUnavailable when they name none and no `muniment up` runs.
    """
    found = None if settings.database_url and settings.redis_url else read(settings.data)
    database_url = settings.database_url or (found and found.database_url)
    redis_url = settings.redis_url or (found and found.redis_url)
    if not database_url:
        raise DatabaseUnavailable(f"Muniment is not running on {settings.data}")
    if not redis_url:
        raise BrokerUnavailable(f"Muniment is not running on {settings.data}")
    return replace(settings, database_url=database_url, redis_url=redis_url)


def redis_py_url(url: str) -> str:
    """Return a broker URL as redis-py wants it: it says `unix://` where kombu says `redis+socket://`."""
    return "unix://" + url.removeprefix(_SOCKET_SCHEME) if url.startswith(_SOCKET_SCHEME) else url


def _path(data: Path) -> Path:
    return DataFolder(data).run / "endpoints.json"
