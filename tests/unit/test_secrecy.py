"""Secrets stay hidden, and key files are created once and complete."""

from __future__ import annotations

import base64
import copy
import json
import logging
import multiprocessing
import re
from pathlib import Path

import pytest

from muniment.errors import Misconfigured
from muniment.secrecy import Secret, check_url, create_key_file

PASSWORD = "hunter2-Ünïcode"
KEY = base64.b64encode(bytes(range(32))).decode()


def test_a_secret_shows_itself_only_by_reveal(caplog: pytest.LogCaptureFixture) -> None:
    """repr, str, format, containers and %-formatted logs hide the value; reveal() returns it."""
    secret = Secret(PASSWORD)
    logging.getLogger().warning("%s %r", secret, [secret])

    assert PASSWORD not in f"{secret} {secret!r} {[secret]} {secret!s:>40} {caplog.text} "
    assert secret.reveal() == PASSWORD


def test_a_secret_has_no_attributes_to_dump() -> None:
    """vars() and JSON, as used by careless logging, do not contain the value."""
    with pytest.raises(TypeError):
        vars(Secret(PASSWORD))
    with pytest.raises(TypeError):
        json.dumps(Secret(PASSWORD))


@pytest.mark.parametrize(
    "url",
    [
        "db://muniment@/muniment?host=/run/x&port=5432",
        "db://u:p@host:5432/name",
        "db://u:p%2F%23@[::1]:5432/name",
        "db://u:p@one:5432,two:5433/name?target_session_attrs=primary",
        "db+socket:///run/muniment/valkey.sock",
        "db://host",
    ],
)
def test_urls_of_every_form_pass(url: str) -> None:
    """Sockets, ports, IPv6, several hosts and percent-encoded passwords are valid in URLs."""
    check_url(Secret(url), "SETTING", ("db", "db+socket"))


@pytest.mark.parametrize("password", ["s3c/ret", "s3c#ret", "s3c?ret", "12/34", "12?34", "s3c ret", "s3c[ret"])
def test_password_that_breaks_its_url_is_not_shown(password: str) -> None:
    """A special character in a password is refused with the setting's name and the remedy, but without the password."""
    with pytest.raises(Misconfigured, match="SETTING") as caught:
        check_url(Secret(f"db://user:{password}@host/name"), "SETTING", ("db",))

    assert "Percent-encode" in caught.value.hint
    assert caught.value.__cause__ is None
    assert not any(part in f"{caught.value} {caught.value.hint}" for part in re.split("[/#? \\[]", password))


def test_url_of_something_else_is_refused() -> None:
    """A URL with another scheme and a text that is not a URL are refused."""
    for url in ("http://host/", "host:5432/name", "", "db:/host"):
        with pytest.raises(Misconfigured, match="SETTING"):
            check_url(Secret(url), "SETTING", ("db",))


def test_secrets_compare_by_value_and_only_with_secrets() -> None:
    """Secrets with the same value are equal and have the same hash; a secret never equals a plain string."""
    assert Secret("a") == Secret("a") == copy.copy(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_an_empty_secret_is_false() -> None:
    """A secret is true if it is not empty."""
    assert not Secret("")
    assert Secret(" ")


def test_a_made_key_is_private_and_random(tmp_path: Path) -> None:
    """create_key_file creates private folders and one file, with mode 0600 and a 256-bit key in base64."""
    first, second = tmp_path / "deep/er/key", tmp_path / "key"
    create_key_file(first)
    create_key_file(second)

    assert first.stat().st_mode & 0o777 == 0o600
    assert first.parent.stat().st_mode & 0o777 == 0o700
    assert len(base64.b64decode(first.read_text(), validate=False)) == 32
    assert first.read_text() != second.read_text()
    assert list(first.parent.iterdir()) == [first]


def test_an_existing_key_is_never_replaced(tmp_path: Path) -> None:
    """A second call keeps the key: replacing it would make every stored credential unreadable."""
    path = tmp_path / "key"
    create_key_file(path)
    before = path.read_bytes()
    create_key_file(path)

    assert path.read_bytes() == before


def test_racing_processes_agree_on_one_key(tmp_path: Path) -> None:
    """Of many processes that start on empty data at the same time, one creates the key, and all read it."""
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        keys = pool.map(_make_and_read, [tmp_path / "key"] * 16)

    assert len(set(keys)) == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "key"]


def _make_and_read(path: Path) -> bytes:
    create_key_file(path)
    return path.read_bytes()
