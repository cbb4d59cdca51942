from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.errors import CommandRefused, MunimentError, ProtocolViolation, ServerThrottled, ServerUnavailable
from muniment.imap.folders import FolderListing
from muniment.imap.mutf7 import encode
from muniment.imap.session import ImapSession
from muniment.mailserver import Limits
from muniment.model.folder import FolderStatus
from tests.support.imap_script import MODERN_CAPABILITIES, Fault, Folder, Mail, Script
from tests.support.imap_server import ImapServer
from tests.unit.imap.conftest import ALICE, LOGIN, OpenSession, server_of

PLAIN = "IMAP4rev1 LITERAL+"
NAMES = [
    b"INBOX",
    b"with space",
    b'quo"te',
    b"back\\slash",
    b"R&-D",
    b"R &- D",
    encode("Entwürfe"),
    encode("台北/受信箱"),
    encode("العربية"),
    "raw Ünicode".encode(),
    b"latin1 \xfc",
    b"[Gmail]/All Mail",
    b"NIL",
    b"(a)",
    b"100% {5}",
    b"line\r\nbreak",
    b"a/" * 40 + b"deep",
]


def mails(*uids: int) -> Folder:
    """Return a folder with these UIDs."""
    return Folder([Mail(uid, b"x") for uid in uids], uidvalidity=7, highestmodseq=99)


@pytest.mark.parametrize("capabilities", [MODERN_CAPABILITIES, PLAIN, "IMAP4rev1"])
@pytest.mark.parametrize("form", ["quoted", "literal"])
async def test_any_name_is_listed_and_opened(opened: OpenSession, capabilities: str, form: str) -> None:
    """A folder with any name is listed with its status, and the server recognises the name that we send back."""
    names = [n for n in NAMES if form == "literal" or b"\r" not in n]
    folders = {name: mails(*range(1, number + 2)) for number, name in enumerate(names)}
    async with opened(Script({ALICE: folders}, capabilities, name_form=form)) as (session, _):
        listed = await session.list_folders()
        assert [f.wire_name for f in listed] == names
        for number, folder in enumerate(listed):
            assert folder.status is not None
            assert folder.status.messages == number + 1
            assert await session.examine(folder) == folder.status


@given(name=st.binary(min_size=1, max_size=40).filter(lambda b: b"\0" not in b and b.upper() != b"INBOX"))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_a_name(limits: Limits, name: bytes) -> None:
    """A folder can be opened whatever bytes its name contains."""

    async def run() -> FolderStatus:
        script = Script({ALICE: {name: mails(1, 2)}}, name_form="literal")
        async with ImapServer(script) as server:
            session = await ImapSession.open(server_of(server), LOGIN, limits)
            (folder,) = await session.list_folders()
            status = await session.examine(folder)
            await session.logout()
            return status

    assert asyncio.run(run()).messages == 2


async def test_one_round_trip(opened: OpenSession) -> None:
    """With LIST-STATUS, all folders and their status cost one command."""
    folders = {b"f%d" % n: mails(n + 1) for n in range(5000)}
    async with opened(Script({ALICE: folders})) as (session, server):
        before = session.commands
        listed = await session.list_folders()
        assert session.commands == before + 1

    assert len(listed) == 5000
    assert listed[3].status == FolderStatus(uidvalidity=7, uidnext=5, messages=1, highestmodseq=99)
    assert server.sent("LIST") == ["LIST  * RETURN (STATUS (UIDVALIDITY UIDNEXT MESSAGES HIGHESTMODSEQ))"]


async def test_status_is_asked_for_where_list_does_not_tell(opened: OpenSession) -> None:
    """Without LIST-STATUS, each folder gets a STATUS, with HIGHESTMODSEQ only if the server supports it."""
    folders = {b"f%d" % n: mails(n + 1) for n in range(100)}
    async with opened(Script({ALICE: folders}, PLAIN)) as (session, server):
        listed = await session.list_folders()

    assert {f.status for f in listed} == {FolderStatus(7, n + 2, 1, None) for n in range(100)}
    assert len(server.sent("STATUS")) == 100
    assert not any("HIGHESTMODSEQ" in line for line in server.lines)


async def test_a_folder_without_status_is_still_a_folder(opened: OpenSession) -> None:
    """A STATUS that is refused for one folder does not affect the others."""
    faults = [Fault("STATUS", "NO [NOPERM] not this one", containing=" b ")]
    async with opened(Script({ALICE: {b"a": mails(1), b"b": mails(), b"c": mails()}}, PLAIN, faults=faults)) as (s, _):
        assert [f.status is None for f in await s.list_folders()] == [False, True, False]


async def test_a_server_that_offers_more_than_it_can(opened: OpenSession) -> None:
    """If LIST-STATUS is offered but refused, plain LIST and STATUS are used."""
    faults = [Fault("LIST", "BAD what?", containing="RETURN")]
    async with opened(Script({ALICE: {b"a": mails(1)}}, faults=faults)) as (session, _):
        assert [f.status.messages for f in await session.list_folders() if f.status] == [1]


@pytest.mark.parametrize("capabilities", [MODERN_CAPABILITIES, f"{PLAIN} CONDSTORE"], ids=["LIST", "STATUS"])
async def test_status_without_modseq(opened: OpenSession, capabilities: str) -> None:
    """A server that offers CONDSTORE but not HIGHESTMODSEQ is asked for the rest, and not for it again."""
    folders = {b"f%d" % n: mails(n + 1) for n in range(40)}
    faults = [Fault(command, "BAD unknown item", containing="HIGHESTMODSEQ") for command in ("LIST", "STATUS")]
    async with opened(Script({ALICE: folders}, capabilities, faults=faults)) as (session, server):
        listed = await session.list_folders()
        await session.examine(listed[0])

    assert {f.status for f in listed} == {FolderStatus(7, n + 2, 1, None) for n in range(40)}
    assert len([line for line in server.lines if "HIGHESTMODSEQ" in line]) == 1
    assert server.sent("EXAMINE") == ["EXAMINE f0"]


async def test_one_status_that_is_bad(opened: OpenSession) -> None:
    """A BAD for the STATUS of one folder does not prove that the server lacks an extension."""
    faults = [Fault("STATUS", "BAD name", containing=" b ")]
    folders = {b"a": mails(1), b"b": mails(), b"c": mails()}
    async with opened(Script({ALICE: folders}, f"{PLAIN} CONDSTORE", faults=faults)) as (session, _):
        assert [f.status and f.status.highestmodseq for f in await session.list_folders()] == [99, None, 99]
        assert "CONDSTORE" in session.capabilities


async def test_examine_without_condstore(opened: OpenSession) -> None:
    """A server that offers CONDSTORE and answers BAD to it is asked without it, from then on at once."""
    faults = [Fault("EXAMINE", "BAD syntax", containing="CONDSTORE")]
    async with opened(Script({ALICE: {b"a": mails(5), b"b": mails(6)}}, faults=faults)) as (session, server):
        first, second = await session.list_folders()
        assert await session.examine(first) == FolderStatus(7, 6, 1, None)
        assert list(await session.search_uids()) == [5]
        assert await session.examine(second) == FolderStatus(7, 7, 1, None)

    assert server.sent("EXAMINE") == ["EXAMINE a (CONDSTORE)", "EXAMINE a", "EXAMINE b"]


@pytest.mark.parametrize(
    ("answer", "error", "times"),
    [
        ("BAD what?", CommandRefused, 2),
        ("BAD User is authenticated but not connected", ServerUnavailable, 1),
        ("BAD [THROTTLED] slow down", ServerThrottled, 1),
        ("NO [NONEXISTENT] what?", CommandRefused, 1),
    ],
)
async def test_examine_refused_whatever_is_asked(
    opened: OpenSession, answer: str, error: type[MunimentError], times: int
) -> None:
    """A folder that is refused without CONDSTORE too, or for another reason, does not disable the extension."""
    faults = [Fault("EXAMINE", answer, containing=" a")]
    async with opened(Script({ALICE: {b"a": mails(1), b"b": mails(2)}}, faults=faults)) as (session, server):
        bad, good = await session.list_folders()
        with pytest.raises(error, match=re.escape(answer)):
            await session.examine(bad)
        assert (await session.examine(good)).highestmodseq == 99

    assert len(server.sent("EXAMINE a")) == times


@pytest.mark.parametrize("command", ["LIST", "STATUS"])
async def test_throttled_while_listing(opened: OpenSession, command: str) -> None:
    """A throttling server is not asked in another form."""
    faults = [Fault(command, "NO [LIMIT] not so fast")]
    capabilities = MODERN_CAPABILITIES if command == "LIST" else PLAIN
    async with opened(Script({ALICE: {b"a": mails(1)}}, capabilities, faults=faults)) as (session, _):
        with pytest.raises(ServerThrottled):
            await session.list_folders()


async def test_list_refused(opened: OpenSession) -> None:
    """The error of a server that refuses every LIST contains its text."""
    async with opened(Script({ALICE: {}}, faults=[Fault("LIST", "NO no way")])) as (session, _):
        with pytest.raises(CommandRefused, match="no way"):
            await session.list_folders()


async def test_folders_that_cannot_be_opened_are_left_out(opened: OpenSession) -> None:
    r"""\Noselect and \NonExistent mark nodes of the hierarchy, not folders."""
    folders = {
        b"a": mails(1),
        b"b": Folder(attributes="\\NoSelect \\HasChildren"),
        b"c": Folder(attributes="\\NonExistent"),
    }
    async with opened(Script({ALICE: folders}, PLAIN)) as (session, server):
        assert [f.wire_name for f in await session.list_folders()] == [b"a"]

    assert len(server.sent("STATUS")) == 1


@pytest.mark.parametrize(
    ("delimiter", "name", "path"),
    [
        ('"."', b"a.b/c", ("a", "b/c")),
        ('"\\\\"', b"a\\b", ("a", "b")),
        ("NIL", b"a/b.c", ("a/b.c",)),
        ('"/"', b"inbox/x", ("INBOX", "x")),
    ],
)
async def test_delimiters(opened: OpenSession, delimiter: str, name: bytes, path: tuple[str, ...]) -> None:
    """The path is split at the server's delimiter."""
    async with opened(Script({ALICE: {name: mails()}}, delimiter=delimiter)) as (session, _):
        (folder,) = await session.list_folders()

    assert folder.path == path
    assert folder.wire_name == name


@pytest.mark.parametrize(
    "parts",
    [
        [b'* LIST (\\Marked) "/" inbox ("CHILDINFO" ("SUBSCRIBED"))'],
        [b"* LIST () NIL ", b"Inbox", b""],
        [b'* list () "." INBOX'],
    ],
)
def test_forms_of_list(parts: list[bytes]) -> None:
    """Atoms, literals, extended data and any case are parsed; INBOX is one folder in any case."""
    listing = FolderListing([])
    listing.take(b"LIST", list(parts))
    listing.take(b"LIST", [b'* LIST () "/" INBOX'])
    listing.take(b"STATUS", [b"* STATUS iNbOx (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 5 UNKNOWN 6)"])

    (folder,) = listing.folders()
    assert folder.path == ("INBOX",)
    assert folder.status == FolderStatus(5, 4, 3, None)


@pytest.mark.parametrize(
    ("keyword", "line"),
    [
        (b"LIST", b"* LIST"),
        (b"LIST", b'* LIST "/" x'),
        (b"LIST", b'* LIST () "/" (x)'),
        (b"LIST", b'* LIST () "/"'),
        (b"LIST", b'* LIST () "/" a)'),
    ],
)
def test_broken_listings(keyword: bytes, line: bytes) -> None:
    """A malformed LIST response is a protocol violation, because a folder may be missing."""
    with pytest.raises(ProtocolViolation):
        FolderListing([]).take(keyword, [line])


@pytest.mark.parametrize(
    ("keyword", "parts"),
    [
        (b"LIST", [b"* LIST () NIL ", b"", b""]),
        (b"LIST", [b"* LIST (", b"", b") NIL x"]),
        (b"STATUS", [b"* STATUS ", b"", b" (MESSAGES 1)"]),
    ],
    ids=["names", "attributes", "names in STATUS"],
)
def test_names_that_fill_the_memory(keyword: bytes, parts: list[bytes]) -> None:
    """A server that lists a gigabyte of names is disconnected before they are stored; repeated names cost nothing."""
    listing = FolderListing([])

    def take(name: bytes) -> None:
        last = name if parts[-1].endswith(b"x") else b""
        listing.take(keyword, [parts[0], name.ljust(1024 * 1024, b"."), parts[2] + last])

    def flood(names: list[bytes]) -> None:
        for name in names:
            take(name)

    flood([b"same"] * 100)
    with pytest.raises(ProtocolViolation, match="the folder names exceed"):
        flood([b"%d" % number for number in range(100)])


def listed(name: bytes, *status: bytes) -> FolderStatus | None:
    """Return the status of a listed folder after these lines."""
    listing = FolderListing([])
    listing.take(b"LIST", [b'* LIST () "/" ' + name])
    for line in status:
        listing.take(b"STATUS", [line])
    (folder,) = listing.folders()
    return folder.status


@pytest.mark.parametrize(
    "line",
    [
        b"* STATUS",
        b"* STATUS x",
        b"* STATUS (MESSAGES 1)",
        b"* STATUS x (MESSAGES many)",
        b"* STATUS x (MESSAGES (1))",
        b"* STATUS x (MESSAGES 0 UIDNEXT -1)",
        b"* STATUS x (MESSAGES 0",
        b"* STATUS x) (MESSAGES 0)",
        b'* STATUS "x (MESSAGES 0)',
    ],
)
def test_a_status_that_cannot_be_read(line: bytes) -> None:
    """A malformed STATUS is ignored: the folder has no status, and the connection stays usable."""
    assert listed(b"x", line) is None
    assert listed(b"x", line, b"* STATUS x (MESSAGES 3)") == FolderStatus(0, None, 3, None)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (b'"Deleted Items"', b"* STATUS Deleted Items (MESSAGES 3)"),
        (b'"NIL"', b"* STATUS NIL (MESSAGES 3)"),
        (b"NIL", b'* STATUS "NIL" (MESSAGES 3)'),
        (b'"to NIL or not"', b"* STATUS to NIL or not (MESSAGES 3)"),
        (b"a b", b'* STATUS "a b" (MESSAGES 3)'),
    ],
)
def test_names_without_quotes(name: bytes, line: bytes) -> None:
    """An unquoted name with spaces is the same name; NIL is also a name."""
    assert listed(name, line) == FolderStatus(0, None, 3, None)


@pytest.mark.parametrize("capabilities", [MODERN_CAPABILITIES, PLAIN])
async def test_an_odd_status_among_others(opened: OpenSession, capabilities: str) -> None:
    """An unreadable STATUS affects only its folder."""
    folders = {b"a": mails(1), b"b": mails(1, 2), b"c": mails(1)}
    folders[b"b"].odd_status = b"* STATUS b (MESSAGES 2 UIDNEXT -1 UIDVALIDITY 7)"
    async with opened(Script({ALICE: folders}, capabilities)) as (session, _):
        found = await session.list_folders()
        assert [f.status is None for f in found] == [False, True, False]
        assert (await session.examine(found[1])).messages == 2


async def test_examine_never_changes_anything(opened: OpenSession) -> None:
    """Folders are opened with EXAMINE, and with CONDSTORE if the server supports it."""
    async with opened(Script({ALICE: {b"a": mails(5)}})) as (session, server):
        (folder,) = await session.list_folders()
        assert await session.examine(folder) == FolderStatus(7, 6, 1, 99)

    assert server.sent("EXAMINE") == ["EXAMINE a (CONDSTORE)"]
    assert not any(line.startswith("SELECT") for line in server.lines)


async def test_no_uidvalidity(opened: OpenSession) -> None:
    """A missing UIDVALIDITY (Tencent) counts as 0, in LIST and in EXAMINE."""
    async with opened(Script({ALICE: {b"a": Folder(uidvalidity=None)}}, PLAIN)) as (session, _):
        (folder,) = await session.list_folders()
        assert folder.status == FolderStatus(0, 1, 0, None)
        assert (await session.examine(folder)).uidvalidity == 0


async def test_a_folder_that_is_gone(opened: OpenSession) -> None:
    """The error for EXAMINE of a removed folder names it, and the session continues with others."""
    folders = {b"a": mails(1), encode("gelöscht"): mails(2)}
    async with opened(Script({ALICE: folders})) as (session, _):
        kept, gone = await session.list_folders()
        del folders[gone.wire_name]
        with pytest.raises(CommandRefused, match="gelöscht"):
            await session.examine(gone)
        with pytest.raises(MunimentError, match="AUTH"):
            await session.search_uids()
        await session.examine(kept)
        assert list(await session.search_uids()) == [1]
