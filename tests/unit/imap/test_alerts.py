"""Texts that the server wants a person to read, and what it insists on."""

from __future__ import annotations

import pytest

from muniment.errors import CommandRefused, MunimentError
from muniment.imap.session import ImapSession
from muniment.mailserver import Limits
from tests.support.imap_script import MODERN_CAPABILITIES, Fault, Folder, Mail, Script
from tests.support.imap_server import ImapServer
from tests.unit.imap.conftest import ALICE, LOGIN, OpenSession, server_of

MAIL = {b"INBOX": Folder([Mail(1, b"x")]), "Entwürfe & Pläne".encode(): Folder([Mail(2, b"y")])}
UTF8_ONLY = f"{MODERN_CAPABILITIES} ENABLE UTF8=ONLY"


@pytest.mark.parametrize(
    ("where", "reply"),
    [
        ("GREETING", "* OK [ALERT] Down for repair on Sunday"),
        ("LIST", "OK [ALERT] Down for repair on Sunday"),
        ("LIST", "* OK [alert] Down for repair on Sunday\r\nDone"),
    ],
)
async def test_an_alert_is_kept(limits: Limits, where: str, reply: str) -> None:
    """An alert with the greeting, untagged or tagged, once each; it changes nothing else."""
    fault = Fault(where, reply=reply) if where != "GREETING" else None
    script = Script({ALICE: MAIL}, greeting=reply if fault is None else "* OK ready")
    unsolicited = reply.partition("\r\n")[0].encode() + b"\r\n"
    if "\r\n" in reply:
        script.unsolicited = unsolicited * 2
    elif fault is not None:
        script.faults.append(fault)
    async with ImapServer(script) as server:
        session = await ImapSession.open(server_of(server), LOGIN, limits)
        listed = await session.list_folders()
        if script.unsolicited:
            await session.examine(listed[0])
            await session.sizes([1])
        alerts = list(session.alerts)
        await session.logout()

    assert alerts == ["Down for repair on Sunday"]


async def test_alerts_are_bounded(opened: OpenSession) -> None:
    """A hostile server cannot fill the memory or the warnings of a run."""
    script = Script({ALICE: MAIL})
    script.unsolicited = b"".join(b"* OK [ALERT] %d %b\r\n" % (number, b"x" * 5000) for number in range(100))
    async with opened(script) as (session, _):
        await session.examine((await session.list_folders())[0])
        await session.sizes([1])

        assert len(session.alerts) == 5
        assert max(map(len, session.alerts)) < 500


async def test_a_page_to_visit_is_named_when_the_login_is_refused(limits: Limits) -> None:
    """Gmail's WEBALERT comes with the address at which the owner of the account must act."""
    page = "https://accounts.google.com/signin/continue?sarp=1"
    refusal = Fault("LOGIN", reply=f"NO [WEBALERT {page}] Web login required.")

    with pytest.raises(MunimentError, match="Web login required") as caught:
        async with ImapServer(Script({ALICE: MAIL}, faults=[refusal])) as server:
            await ImapSession.open(server_of(server), LOGIN, limits)

    assert page in str(caught.value)


async def test_utf8_is_accepted_where_the_server_insists(opened: OpenSession) -> None:
    """A server with UTF8=ONLY gets ENABLE UTF8=ACCEPT before its folders are listed and opened (RFC 6855 §6)."""
    async with opened(Script({ALICE: MAIL}, UTF8_ONLY)) as (session, server):
        listed = await session.list_folders()
        opened_counts = [(await session.examine(folder)).messages for folder in listed]

    assert [folder.path for folder in listed] == [("INBOX",), ("Entwürfe & Pläne",)]
    assert opened_counts == [1, 1]
    assert server.sent("ENABLE") == ["ENABLE UTF8=ACCEPT"]


async def test_utf8_is_not_enabled_elsewhere(opened: OpenSession) -> None:
    """A server that only offers UTF-8 keeps the folder names under which the archive knows them."""
    async with opened(Script({ALICE: MAIL}, f"{MODERN_CAPABILITIES} ENABLE UTF8=ACCEPT")) as (session, server):
        await session.list_folders()

    assert server.sent("ENABLE") == []


async def test_a_refused_enable_is_an_error(limits: Limits) -> None:
    """The error says what was refused."""
    script = Script({ALICE: MAIL}, UTF8_ONLY, faults=[Fault("ENABLE", reply="NO not today")])

    with pytest.raises(CommandRefused, match="refused ENABLE"):
        async with ImapServer(script) as server:
            await ImapSession.open(server_of(server), LOGIN, limits)
