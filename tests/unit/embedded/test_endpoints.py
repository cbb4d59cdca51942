from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from muniment.embedded import endpoints
from muniment.embedded.endpoints import Endpoints
from muniment.embedded.folder import DataFolder
from muniment.errors import BrokerUnavailable, DatabaseUnavailable
from muniment.secrecy import Secret
from muniment.settings import Settings

DATABASE = Secret("postgresql://muniment@/muniment?host=/run/muniment/postgres&port=5432")
REDIS = Secret("redis+socket:///run/muniment/valkey/valkey.sock")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    DataFolder(tmp_path).create()
    return tmp_path


def test_what_was_written_is_read(data: Path) -> None:
    """Another process reads exactly what `up` published; only the owner can."""
    published = Endpoints(DATABASE, REDIS, os.getpid())
    endpoints.write(data, published)

    assert endpoints.read(data) == published
    assert (data / "run" / "endpoints.json").stat().st_mode & 0o777 == 0o600


def test_external_servers_are_not_written(data: Path) -> None:
    """The URL of a server that is not embedded may contain a password and is not written to disk."""
    endpoints.write(data, Endpoints(None, REDIS, os.getpid()))

    published = endpoints.read(data)

    assert published is not None
    assert published.database_url is None


def test_endpoints_of_a_process_that_is_gone_do_not_count(data: Path) -> None:
    """After `up` was killed, its endpoints are ignored."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    endpoints.write(data, Endpoints(DATABASE, REDIS, gone.pid))

    assert endpoints.read(data) is None


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"pid": "x"}'])
def test_no_or_broken_file_means_none(data: Path, text: str | None) -> None:
    """A missing or invalid file reads as no endpoints."""
    if text is not None:
        (data / "run" / "endpoints.json").write_text(text)

    assert endpoints.read(data) is None


def test_settings_win_over_endpoints(data: Path) -> None:
    """A URL in the settings is kept; a missing one comes from the running `up`."""
    endpoints.write(data, Endpoints(DATABASE, REDIS, os.getpid()))
    own = Secret("redis://elsewhere/0")

    resolved = endpoints.resolve(Settings(data=data, redis_url=own))

    assert (resolved.database_url, resolved.redis_url) == (DATABASE, own)


def test_without_a_running_muniment_the_error_names_the_folder(data: Path) -> None:
    """The error of a command that needs a server names the folder on which Muniment is not running."""
    with pytest.raises(DatabaseUnavailable, match=str(data)):
        endpoints.resolve(Settings(data=data))
    with pytest.raises(BrokerUnavailable, match=str(data)):
        endpoints.resolve(Settings(data=data, database_url=DATABASE))


def test_the_owner_is_published_apart(data: Path) -> None:
    """Only those that ask for the owner's URL get it: it is not among the endpoints, and neither in their file."""
    owner = Secret("postgresql://muniment:topsecret@/muniment?host=/run/muniment/postgres")
    endpoints.write(data, Endpoints(DATABASE, REDIS, os.getpid(), owner))
    found = endpoints.read(data)

    assert endpoints.owner_url(data) == owner
    assert found is not None
    assert found.owner_database_url is None
    assert "topsecret" not in (data / "run" / "endpoints.json").read_text()
    assert (data / "run" / "owner.json").stat().st_mode & 0o777 == 0o600
    endpoints.remove(data)
    assert endpoints.owner_url(data) is None


def test_a_broker_is_enough_for_flower(data: Path) -> None:
    """What needs no database is content with the broker's URL; what needs one is not."""
    settings = Settings(data=data, redis_url=REDIS)

    assert endpoints.resolve_broker(settings) == settings
    with pytest.raises(DatabaseUnavailable):
        endpoints.resolve(settings)
    with pytest.raises(BrokerUnavailable):
        endpoints.resolve_broker(Settings(data=data))
