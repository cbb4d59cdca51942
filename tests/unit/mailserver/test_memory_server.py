"""The mail server in memory answers as a real session on the scripted server does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from muniment.errors import CommandRefused, LoginRefused, MunimentError, ServerUnavailable
from muniment.mailserver import Limits, MailSession
from muniment.mailserver.memory import MemoryMailServer
from muniment.mailserver.memory_mailbox import MemoryFolder, MemoryMail
from muniment.model.folder import ServerFolder
from muniment.model.login import Credentials, LoginKind
from muniment.model.profile import Access, Server
from muniment.network import NetworkConnector
from muniment.secrecy import Secret
from tests.support.imap_script import MODERN_CAPABILITIES, Folder, Mail, Script
from tests.support.imap_server import ImapServer

ALICE = "alice@example.com"
LOGIN = Credentials(LoginKind.LOGIN, ALICE, Secret("secret"))


def _raw(uid: int) -> bytes:
    return b"From: s@example.com\r\nSubject: number %d\r\nMessage-ID: <%d@x>\r\n\r\nbody\r\n" % (uid, uid)


@dataclass
class _Mailbox:
    """A folder INBOX as both servers play it."""

    count: int = 6
    flags: tuple[str, ...] = ("\\Seen",)
    claimed_sizes: tuple[tuple[int, int], ...] = ()
    refused: tuple[int, ...] = ()
    withheld: tuple[int, ...] = ()
    hidden: tuple[int, ...] = ()
    breaks: tuple[int, ...] = ()
    read_only: bool = False

    def script(self) -> Script:
        """Return it for the scripted server."""
        folder = Folder(
            [Mail(uid, _raw(uid), self.flags if uid == 2 else ()) for uid in range(1, self.count + 1)],
            uidvalidity=7,
            claimed_sizes=dict(self.claimed_sizes),
            refused=set(self.refused),
            vanished=set(self.withheld),
            hidden=set(self.hidden),
            deadly=set(self.breaks),
            read_only=self.read_only,
        )
        return Script(mailboxes={ALICE: {b"INBOX": folder}}, capabilities=f"{MODERN_CAPABILITIES} UIDPLUS")

    def memory(self) -> MemoryMailServer:
        """Return it for the server in memory."""
        folder = MemoryFolder(uidvalidity=7)
        folder.is_read_only = self.read_only
        for uid in range(1, self.count + 1):
            mail = MemoryMail(_raw(uid), self.flags if uid == 2 else ())
            mail.claimed_size = dict(self.claimed_sizes).get(uid)
            mail.refusal = "NO [SERVERBUG] that one is broken" if uid in self.refused else ""
            mail.is_withheld, mail.is_hidden = uid in self.withheld, uid in self.hidden
            mail.breaks = uid in self.breaks
            folder.deliver(mail)
        return MemoryMailServer({ALICE: {"INBOX": folder}})


_Open = Callable[[_Mailbox], AbstractAsyncContextManager[MailSession]]


async def _unnumbered(_: object) -> dict[str, int]:
    return {}


@pytest.fixture
def limits(tmp_path: Path) -> Limits:
    return Limits(batch_messages=50, batch_bytes=100_000, spool_bytes=20_000, max_message_bytes=500, spool=tmp_path)


@pytest.fixture(params=["memory", "network"])
def opened(request: pytest.FixtureRequest, limits: Limits) -> _Open:
    """Return a context manager that plays a mailbox and logs in to it."""

    @asynccontextmanager
    async def on_memory(mailbox: _Mailbox) -> AsyncIterator[MailSession]:
        session = await mailbox.memory().open(Server("x", 143, Access.IMAP), LOGIN, limits, _unnumbered)
        yield session
        await session.logout()

    @asynccontextmanager
    async def on_network(mailbox: _Mailbox) -> AsyncIterator[MailSession]:
        async with ImapServer(mailbox.script()) as server:
            where = Server("127.0.0.1", server.port, Access.IMAP, timeout_seconds=10.0)
            session = await NetworkConnector().open(where, LOGIN, limits, _unnumbered)
            yield session
            await session.logout()

    return on_memory if request.param == "memory" else on_network


async def _inbox(session: MailSession) -> ServerFolder:
    [folder] = await session.list_folders()
    await session.examine(folder)
    return folder


async def _fetched(session: MailSession, *uids: int) -> list[tuple[int, bytes | None]]:
    async with aclosing(session.fetch(uids)) as messages:
        return [(one.uid, None if one.raw is None else one.raw.head(one.raw.size)) async for one in messages]


async def test_folders_and_their_status(opened: _Open) -> None:
    async with opened(_Mailbox()) as session:
        [folder] = await session.list_folders()
        status = await session.examine(folder)

        assert (folder.wire_name, folder.path) == (b"INBOX", ("INBOX",))
        for told in (folder.status, status):
            assert told is not None
            assert (told.uidvalidity, told.uidnext, told.messages) == (7, 7, 6)
        assert session.exists == 6
        assert session.login_kind is LoginKind.LOGIN
        assert "UIDPLUS" in session.capabilities


@pytest.mark.parametrize(
    ("criteria", "found"), [("ALL", [1, 2, 3, 4, 6]), ("UID 2:*", [2, 3, 4, 6]), ("UID 1:2,6", [1, 2, 6])]
)
async def test_search(opened: _Open, criteria: str, found: list[int]) -> None:
    """A hidden message is counted, and not found."""
    async with opened(_Mailbox(hidden=(5,))) as session:
        await _inbox(session)

        assert list(await session.search_uids(criteria)) == found
        assert session.exists == 6


async def test_sizes_and_attributes(opened: _Open) -> None:
    """A claimed size is told as if it were true; header fields are those with addresses, and the subject."""
    async with opened(_Mailbox(claimed_sizes=((3, 99),))) as session:
        await _inbox(session)
        attributes = await session.attributes([2, 3, 77], with_head=True)

        assert dict(await session.sizes([1, 3, 77])) == {1: len(_raw(1)), 3: 99}
        assert attributes.keys() == {2, 3}
        assert attributes[2].flags == ("\\Seen",)
        assert attributes[3].size == 99
        assert attributes[2].received == datetime(2024, 7, 17, 9, 44, 25, tzinfo=UTC)
        assert (attributes[2].head or b"").split() == b"From: s@example.com Subject: number 2".split()
        assert (await session.attributes([2]))[2].head is None


async def test_headers(opened: _Open) -> None:
    """The whole header, up to the blank line."""
    async with opened(_Mailbox()) as session:
        await _inbox(session)

        assert await session.heads([2, 77]) == {2: _raw(2).partition(b"body")[0]}
        assert [uid for uid, _ in await session.oldest_messages()] == [1, 2, 3]
        assert len({told for _, told in await session.oldest_messages()}) == 3
        assert await session.fetched_order(4) == [1, 2, 3, 4]


async def test_fetch(opened: _Open) -> None:
    """Messages come byte for byte, with flags and date; one that is not there does not come."""
    async with opened(_Mailbox()) as session:
        await _inbox(session)
        async with aclosing(session.fetch([2])) as messages:
            [message] = [one async for one in messages]

        assert message.flags == ("\\Seen",)
        assert message.internal_date == datetime(2024, 7, 17, 9, 44, 25, tzinfo=UTC)
        assert await _fetched(session, 1, 2, 77) == [(1, _raw(1)), (2, _raw(2))]


async def test_bad_messages(opened: _Open) -> None:
    """A refused one comes without bytes, a withheld one does not come, the others do."""
    async with opened(_Mailbox(refused=(2,), withheld=(4,))) as session:
        await _inbox(session)
        found = dict(await _fetched(session, 1, 2, 3, 4, 5))

        assert found == {1: _raw(1), 2: None, 3: _raw(3), 5: _raw(5)}
        assert list(await session.search_uids("UID 4")) == [4]


async def test_a_message_that_breaks_the_connection(opened: _Open) -> None:
    """What came before was delivered; afterwards every call fails, and only leaving does not."""
    async with opened(_Mailbox(breaks=(3,))) as session:
        await _inbox(session)
        async with aclosing(session.fetch([1, 2, 3, 4])) as messages:
            came = [(await anext(messages)).uid, (await anext(messages)).uid]
            with pytest.raises(ServerUnavailable):
                await anext(messages)

        assert came == [1, 2]
        with pytest.raises(ServerUnavailable):
            await session.search_uids()


async def test_leaving_a_fetch_early_ends_the_connection(opened: _Open) -> None:
    async with opened(_Mailbox()) as session:
        await _inbox(session)
        async with aclosing(session.fetch([1, 2, 3])) as messages:
            await anext(messages)

        with pytest.raises(ServerUnavailable):
            await session.search_uids()


async def test_a_folder_that_is_not_there(opened: _Open) -> None:
    async with opened(_Mailbox()) as session:
        with pytest.raises(CommandRefused):
            await session.examine(ServerFolder(b"Nowhere", ("Nowhere",), frozenset(), None))


async def test_erasing(opened: _Open) -> None:
    """Exactly the messages that are named go."""
    async with opened(_Mailbox()) as session:
        folder = await _inbox(session)
        eraser = session.eraser()
        status = await eraser.open(folder)
        await eraser.erase([2, 3])

        assert eraser.is_exact
        assert (status.uidvalidity, status.messages) == (7, 6)
        assert list(await session.search_uids()) == [1, 4, 5, 6]
        assert await eraser.marked() == set()


async def test_erasing_in_a_folder_that_may_only_be_read(opened: _Open) -> None:
    async with opened(_Mailbox(read_only=True)) as session:
        folder = await _inbox(session)
        with pytest.raises(CommandRefused, match="only to read"):
            await session.eraser().open(folder)


async def test_a_message_that_is_too_large(opened: _Open) -> None:
    """It comes without bytes, and with the reason."""
    big = _Mailbox(count=1)
    big_raw = _raw(1) + b"x" * 600

    def script() -> Script:
        made = _Mailbox.script(big)
        made.mailboxes[ALICE][b"INBOX"].messages = [Mail(1, big_raw)]
        return made

    def memory() -> MemoryMailServer:
        return MemoryMailServer({ALICE: {"INBOX": MemoryFolder([big_raw])}})

    vars(big).update(script=script, memory=memory)
    async with opened(big) as session:
        await _inbox(session)
        async with aclosing(session.fetch([1])) as messages:
            [message] = [one async for one in messages]

    assert message.raw is None
    assert message.reason == f"the message has {len(big_raw)} bytes, more than the 500 allowed"


# -- what only the server in memory can do ------------------------------------------------------------


async def _open(server: MemoryMailServer, limits: Limits, **changes: Any) -> MailSession:
    return await server.open(Server("x", 143, Access.IMAP), replace(LOGIN, **changes), limits, _unnumbered)


async def test_logins(limits: Limits) -> None:
    """A privileged login opens the mailbox that it names; an unknown one is refused, and no session is left behind."""
    server = _Mailbox().memory()
    server.opens_instead["ben@example.com"] = ALICE
    server.login_errors["carla@example.com"] = LoginRefused("NO")

    await (await _open(server, limits, user="archiver", authorize_as=ALICE)).logout()
    await (await _open(server, limits, user="ben@example.com")).logout()
    for refused in ("carla@example.com", "nobody@example.com"):
        with pytest.raises(LoginRefused):
            await _open(server, limits, user=refused)
    assert server.logins == [ALICE, "ben@example.com", "carla@example.com", "nobody@example.com"]
    assert (server.sessions, server.most_sessions) == (0, 1)


async def test_the_server_goes_away(limits: Limits) -> None:
    """Open sessions fail with their next command, and new ones do not begin."""
    server = _Mailbox().memory()
    session = await _open(server, limits)
    server.is_away = True

    with pytest.raises(ServerUnavailable):
        await session.list_folders()
    with pytest.raises(ServerUnavailable):
        await _open(server, limits)
    assert server.sessions == 0


@pytest.mark.parametrize("delivered", [0, 2])
async def test_a_connection_that_is_lost_once(limits: Limits, delivered: int) -> None:
    """After so many messages; the next connection holds."""
    server = _Mailbox().memory()
    server.drop_after = delivered
    session = await _open(server, limits)
    await _inbox(session)
    with pytest.raises(ServerUnavailable):
        await _fetched(session, 1, 2, 3)
    again = await _open(server, limits)
    await _inbox(again)

    assert [uid for _, uid in server.delivered] == list(range(1, delivered + 1))
    assert len(await _fetched(again, 1, 2, 3)) == 3


async def test_renumbering() -> None:
    """All messages get new UIDs under the new UIDVALIDITY, and UIDNEXT goes on from there."""
    folder = MemoryFolder([_raw(1), _raw(2), _raw(3)])
    del folder.messages[1]
    assert folder.status.uidnext == 4
    folder.renumber(9)

    assert [(uid, mail.content) for uid, mail in folder.messages.items()] == [(1, _raw(2)), (2, _raw(3))]
    assert (folder.status.uidvalidity, folder.status.uidnext) == (9, 3)


async def test_without_uidplus_everything_marked_goes(limits: Limits) -> None:
    """The eraser says so, and does so."""
    server = _Mailbox(flags=("\\Deleted",)).memory()
    server.capabilities = frozenset({"IMAP4REV1"})
    session = await _open(server, limits)
    folder = await _inbox(session)
    eraser = session.eraser()
    await eraser.open(folder)
    assert await eraser.marked() == {2}
    await eraser.erase([4])

    assert not eraser.is_exact
    assert list(await session.search_uids()) == [1, 3, 5, 6]


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ("SEEN", [2]),
        ("UNSEEN SINCE 17-Jul-2024", [1, 3, 4, 5, 6]),
        ("BEFORE 17-Jul-2024", []),
        ("LARGER 50 SMALLER 10000", [1, 2, 3, 4, 5, 6]),
    ],
)
async def test_search_keys(limits: Limits, keys: str, found: list[int]) -> None:
    """Those that `MailFilter.search_keys` writes."""
    session = await _open(_Mailbox().memory(), limits)
    await _inbox(session)

    assert await session.matching(range(1, 7), keys) == found


async def test_slots_are_given_back(limits: Limits) -> None:
    """A session holds its slot until it is closed, and a refused login holds none."""
    told: list[str] = []

    class Slot:
        def logged_in(self) -> None:
            told.append("logged in")

        def release(self, *, clean: bool) -> None:
            told.append(f"released {clean}")

        def report_throttling(self, reason: str, *, too_many: bool, seconds: float) -> None:
            told.append("complained")

        async def report_refusal(self, error: MunimentError) -> MunimentError | None:
            told.append("refused")
            return None

        def report_latency(self, seconds: float) -> None:
            pass

        async def spend(self, *, commands: int = 0, size: int = 0) -> None:
            told.append(f"spent {commands} {size}")

    class Gate:
        async def enter(self, server: Server) -> Slot:
            return Slot()

    gated = replace(limits, gate=Gate())
    server = _Mailbox().memory()
    session = await _open(server, gated)
    await session.list_folders()
    await session.make_room(5)
    await session.logout()
    session.abort()
    with pytest.raises(LoginRefused):
        await _open(server, gated, user="nobody")

    assert told == ["logged in", "spent 1 0", "spent 0 5", "released True", "refused", "released False"]
