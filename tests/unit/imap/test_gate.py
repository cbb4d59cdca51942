"""A connection and its slot: acquired before anything is sent, released at the end, and informed in between."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

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


class RecordingGate:
    """A gate with one slot that records what is reported to it."""

    def __init__(self, *, instead: MunimentError | None = None, closed: bool = False) -> None:
        self.events: list[str] = []
        self.spent = 0
        self._instead = instead
        self._closed = closed

    async def enter(self, server: Server) -> RecordingGate:
        """Return the slot, or refuse it."""
        if self._closed:
            raise ServerBusy
        return self

    def logged_in(self) -> None:
        """Record the call."""
        self.events.append("logged_in")

    def release(self, *, clean: bool) -> None:
        """Record the call."""
        self.events.append("released cleanly" if clean else "released")

    def report_throttling(self, reason: str, *, too_many: bool, seconds: float) -> None:
        """Record the call without the reason."""
        self.events.append(f"throttled {too_many} {seconds:g}")

    async def report_refusal(self, error: MunimentError) -> MunimentError | None:
        """Record the call and return the configured error."""
        self.events.append(f"refused {type(error).__name__}")
        return self._instead

    def report_latency(self, seconds: float) -> None:
        """Record the call without the time."""
        self.events.append("answered")

    async def spend(self, *, commands: int = 0, size: int = 0) -> None:
        """Count commands."""
        self.spent += commands


def script(*faults: Fault, **changes: object) -> Script:
    base = Script(mailboxes={ALICE: {b"INBOX": Folder(mails("a", 3))}}, faults=list(faults))
    return replace(base, **changes)  # type: ignore[arg-type]


async def visit(played: Script, recorder: RecordingGate, limits: Limits) -> None:
    """Log in, open a folder, and log out."""
    async with ImapServer(played) as server:
        session = await ImapSession.open(server_of(server), LOGIN, replace(limits, gate=recorder))
        try:
            await session.examine(INBOX)
            await session.logout()
        finally:
            session.abort()
            await session._protocol.wait_closed()


async def test_a_whole_visit(limits: Limits) -> None:
    """After a clean close by the server, the slot is free at once; each command except LOGOUT is counted."""
    recorder = RecordingGate()
    await visit(script(), recorder, limits)

    assert recorder.events == ["logged_in", "answered", "released cleanly"]
    assert recorder.spent >= 2


async def test_no_slot_no_connection(limits: Limits) -> None:
    async with ImapServer(script()) as server:
        with pytest.raises(ServerBusy):
            await ImapSession.open(server_of(server), LOGIN, replace(limits, gate=RecordingGate(closed=True)))

        assert server.max_connections == 0


@pytest.mark.parametrize(
    ("fault", "events", "error"),
    [
        (Fault("GREETING", reply="* BYE [LIMIT] too many connections"), ["throttled True 0"], ServerThrottled),
        (Fault("GREETING", close=True), [], ServerUnavailable),
        (Fault("LOGIN", reply="* BYE too busy"), [], ServerUnavailable),
        (Fault("LOGIN", reply="NO [INUSE] mailbox is open elsewhere"), ["throttled True 0"], ServerThrottled),
        (Fault("LOGIN", reply="NO [UNAVAILABLE] come back"), ["throttled False 0"], ServerThrottled),
    ],
)
async def test_who_is_not_let_in_asks_what_that_teaches(
    limits: Limits, fault: Fault, events: list[str], error: type[MunimentError]
) -> None:
    """The slot learns the server's response, and may replace the error by one that does not count for the mailbox."""
    recorder = RecordingGate()
    with pytest.raises(error):
        await visit(script(fault), recorder, limits)
    assert [told for told in recorder.events if not told.startswith("released")] == [
        *events,
        f"refused {error.__name__}",
    ]
    await eventually(lambda: "released" in str(recorder.events), "the slot given back")

    with pytest.raises(ServerBusy):
        await visit(script(replace(fault)), RecordingGate(instead=ServerBusy("learned")), limits)


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
    """A wrong password or a failing mailbox does not indicate a limit of the server."""
    recorder = RecordingGate()
    with pytest.raises(error):
        await visit(script(fault), recorder, limits)
    await eventually(lambda: recorder.events, "the slot given back")

    assert recorder.events == ["released"]


async def test_a_refused_connection_gives_its_slot_back(limits: Limits, port: int) -> None:
    """A refused TCP connection is reported to the slot."""
    recorder = RecordingGate()
    with pytest.raises(ServerUnavailable):
        await ImapSession.open(
            structs.replace(server_of(ImapServer(script())), port=port), LOGIN, replace(limits, gate=recorder)
        )

    assert recorder.events == ["refused ServerUnavailable", "released"]


async def test_a_throttle_in_the_middle_is_passed_on(limits: Limits) -> None:
    """Exchange's suggested back-off time is reported, followed by the broken connection."""
    recorder = RecordingGate()
    reply = "BAD Request is throttled. Suggested Backoff Time: 2500 milliseconds"
    with pytest.raises(ServerThrottled):
        await visit(script(Fault("EXAMINE", reply=reply)), recorder, limits)

    assert recorder.events == ["logged_in", "answered", "throttled False 2.5", "released"]


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
