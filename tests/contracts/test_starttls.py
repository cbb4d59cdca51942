"""One module changes a connection from plaintext to TLS, so that no client can do it in another way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: The upgrades of asyncio, ssl, smtplib, ftplib, imaplib, poplib and the LDAP libraries.
UPGRADES = {"start_tls", "starttls", "stls", "wrap_socket", "wrap_bio", "start_tls_s", "do_tls", "starttls_s"}
MODULES = [path for package in ("muniment", "workers", "scheduler") for path in sorted((ROOT / package).rglob("*.py"))]


def upgrades(source: str) -> Iterator[str]:
    """Yield the names of methods that begin TLS on an open connection, called or passed on."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in UPGRADES:
            yield node.attr


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nobody_else_begins_tls(path: Path) -> None:
    """Clients call `mailserver.starttls.open_connection`, which keeps nothing of what was said before TLS."""
    assert list(upgrades(path.read_text())) == []


def test_upgrades_are_recognised() -> None:
    """A call, an awaited one and a reference all count."""
    source = "async def f(w, c):\n    await w.start_tls(c)\n    g = c.wrap_bio\n    smtp.starttls()\n"
    assert sorted(upgrades(source)) == ["start_tls", "starttls", "wrap_bio"]
