"""A connection and its slot: asked for before anything is sent, given back when all is over, told what was said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from muniment.errors import (
    LoginRefused,
    MunimentError,
    ServerBusy,
    ServerThrottled,
    ServerUnavailable,
)
from muniment.imap import ImapSession
from muniment.imap.refusal import Status, is_too_many, suggested_seconds
from muniment.mailserver import Limits
from muniment.model.folder import ServerFolder
from muniment.model.profile import Server
from tests.support.eventually import eventually
from tests.support.imap_script import Fault, Folder, Script
from tests.support.imap_server import ImapServer
from tests.support.scripted import mails
from tests.unit.imap.conftest import ALICE, LOGIN, server_of

INBOX = ServerFolder(b"INBOX", ("INBOX",), frozenset(), None)


class Notes:
    """A gate with one slot that writes down what it is told."""

    def __init__(self, *, instead: MunimentError | None = None, closed: bool = False) -> None:
        self.told: list[str] = []
        self.spent = 0
        self._instead = instead
        self._closed = closed

    async def enter(self, server: Server) -> Notes:
        """Let in, or not."""
        if self._closed:
            raise ServerBusy
        return self

    def logged_in(self) -> None:
        """Write it down."""
        self.told.append("logged_in")

    def release(self, *, clean: bool) -> None:
        """Write it down."""
        self.told.append("released clean" if clean else "released")

    def report_throttling(self, reason: str, *, too_many: bool, seconds: float) -> None:
        """Write it down, without the words."""
        self.told.append(f"report_throttling {too_many} {seconds:g}")

    async def report_refusal(self, error: MunimentError) -> MunimentError | None:
        """Write it down, and say what was asked for."""
        self.told.append(f"refused {type(error).__name__}")
        return self._instead

    def report_latency(self, seconds: float) -> None:
        """Write it down, without the time."""
        self.told.append("answered")

    async def spend(self, *, commands: int = 0, size: int = 0) -> None:
        """Count commands."""
        self.spent += commands


def script(*faults: Fault, **changes: object) -> Script:
    made = Script(mailboxes={ALICE: {b"INBOX": Folder(mails("a", 3))}}, faults=list(faults))
    return replace(made, **changes)  # type: ignore[arg-type]


async def visit(played: Script, notes: Notes, limits: Limits) -> None:
    """Log in, open a folder, and leave."""
    async with ImapServer(played) as server:
        session = await ImapSession.open(server_of(server), LOGIN, replace(limits, gate=notes))
        try:
            await session.examine(INBOX)
            await session.logout()
        finally:
            session.abort()
            await session._protocol.wait_closed()


async def test_a_whole_visit(limits: Limits) -> None:
    """The server closed the connection itself, so the slot is free at once; each command but LOGOUT is paid for."""
    notes = Notes()
    await visit(script(), notes, limits)

    assert notes.told == ["logged_in", "answered", "released clean"]
    assert notes.spent >= 2


async def test_no_slot_no_connection(limits: Limits) -> None:
    async with ImapServer(script()) as server:
        with pytest.raises(ServerBusy):
            await ImapSession.open(server_of(server), LOGIN, replace(limits, gate=Notes(closed=True)))

        assert server.max_connections == 0


@pytest.mark.parametrize(
    ("fault", "complaint", "error"),
    [
        (Fault("GREETING", reply="* BYE [LIMIT] too many connections"), ["report_throttling True 0"], ServerThrottled),
        (Fault("GREETING", close=True), [], ServerUnavailable),
        (Fault("LOGIN", reply="* BYE too busy"), [], ServerUnavailable),
        (Fault("LOGIN", reply="NO [INUSE] mailbox is open elsewhere"), ["report_throttling True 0"], ServerThrottled),
        (Fault("LOGIN", reply="NO [UNAVAILABLE] come back"), ["report_throttling False 0"], ServerThrottled),
    ],
)
async def test_who_is_not_let_in_asks_what_that_teaches(
    limits: Limits, fault: Fault, complaint: list[str], error: type[MunimentError]
) -> None:
    """The slot is told what the server said, and may replace the error by one that weighs on no mailbox."""
    notes = Notes()
    with pytest.raises(error):
        await visit(script(fault), notes, limits)
    assert [told for told in notes.told if not told.startswith("released")] == [
        *complaint,
        f"refused {error.__name__}",
    ]
    await eventually(lambda: "released" in str(notes.told), "the slot given back")

    with pytest.raises(ServerBusy):
        await visit(script(replace(fault)), Notes(instead=ServerBusy("learned")), limits)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("LOGIN", reply="NO [AUTHENTICATIONFAILED] no"), LoginRefused),
        (Fault("LOGIN", reply="NO [SERVERBUG] internal error"), ServerUnavailable),
    ],
)
async def test_what_is_about_one_mailbox_teaches_nothing(
    limits: Limits, fault: Fault, error: type[MunimentError]
) -> None:
    """A wrong password, or a mailbox in trouble, is no limit of the server."""
    notes = Notes()
    with pytest.raises(error):
        await visit(script(fault), notes, limits)
    await eventually(lambda: notes.told, "the slot given back")

    assert notes.told == ["released"]


async def test_a_refused_connection_gives_its_slot_back(limits: Limits, port: int) -> None:
    """Nobody listens there."""
    notes = Notes()
    with pytest.raises(ServerUnavailable):
        await ImapSession.open(replace(server_of(ImapServer(script())), port=port), LOGIN, replace(limits, gate=notes))

    assert notes.told == ["refused ServerUnavailable", "released"]


async def test_a_throttle_in_the_middle_is_passed_on(limits: Limits) -> None:
    """Exchange's words with their time, and the connection that broke."""
    notes = Notes()
    reply = "BAD Request is throttled. Suggested Backoff Time: 2500 milliseconds"
    with pytest.raises(ServerThrottled):
        await visit(script(Fault("EXAMINE", reply=reply)), notes, limits)

    assert notes.told == ["logged_in", "answered", "report_throttling False 2.5", "released"]


@pytest.mark.parametrize(
    ("text", "too_many", "seconds"),
    [
        ("[LIMIT] no more", True, 0.0),
        ("[ALERT] Too many simultaneous connections. (Failure)", True, 0.0),
        ("Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)", True, 0.0),
        ("[THROTTLED] slow down", False, 0.0),
        ("[OVERQUOTA] Account exceeded command or bandwidth limits.", False, 0.0),
        ("Request is throttled. Suggested Backoff Time: 300000 milliseconds", False, 300.0),
    ],
)
def test_what_servers_mean(text: str, too_many: bool, seconds: float) -> None:
    status = Status.parse("NO", text.encode())

    assert (is_too_many(status), suggested_seconds(status)) == (too_many, seconds)
