"""What a header names beside From, To and Cc, where links lead, and blind recipients."""

from __future__ import annotations

import pytest

from muniment.model.run import RunState
from muniment.services.directories.users import add_user
from muniment.services.indexing.show_index import list_problems, message_problems
from tests.integration.archive.test_multidrop import _COLLECTOR, _report, _submit
from tests.integration.search.library import ANNA, BEN
from tests.support.harness import Harness
from tests.support.imap_script import Folder, Mail, Script
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import archive

_PHISHING = (
    "Subject: phishing\nFrom: Bank <service@bank.example>\nContent-Type: text/html; charset=utf-8\n\n"
    '<p><a href="https://login.evilcorp.example/a/verify?id=1">https://bank.example/</a>'
    "<A HREF='https://safe.example/?url=https%3A%2F%2Fhidden-target.example%2Fx'>here</a>"
    '<form action="https://xn--mller-kva.example/in"></form><a href=https://straße.example/>x</a></p>'
)
_PLAIN = "Subject: plain\nFrom: a@x.example\n\nsee http://plainlink.example/order.php?id=4711, thanks\n"
_LIST = (
    "Subject: listed\nFrom: Author <author@x.example>\nSender: Robot <bounce@lists.example>\n"
    "Reply-To: Answers <answers@reply.example>\nList-Id: Gardeners of Ulm <gardeners.lists.example>\n"
    "List-Post: <mailto:gardeners@lists.example>\nDelivered-To: real@mailbox.example\nTo: gardeners@lists.example\n"
    "Resent-To: Forward <forward@resent.example>\n\ntext\n"
)
_IDN = (
    "Subject: idn\nFrom: Petra <petra@xn--mller-kva.example>\nTo: p@xn--strae-oqa.example, q@bücher.example\n\ntext\n"
)

QUERIES = {
    "link:evilcorp": "phishing",
    "link:login.evilcorp.example": "phishing",
    "link:https://login.evilcorp.example/a/verify": "phishing",
    "link:hidden-target.example": "phishing",
    "link:müller.example": "phishing",
    "link:xn--mller-kva.example": "phishing",
    "link:xn--strae-oqa.example": "phishing",
    "link:straße.example": "phishing",
    "link:evil*": "phishing",
    "link:plainlink.example": "plain",
    "evilcorp": "",
    "link:author": "",
    "replyto:answers": "listed",
    "replyto:answers@reply.example": "listed",
    "replyto:author": "",
    "answers@reply.example": "listed",
    "sender:bounce@lists.example": "listed",
    "sender:author": "",
    "sender:service@bank.example": "phishing",
    "from:bounce": "",
    "list:gardeners.lists.example": "listed",
    'list:"gardeners of ulm"': "listed",
    "list:author": "",
    "to:real@mailbox.example": "listed",
    "to:forward@resent.example": "listed",
    "from:petra@müller.example": "idn",
    "from:petra@xn--mller-kva.example": "idn",
    "to:p@straße.example": "idn",
    "to:q@xn--bcher-kva.example": "idn",
}


async def test_fields_and_links(searching: Harness) -> None:
    """Each field finds what it is for, and nothing else; link targets are found only by `link:`."""
    box = [Mail(uid, raw.encode()) for uid, raw in enumerate((_PHISHING, _PLAIN, _LIST, _IDN), 1)]
    async with ImapServer(Script(mailboxes={ANNA: {b"INBOX": Folder(box, uidvalidity=1)}})) as server:
        assert (await archive(searching, server)).run.state is RunState.SUCCEEDED
    found = {query: " ".join(hit.subject for hit in await searching.search(query, ANNA)) for query in QUERIES}

    assert found == QUERIES


async def test_blind_recipients_find_their_mail_and_nobody_else_does(searching: Harness) -> None:
    """A journal report reaches everybody in its envelope; `to:` of a blind recipient finds it in his archive only."""
    for name in ("anna", "ben", "carl"):
        await add_user(ADMIN, searching.resources, name, [f"{name}@example.com"])
    inner = f"From: Chief <chief@other.example>\nTo: {ANNA}\nSubject: secret\n\nbody\n".replace("\n", "\r\n").encode()
    lines = ("Sender: chief@other.example", f"To: {ANNA}", "Bcc: ben@example.com, carl@example.com", "Bcc: x@y.example")
    folder = Folder([Mail(1, _report(inner, *lines))], uidvalidity=7)
    async with ImapServer(Script(mailboxes={_COLLECTOR: {b"INBOX": folder}})) as server:
        await _submit(searching, server.host, server.port)
        await searching.archive("collect")

    async def finds(query: str, user: str | None) -> int:
        return len(await searching.search(query, user))

    for user in ("anna", "ben", "carl"):
        assert await finds("subject:secret", user) == 1
        assert await finds(f"to:{ANNA}", user) == 1
        assert await finds("to:x@y.example", user) == 0
    for owner in ("ben", "carl"):
        for query in (f"to:{owner}@example.com", f"to:{owner}", f"to:{owner[:3]}*", f"to:({owner} OR nobody)"):
            assert await finds(query, owner) == 1
            assert await finds(query, None) == 1
            for other in {"anna", "ben", "carl"} - {owner}:
                assert await finds(query, other) == 0
                assert await finds(f"-{query}", other) == 1
        assert await finds(f"{owner}@example.com", "anna") == 0
        assert await finds(f"delivered/{owner}", "anna") == 0


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"Content-Type: text/plain; charset=x-klingon\n\nM\xfcnchen\n", [("charset-guessed", "1 text/plain")]),
        (b"Content-Type: multipart/mixed; boundary=never\n\nwords\n", [("broken-structure", "")]),
        (b"Content-Type: application/dwg; name=plan.dwg\n\nx\n", [("kind-not-read", "1 plan.dwg")]),
        (b"Content-Transfer-Encoding: base64\n\nSGVsbG8\n", [("damaged-encoding", "1 text/plain")]),
        (b"Content-Type: application/pdf; name=a.pdf\n\n%PDF-1.7 x\n", [("attachment-not-read", "1 a.pdf")]),
        (b"Content-Type: text/plain\n\n-----BEGIN PGP MESSAGE-----\n", [("encrypted", "1 text/plain")]),
        (b"Content-Type: text/plain\n\nplain\n", []),
    ],
)
async def test_problems_name_their_kind_and_part(harness: Harness, raw: bytes, expected: list[tuple[str, str]]) -> None:
    """What is not wholly indexed, or guessed, is listed with a code, the part and words, and for each message."""
    box = [Mail(1, b"Subject: x\n" + raw)]
    async with ImapServer(Script(mailboxes={BEN: {b"INBOX": Folder(box, uidvalidity=1)}})) as server:
        await archive(harness, server)
    (hit,) = await harness.search("subject:x", BEN)
    listed = await list_problems(ADMIN, harness.resources, None, 10)
    found = await message_problems(ADMIN, harness.resources, hit.sha256.hex())

    assert [(one.code, one.part) for one in found] == expected
    assert all(one.words for one in found)
    assert [one.problems for one in listed] == ([found] if expected else [])
