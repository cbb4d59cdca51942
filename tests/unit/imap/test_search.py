from __future__ import annotations

import asyncio
import time
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.errors import CommandRefused, ProtocolViolation
from muniment.imap import ImapSession
from muniment.imap.searching import halves
from muniment.imap.uids import MAX_UIDS, UidListing
from muniment.mailserver import Limits
from muniment.model.folder import ServerFolder
from muniment.model.profile import Access, Server
from tests.support.imap_script import MODERN_CAPABILITIES, Fault, Folder, HugeContent, Mail, ManyMails, Script
from tests.support.raw_server import raw_server
from tests.unit.imap.conftest import ALICE, LOGIN, OpenSession

UIDS = [1, 2, 3, 7, 9, 10, 4294967295]
BOTH = pytest.mark.parametrize("capabilities", [MODERN_CAPABILITIES, "IMAP4rev1"], ids=["ESEARCH", "SEARCH"])


def script_of(*uids: int, capabilities: str = MODERN_CAPABILITIES, cap: int | None = None) -> Script:
    """Return a script with one folder of these UIDs."""
    mails = [Mail(uid, b"Message-ID: <%d@x>\r\n\r\nbody" % uid) for uid in uids]
    return Script({ALICE: {b"INBOX": Folder(mails)}}, capabilities, search_cap=cap)


def _numbers(part: str) -> range:
    """Return the numbers in `a:b` or `a`, up to 5,000."""
    first, _, last = part.partition(":")
    low, high = sorted((int(first), int(last or first)))
    return range(low, min(high, 5000) + 1)


def _written(ranges: list[tuple[int, int]]) -> list[int]:
    return [n for first, last in ranges for n in range(first, last + 1)]


async def examine_only(session: ImapSession) -> None:
    """Open the only folder."""
    (folder,) = await session.list_folders()
    await session.examine(folder)


@BOTH
@pytest.mark.parametrize("uids", [UIDS, []], ids=["some", "none"])
async def test_all(opened: OpenSession, capabilities: str, uids: list[int]) -> None:
    """Every UID of the folder is returned, ascending."""
    async with opened(script_of(*uids, capabilities=capabilities)) as (session, _):
        await examine_only(session)
        assert list(await session.search_uids()) == uids


@BOTH
@pytest.mark.parametrize(("above", "found"), [(1, UIDS), (4, UIDS[3:]), (11, UIDS[6:])])
async def test_from_a_uid(opened: OpenSession, capabilities: str, above: int, found: list[int]) -> None:
    """`UID n:*` returns the UIDs from n on."""
    async with opened(script_of(*UIDS, capabilities=capabilities)) as (session, _):
        await examine_only(session)
        assert list(await session.search_uids(f"UID {above}:*")) == found


async def test_the_star_trap(opened: OpenSession) -> None:
    """A server whose last UID is 5 takes `UID 100:*` as `5:100`; that message is not new."""
    async with opened(script_of(4, 5)) as (session, _):
        await examine_only(session)
        assert list(await session.search_uids("UID 100:*")) == []


@BOTH
async def test_a_capped_search(opened: OpenSession, capabilities: str) -> None:
    """If a server returns fewer UIDs than messages (Yahoo), another command completes them, from then on at once."""
    async with opened(script_of(*range(1, 51), capabilities=capabilities, cap=10)) as (session, server):
        await examine_only(session)
        assert list(await session.search_uids()) == list(range(1, 51))
        assert list(await session.search_uids("UID 31:*")) == list(range(31, 51))

    assert server.sent("FETCH") == ["FETCH 1:* (UID)"]
    assert server.sent("UID FETCH") == ["UID FETCH 31:* (UID)"]


ANSWERS: dict[str, tuple[bytes, list[int]]] = {
    "less": (b"* 1 FETCH (UID 3)\r\nTAG OK fetched\r\n", [1, 2, 3]),
    "nothing": (b"TAG OK fetched\r\n", [1, 2]),
    "the rest": (b"* 3 FETCH (UID 3)\r\n* 4 FETCH (UID 4)\r\nTAG OK fetched\r\n", [1, 2, 3, 4]),
    "some are gone": (b"* 4 FETCH (UID 9)\r\nTAG NO [EXPUNGEISSUED] some are gone\r\n", [1, 2, 9]),
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_two_halves_of_an_answer(limits: Limits, answer: str) -> None:
    """UIDs from SEARCH are kept, whatever the second command omits."""
    lines, expected = ANSWERS[answer]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1] hello\r\n")
        for text in (
            b"TAG OK [CAPABILITY IMAP4rev1] in\r\n",
            b"* 4 EXISTS\r\nTAG OK open\r\n",
            b"* SEARCH 1 2\r\nTAG OK searched\r\n",
            lines,
            b"* SEARCH 1 2\r\nTAG OK searched\r\n",
            lines,
        ):
            writer.write(text.replace(b"TAG", (await reader.readuntil(b"\r\n")).split()[0]))
        await reader.read()

    async with raw_server(talk) as port:
        session = await ImapSession.open(Server("127.0.0.1", port, Access.IMAP), LOGIN, limits)
        await session.examine(ServerFolder(b"INBOX", ("INBOX",), frozenset(), None))
        found = list(await session.search_uids())
        session._search._cap = 1
        again = list(await session.search_uids("UID 1:*"))
        session.abort()

    assert (found, again) == (expected, expected)


async def test_a_suspiciously_round_number(opened: OpenSession) -> None:
    """Exactly 1,000 new messages are verified with FETCH, because Yahoo truncates there."""
    script = Script({ALICE: {b"INBOX": Folder(ManyMails(2500, size=10))}}, search_cap=1000)
    async with opened(script) as (session, _):
        await examine_only(session)
        assert list(await session.search_uids("UID 11:*")) == list(range(11, 2501))


@BOTH
@pytest.mark.parametrize(
    "uid_set", ["1:2500", "2500:1", "1:4294967295", "1,3,5:2300,2400:2499,4000000000", "1:1000,1400:2400", "1:1500"]
)
async def test_a_capped_search_for_named_uids(opened: OpenSession, capabilities: str, uid_set: str) -> None:
    """A set of UIDs is searched in parts if 1,000 UIDs are returned, and every existing one is found once."""
    folder = Folder(ManyMails(2500, size=10))
    asked = {n for part in uid_set.split(",") for n in _numbers(part) if n <= 2500}
    async with opened(Script({ALICE: {b"INBOX": folder}}, capabilities, search_cap=1000)) as (session, server):
        await examine_only(session)
        assert list(await session.search_uids(f"UID {uid_set}")) == sorted(asked)

    assert len(server.sent("UID SEARCH")) < 60


async def test_a_session_remembers_the_cap(opened: OpenSession) -> None:
    """If a SEARCH for everything was truncated, sets of UIDs are searched in parts, too, whatever the number."""
    async with opened(script_of(*range(1, 51), cap=10)) as (session, server):
        await examine_only(session)
        await session.search_uids()
        assert list(await session.search_uids("UID 2:9,11:49")) == [*range(2, 10), *range(11, 50)]
        before = len(server.lines)
        assert list(await session.search_uids("UID 1:10")) == list(range(1, 11))
        assert len(server.lines) == before + 1  # the result was complete: no further command


async def test_an_uncapped_set_costs_one_command(opened: OpenSession) -> None:
    """A server with complete results needs one command, even for a thousand UIDs."""
    script = Script({ALICE: {b"INBOX": Folder(ManyMails(2500, size=10))}})
    async with opened(script) as (session, server):
        await examine_only(session)
        assert len(await session.search_uids("UID 1:1000")) == 1000
        assert len(await session.search_uids("UID 1,4000:9000")) == 1

    assert len(server.sent("UID SEARCH")) == 2


@given(st.lists(st.tuples(st.integers(1, 2**32 - 1), st.integers(0, 3000)), min_size=1, max_size=6))
def test_halves_lose_nothing(spans: list[tuple[int, int]]) -> None:
    """Both halves together equal the whole, and each is smaller."""
    ranges = [(first, first + more) for first, more in spans]
    total = sum(more + 1 for _, more in spans)
    left, right = halves(ranges)

    assert _written(left) + _written(right) == _written(ranges)
    if total > 1:
        assert len(_written(left)) == total // 2


async def test_a_whole_search_is_not_repeated(opened: OpenSession) -> None:
    """A server with complete results needs one command."""
    async with opened(script_of(*UIDS)) as (session, server):
        await examine_only(session)
        await session.search_uids()

    assert server.sent("FETCH") == []


async def test_search_refused(opened: OpenSession) -> None:
    """The error for a NO to SEARCH contains the server's text."""
    script = script_of(1)
    script.faults = [Fault("UID SEARCH", "NO index is broken")]
    async with opened(script) as (session, _):
        await examine_only(session)
        with pytest.raises(CommandRefused, match="index is broken"):
            await session.search_uids()


@given(st.lists(st.integers(1, 2**32 - 1)), st.integers(1, 4))
def test_any_search_answer(uids: list[int], lines: int) -> None:
    """However a server orders, repeats and splits the UIDs, they are returned ascending and distinct."""
    listing = UidListing()
    for start in range(lines):
        listing.take(b"SEARCH", [b"* SEARCH" + b"".join(b" %d" % u for u in uids[start::lines])])

    assert list(listing.sorted()) == sorted(set(uids))


@pytest.mark.parametrize(
    ("line", "uids"),
    [
        (b'* ESEARCH (TAG "A1") UID ALL 5:3,9', [3, 4, 5, 9]),
        (b"* ESEARCH UID COUNT 2 ALL 1:2", [1, 2]),
        (b'* ESEARCH (TAG "ALL") UID', []),
        (b"* SEARCH 3 1 2 (MODSEQ 17)", [1, 2, 3]),
        (b"* search ", []),
        (b"* 1 FETCH (UID 17)", [17]),
        (b"* 1 FETCH (FLAGS (\\Seen) UID 18)", [18]),
        (b"* 1 FETCH (FLAGS ())", []),
    ],
)
def test_forms(line: bytes, uids: list[int]) -> None:
    """All forms that servers use are parsed."""
    listing = UidListing()
    keyword = line.split()[2 if b"FETCH" in line else 1].upper()
    listing.take(keyword, [line])

    assert listing.sorted() == array("Q", uids)


@pytest.mark.parametrize(
    ("keyword", "line"),
    [
        (b"ESEARCH", b"* ESEARCH UID ALL 1:4294967295"),
        (b"ESEARCH", b"* ESEARCH UID ALL " + b"1:9000000," * 3 + b"1"),
        (b"ESEARCH", b"* ESEARCH UID ALL 1:*"),
        (b"ESEARCH", b"* ESEARCH UID ALL 1,,2"),
        (b"SEARCH", b"* SEARCH one two"),
        (b"SEARCH", b"* SEARCH 99999999999999999999"),
        (b"SEARCH", b"* SEARCH 0"),
        (b"SEARCH", b"* SEARCH 4294967296"),
        (b"FETCH", b"* 1 FETCH (UID x)"),
        (b"FETCH", b"* 1 FETCH"),
    ],
)
def test_lies(keyword: bytes, line: bytes) -> None:
    """More UIDs than a folder can have, and invalid UIDs, are refused."""
    listing = UidListing()

    def read() -> None:
        listing.take(keyword, [line])
        listing.sorted()

    with pytest.raises(ProtocolViolation):
        read()


def test_a_large_search_is_read_fast() -> None:
    """A million UIDs in one line take about a second, and eight bytes each."""
    assert MAX_UIDS >= 1_000_000
    line = b"* SEARCH" + b"".join(b" %d" % n for n in range(1, 1_000_001))
    listing = UidListing()
    start = time.process_time()
    listing.take(b"SEARCH", [line])

    assert len(listing.sorted()) == 1_000_000
    assert time.process_time() - start < 5


async def test_sizes(opened: OpenSession) -> None:
    """RFC822.SIZE is returned for the given UIDs; an expunged message is omitted."""
    script = script_of(*UIDS)
    script.mailboxes[ALICE][b"INBOX"].claimed_sizes[7] = 12345
    async with opened(script) as (session, server):
        await examine_only(session)
        size = len(b"Message-ID: <1@x>\r\n\r\nbody")
        assert await session.sizes([7, 1, 8]) == {1: size, 7: 12345}
        assert await session.sizes([]) == {}

    assert server.sent("UID FETCH") == ["UID FETCH 1,7:8 (RFC822.SIZE)"]


async def test_sizes_of_sparse_uids(opened: OpenSession) -> None:
    """Thousands of UIDs without neighbours need several lines, none longer than 8000 bytes."""
    uids = list(range(1, 400_000_000, 100_000))
    async with opened(script_of(*uids)) as (session, server):
        await examine_only(session)
        assert sorted(await session.sizes(uids)) == uids

    assert len(server.sent("UID FETCH")) > 1
    assert max(map(len, server.sent("UID FETCH"))) < 7900


async def test_oldest_messages(opened: OpenSession) -> None:
    """The first messages are identified by fields that differ between deliveries, without reading bodies."""
    mails = [
        Mail(3, b"Subject: x\r\nmessage-id: <a@x>\r\n\r\n", date="01-Jan-2020 00:00:00 +0000"),
        Mail(5, HugeContent(10**12), date="02-Jan-2020 00:00:00 +0000"),
        Mail(6, b"Message-ID: <c@x>\r\n\r\n"),
        Mail(7, b"Message-ID: <d@x>\r\n\r\n"),
    ]
    async with opened(Script({ALICE: {b"INBOX": Folder(mails)}})) as (session, server):
        await examine_only(session)
        assert await session.oldest_messages(2) == [
            (3, "message-id: <a@x> 01-Jan-2020 00:00:00 +0000"),
            (5, "02-Jan-2020 00:00:00 +0000"),
        ]
        assert len(await session.oldest_messages()) == 3

    assert not any("BODY.PEEK[]" in line for line in server.lines)


OLDEST: dict[str, tuple[bytes, bytes]] = {
    "DavMail": (b"*  2 EXISTS\r\n", b"*  1 FETCH (UID 3 INTERNALDATE NIL BODY[HEADER.FIELDS (MESSAGE-ID DATE)] "),
    "Courier": (b"* 2 EXISTS\r\n", b'* 1 FETCH (UID 3 INTERNALDATE NIL BODY[HEADER.FIELDS ("MESSAGE-ID" "DATE")] '),
}


@pytest.mark.parametrize("server", OLDEST)
async def test_oldest_messages_in_other_words(limits: Limits, server: str) -> None:
    """Extra spaces and quoted field names do not hide a message."""
    exists, fetch = OLDEST[server]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1] hello\r\n")
        for text in (
            b"TAG OK [CAPABILITY IMAP4rev1] in\r\n",
            exists + b"TAG OK open\r\n",
            fetch + b"{21}\r\nMessage-ID: <1@x>\r\n\r\n)\r\nTAG OK fetched\r\n",
        ):
            writer.write(text.replace(b"TAG", (await reader.readuntil(b"\r\n")).split()[0]))
        await reader.read()

    async with raw_server(talk) as port:
        session = await ImapSession.open(Server("127.0.0.1", port, Access.IMAP), LOGIN, limits)
        status = await session.examine(ServerFolder(b"INBOX", ("INBOX",), frozenset(), None))
        oldest = await session.oldest_messages()
        session.abort()

    assert status.messages == 2
    assert oldest == [(3, "Message-ID: <1@x>")]


async def test_oldest_messages_of_nothing(opened: OpenSession) -> None:
    """An empty folder has no oldest messages, and no command is sent: `1:1` would be an error there."""
    async with opened(script_of()) as (session, server):
        await examine_only(session)
        assert await session.oldest_messages() == []

    assert server.sent("FETCH") == []


async def test_copies_of_one_mail_differ_by_delivery(opened: OpenSession) -> None:
    """The same welcome mail in two new mailboxes is distinguished by its delivery."""
    seen = []
    for owner in (b"ann@x", b"ben@x"):
        mail = Mail(1, b"Delivered-To: " + owner + b"\r\nMessage-ID: <welcome@x>\r\nSubject: hi\r\n\r\nbody")
        async with opened(Script({ALICE: {b"INBOX": Folder([mail])}})) as (session, _):
            await examine_only(session)
            seen.append(await session.oldest_messages())

    assert seen[0] != seen[1]


@pytest.mark.parametrize("sizes", [True, False])
async def test_a_bad_message_is_no_outage(opened: OpenSession, *, sizes: bool) -> None:
    """An internal error for sizes and header fields counts as a refusal caused by one message."""
    script = script_of(1, 2)
    script.faults = [Fault(command, "NO [SERVERBUG] Internal error") for command in ("FETCH", "UID FETCH")]
    async with opened(script) as (session, _):
        await examine_only(session)
        with pytest.raises(CommandRefused):
            await (session.sizes([1, 2]) if sizes else session.oldest_messages())
