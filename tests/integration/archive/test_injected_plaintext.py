"""A man in the middle of a STARTTLS with a verified certificate: nothing forged is archived, and nothing deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from muniment.model.deletion_rule import AT_ONCE, DeletionRule
from muniment.model.login import LoginMethod
from muniment.model.profile import Access, ProfileKind, Server
from muniment.model.run import RunState
from muniment.secrecy import Secret
from muniment.services.runs.lifecycle import RunReport
from tests.support.certificates import Certificate, self_signed
from tests.support.harness import Harness
from tests.support.imap_script import MODERN_CAPABILITIES, Folder, Mail, Script
from tests.support.imap_server import ImapServer
from tests.support.injector import Moment, injecting
from tests.support.pop3_server import Pop3Script, Pop3Server
from tests.support.scripted import message

_USER = "user@example.com"
_TRUE = [message("true-1"), message("true-2")]
_FORGED = message("forged")
#: Answers to CAPA, USER, PASS, LIST, UIDL, RETR, DELE and QUIT, which come in this order.
_POP3_SESSION = (
    b"+OK\r\nUSER\r\n.\r\n+OK\r\n+OK\r\n+OK\r\n1 %d\r\n.\r\n+OK\r\n1 forged\r\n.\r\n" % len(_FORGED)
    + b"+OK\r\n%b.\r\n" % _FORGED
    + b"+OK\r\n+OK\r\n"
)
_IMAP_SESSION = (
    b"* PREAUTH in\r\n* 1 EXISTS\r\n* SEARCH 1\r\n* 1 FETCH (UID 1 FLAGS () BODY[] {%d}\r\n" % len(_FORGED)
    + _FORGED
    + b")\r\n"
)


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """A certificate for 127.0.0.1 that this machine trusts."""
    made = self_signed(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(made.path))
    return made


async def _archive(harness: Harness, port: int, access: Access) -> RunReport:
    changes: dict[str, Any] = {
        "kind": ProfileKind.SINGLE,
        "server": Server("127.0.0.1", port, access, timeout_seconds=5.0),
        "login": LoginMethod.parse("login"),
        "user": _USER,
        "password": Secret("secret"),
        "deletion": DeletionRule(after=AT_ONCE),
    }
    await harness.submit("all", "127.0.0.1", port, **changes)
    return await harness.archive("all")


def _check(report: RunReport, lines: list[str]) -> None:
    assert report.run.state == RunState.FAILED
    assert report.run.messages.archived == 0
    assert "before TLS began" in report.failures[0].error
    assert len([line for line in lines if line in {"STARTTLS", "STLS"}]) == 1  # not tried again and again
    assert set(lines) <= {"CAPABILITY", "STARTTLS", "STLS"}  # no login, no DELE, no EXPUNGE


@pytest.mark.parametrize("moment", [Moment.WITH_OK, Moment.SPLIT])
async def test_pop3(harness: Harness, trusted: Certificate, moment: Moment) -> None:
    """A whole forged POP3 session after the OK to STLS is not archived, and deletes nothing on the server."""
    script = Pop3Script(list(_TRUE))
    async with (
        Pop3Server(script, tls=trusted.server_context()) as server,
        injecting(server.port, _POP3_SESSION, moment) as port,
    ):
        report = await _archive(harness, port, Access.POP3_TLS)

    _check(report, server.lines)
    assert script.messages == _TRUE


@pytest.mark.parametrize("moment", [Moment.WITH_OK, Moment.SPLIT])
async def test_imap(harness: Harness, trusted: Certificate, moment: Moment) -> None:
    """Forged IMAP responses after the OK to STARTTLS are not archived, and delete nothing on the server."""
    folder = Folder([Mail(uid, raw) for uid, raw in enumerate(_TRUE, 1)])
    script = Script({_USER: {b"INBOX": folder}}, MODERN_CAPABILITIES + " STARTTLS UIDPLUS")
    async with (
        ImapServer(script, tls=trusted.server_context()) as server,
        injecting(server.port, _IMAP_SESSION, moment) as port,
    ):
        report = await _archive(harness, port, Access.IMAP_TLS)

    _check(report, server.lines)
    assert len(folder.messages) == 2
