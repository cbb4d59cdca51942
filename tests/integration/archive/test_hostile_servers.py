"""Servers that hang, lie, refuse or disconnect: each mailbox ends in the correct state and harms no other."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from muniment.model.run import RunState
from muniment.services.operating.show_status import list_quarantine
from tests.support.harness import Harness
from tests.support.imap_script import MODERN_CAPABILITIES, PLAIN_CAPABILITIES, Fault, Folder
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import (
    NEIGHBOURS,
    TARGET,
    archive,
    assert_neighbours_exact,
    failed,
    mailbox,
    neighbourhood,
    proven,
    source,
    submit,
)

Mailbox = dict[bytes, Folder]


@pytest.fixture(params=[(), NEIGHBOURS], ids=["alone", "beside others"])
def neighbours(request: pytest.FixtureRequest) -> Sequence[str]:
    """Return the healthy mailboxes in the same run."""
    chosen: Sequence[str] = request.param
    return chosen


@pytest.fixture
def impatient(harness: Harness) -> Harness:
    """Return a harness that gives up a mailbox after two attempts."""
    return harness.with_settings(job_attempts=2)


def fault(command: str, **what: Any) -> Fault:
    """Return a fault of the mailbox under test alone."""
    return Fault(command, mailbox=TARGET, **what)


# -- the job fails, with a sentence and a hint -------------------------------------------------------

NEVER = {
    "hangs at LIST": (fault("LIST", hang=True), "did not respond for 1 s while answering LIST"),
    "hangs at EXAMINE": (fault("EXAMINE", hang=True), "did not respond for 1 s while answering EXAMINE"),
    "hangs at SEARCH": (fault("UID SEARCH", hang=True), "did not respond for 1 s while answering UID SEARCH"),
    "hangs at sizes": (fault("UID FETCH", containing="(RFC822.SIZE)", hang=True), "did not respond .* UID FETCH"),
    "hangs at bodies": (fault("UID FETCH", containing="BODY", hang=True), "did not respond .* UID FETCH"),
    "hangs in mid-literal": (
        fault("UID FETCH", containing="BODY", raw=b"* 1 FETCH (UID 1 BODY[] {99}\r\nab"),
        "did not respond",
    ),
    "cuts every literal": (fault("UID FETCH", containing="BODY", cut_after=100), "closed the connection .* UID FETCH"),
    "closes at LIST": (fault("LIST", close=True), "closed the connection .* LIST"),
    "NO to LIST": (fault("LIST", reply="NO not for you"), "refused LIST: NO not for you"),
    "BAD to LIST": (fault("LIST", reply="BAD what is that"), "refused LIST: BAD what is that"),
    "BYE to LIST": (fault("LIST", reply="* BYE going down"), "closed the connection .*LIST.*BYE going down"),
    "BYE to EXAMINE": (fault("EXAMINE", containing="Archive", reply="* BYE out"), "closed .*EXAMINE.*BYE out"),
    "BYE to SEARCH": (fault("UID SEARCH", reply="* BYE out"), "closed .*SEARCH.*BYE out"),
    "BYE to FETCH": (fault("UID FETCH", reply="* BYE out"), "closed .*FETCH.*BYE out"),
    "throttles": (fault("EXAMINE", reply="NO [LIMIT] slow down"), "throttles EXAMINE"),
    "is no IMAP": (fault("LIST", raw=b"HTTP/1.1 400 Bad Request\r\n\r\n"), "not an IMAP response"),
    "refuses the login": (
        Fault(
            "AUTHENTICATE",
            containing=base64.b64encode(f"{TARGET}\0archiver\0master".encode()).decode(),
            reply="NO [AUTHENTICATIONFAILED] no such user",
        ),
        "refused the login of target@example.com: NO .*no such user",
    ),
}


@pytest.mark.parametrize("case", NEVER)
async def test_mailbox_that_never_works_fails_alone(impatient: Harness, case: str) -> None:
    """A mailbox that cannot be read fails with an error and a hint, alone or beside others, which are exact."""
    trouble, sentence = NEVER[case]
    # A mailbox fails after two timeouts; on a busy machine, healthy ones must not appear to hang.
    timeout = 1.0 if sentence.startswith("did not respond") else 20.0
    script = neighbourhood(mailbox("target"))
    script.faults = [trouble]
    async with ImapServer(script) as server:
        await submit(impatient, server, "alone", mailboxes=[TARGET], timeout_seconds=timeout)
        alone = await impatient.archive("alone")
        beside = await archive(impatient, server, timeout_seconds=timeout)

    assert re.search(sentence, failed(alone))
    assert re.search(sentence, failed(beside))
    assert not await proven(impatient)
    assert impatient.resources.budget.used == 0
    await assert_neighbours_exact(impatient, script)


# -- the job succeeds at the second attempt ----------------------------------------------------------

ONCE = {
    "hangs": fault("UID FETCH", containing="BODY", hang=True, times=1),
    "cuts a literal": fault("UID FETCH", containing="BODY", cut_after=700, times=1),
    "cuts after the first byte": fault("UID FETCH", containing="BODY", cut_after=1, times=1),
    "closes": fault("EXAMINE", close=True, times=1),
    "BYE to LIST": fault("LIST", reply="* BYE going down", times=1),
    "BYE to EXAMINE": fault("EXAMINE", containing="Sent", reply="* BYE going down", times=1),
    "hangs at the greeting": Fault("GREETING", hang=True, times=1),
    "greets with BYE": Fault("GREETING", reply="* BYE [UNAVAILABLE] come back later", times=1),
    "has an internal error at LIST": fault("LIST", reply="NO [SERVERBUG] Internal error", times=2),
    "is busy at EXAMINE": fault("EXAMINE", containing="Archive", reply="NO server busy", times=1),
    "has lost its store at EXAMINE": fault(
        "EXAMINE", containing="Sent", reply="BAD User is authenticated but not connected.", times=1
    ),
    "has an internal error at SEARCH": fault("UID SEARCH", reply="NO [SERVERBUG] Internal error", times=1),
    "exceeds its bandwidth": fault("UID FETCH", reply="NO [OVERQUOTA] Account exceeded bandwidth limits", times=1),
    "is unavailable": Fault("AUTHENTICATE", reply="NO [UNAVAILABLE] the directory is away", times=1),
    "has too many connections": Fault("AUTHENTICATE", reply="NO [LIMIT] too many connections", times=1),
}


@pytest.mark.parametrize("case", ONCE)
async def test_trouble_that_passes_is_retried(harness: Harness, neighbours: Sequence[str], case: str) -> None:
    """A mailbox that fails once is retried, and everything is archived exactly once."""
    script = neighbourhood(mailbox("target"), neighbours)
    script.faults = [replace(ONCE[case])]
    async with ImapServer(script) as server:
        report = await archive(harness, server, timeout_seconds=0.4)

    assert report.run.state == RunState.SUCCEEDED
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)
    assert await proven(harness)
    await assert_neighbours_exact(harness, script)


# -- the job succeeds although the server lies or lacks features -------------------------------------


def lying(size: int) -> Callable[[Mailbox], None]:
    """Make the server claim a wrong size for every message."""

    def play(target: Mailbox) -> None:
        for folder in target.values():
            folder.claimed_sizes = {m.uid: size for m in folder.messages}

    return play


SIZES = {"zero": 0, "one": 1, "a bit too much": 1000, "huge": 2**40, "absurd": 2**63}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
async def test_lies_about_sizes_do_not_matter(harness: Harness, neighbours: Sequence[str], size: int) -> None:
    """Whatever RFC822.SIZE claims, the bytes that were sent are archived."""
    script = neighbourhood(mailbox("target"), neighbours)
    lying(size)(script.mailboxes[TARGET])
    async with ImapServer(script) as server:
        report = await archive(harness, server)

    assert report.run.state == RunState.SUCCEEDED
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)
    assert await proven(harness)
    await assert_neighbours_exact(harness, script)


POOR: dict[str, dict[str, Any]] = {
    "no UIDVALIDITY": {},
    "no LIST-STATUS": {"capabilities": MODERN_CAPABILITIES.replace(" LIST-STATUS", "")},
    "no CONDSTORE": {"capabilities": MODERN_CAPABILITIES.replace(" CONDSTORE", "")},
    "no SASL-IR": {"capabilities": MODERN_CAPABILITIES.replace(" SASL-IR", "")},
    "no ESEARCH": {"capabilities": MODERN_CAPABILITIES.replace(" ESEARCH", "")},
    "nothing but IMAP4rev1": {"capabilities": PLAIN_CAPABILITIES.replace(" SASL-IR", "")},
    "capabilities only when asked": {"capabilities_in_login_answer": False},
    "unsorted FETCH": {"unsorted": True},
    "SEARCH capped": {"search_cap": 4},
    "body first": {"body_first": True},
    "literal folder names": {"name_form": "literal"},
    "unasked answers": {"unsolicited": b"* 3 EXPUNGE\r\n* 9 EXISTS\r\n* 2 FETCH (FLAGS (\\Seen))\r\n"},
    "offers CONDSTORE in vain": {
        "faults": [
            Fault("EXAMINE", reply="BAD syntax", containing="CONDSTORE"),
            Fault("LIST", reply="BAD syntax", containing="HIGHESTMODSEQ"),
        ]
    },
    "refuses STATUS": {"capabilities": PLAIN_CAPABILITIES, "faults": [Fault("STATUS", reply="NO not today")]},
}


@pytest.mark.parametrize("case", POOR)
async def test_poor_server_is_archived_exactly(harness: Harness, case: str) -> None:
    """Whatever extension or feature a server lacks, two runs archive each message exactly once."""
    script = replace(neighbourhood(mailbox("target")), **POOR[case])
    if case == "no UIDVALIDITY":
        for folder in (folder for folders in script.mailboxes.values() for folder in folders.values()):
            folder.uidvalidity = None
    async with ImapServer(script) as server:
        first = await archive(harness, server)
        second = await harness.archive("all")

    assert (first.run.state, second.run.state) == (RunState.SUCCEEDED, RunState.SUCCEEDED)
    assert second.run.messages.archived == 0
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)
    assert await proven(harness)
    await assert_neighbours_exact(harness, script)


@pytest.mark.parametrize("slice_bytes", [1, 500])
async def test_slices_get_on_without_status(harness: Harness, slice_bytes: int) -> None:
    """A job of many slices completes on a server that refuses every STATUS, so that it can skip no folder."""
    script = neighbourhood(mailbox("target", folders=[b"INBOX", *(b"f%d" % n for n in range(8))]), ())
    script.capabilities = PLAIN_CAPABILITIES
    script.faults = [Fault("STATUS", reply="NO not today")]
    tiny = harness.with_settings(slice_bytes=slice_bytes, slice_seconds=0.000001, batch_messages=3)
    async with ImapServer(script) as server:
        report = await archive(tiny, server)

    assert report.run.state == RunState.SUCCEEDED
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)


# -- one folder or one message cannot be read --------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "folder", "answer"),
    [
        ("EXAMINE", b"INBOX", "NO"),
        ("EXAMINE", b"Archive", "BAD"),
        ("UID SEARCH", b"INBOX", "BAD"),
        ("UID SEARCH", b"Sent", "NO"),
    ],
)
async def test_refused_folder_stops_no_other(harness: Harness, command: str, folder: bytes, answer: str) -> None:
    """An unreadable folder fails its mailbox and is named, all others are archived, and the next run recovers."""
    script = neighbourhood(mailbox("target"))
    name = folder.decode()
    script.faults = [fault("EXAMINE", containing=name, reply=f"{answer} permission denied")]
    if command == "UID SEARCH":
        script.faults = []
        script.mailboxes[TARGET][folder].search_refused = answer
    async with ImapServer(script) as server:
        report = await archive(harness, server)
        script.faults = []
        script.mailboxes[TARGET][folder].search_refused = ""
        healed = await harness.archive("all")

    assert re.match(f"1 of 3 folders cannot be read: {name}: .* {answer} ", failed(report))
    assert report.failures[0].hint.endswith(f"leave them out of the profile: --exclude {name}/.")
    assert report.run.messages.archived == 2 * 6 + 3 * 18
    assert (healed.run.state, healed.run.messages.archived) == (RunState.SUCCEEDED, 6)
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)
    assert await proven(harness)
    await assert_neighbours_exact(harness, script)


async def test_refused_folder_is_not_proven(harness: Harness) -> None:
    """With an unreadable folder, a mailbox has no proof of completeness, but the other folders are archived."""
    script = neighbourhood(mailbox("target"), ())
    script.faults = [fault("EXAMINE", containing="Archive", reply="NO permission denied")]
    async with ImapServer(script) as server:
        await archive(harness, server)

    expected = source(script.mailboxes[TARGET])
    del expected["Archive",]
    assert expected == await harness.exported(TARGET)
    assert not await proven(harness)


@pytest.mark.parametrize(("how", "uid"), [("refused", 1), ("refused", 6), ("nil_bodies", 3), ("vanished", 2)])
async def test_refused_message_waits_in_quarantine(harness: Harness, how: str, uid: int) -> None:
    """A message that the server does not deliver is quarantined, its folder continues, and the next run recovers it."""
    script = neighbourhood(mailbox("target"))
    target = script.mailboxes[TARGET]
    getattr(target[b"INBOX"], how).add(uid)
    async with ImapServer(script) as server:
        report = await archive(harness, server)
        quarantine = await list_quarantine(ADMIN, harness.resources, 10)
        was_proven = await proven(harness)
        again = await harness.archive("all")
        attempts = [q.attempts for q in await list_quarantine(ADMIN, harness.resources, 10)]
        getattr(target[b"INBOX"], how).clear()
        healed = await harness.archive("all")

    assert report.run.messages.quarantined == 1
    assert [(TARGET, ["INBOX"], uid)] == [(q.address, q.path, q.uid) for q in quarantine]
    assert quarantine[0].reason
    assert not was_proven
    assert (again.run.messages.archived, again.run.messages.quarantined, attempts) == (0, 1, [2])
    assert (healed.run.messages.archived, await list_quarantine(ADMIN, harness.resources, 10)) == (1, [])
    assert source(target) == await harness.exported(TARGET)
    assert await proven(harness)
    await assert_neighbours_exact(harness, script)


async def test_outage_at_bodies_fills_no_quarantine(harness: Harness, neighbours: Sequence[str]) -> None:
    """A server that temporarily answers NO to all bodies is retried, and no message is quarantined."""
    script = neighbourhood(mailbox("target"), neighbours)
    # Its only set, each of the six messages, and the five comparisons with others.
    script.faults = [
        fault(command, containing="BODY.PEEK[]", reply="NO [SERVERBUG] Internal error", times=times)
        for command, times in (("UID FETCH", 7), ("FETCH", 5))
    ]
    async with ImapServer(script) as server:
        report = await archive(harness, server)

    assert (report.run.state, report.run.messages.quarantined) == (RunState.SUCCEEDED, 0)
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)
    assert await proven(harness)
    await assert_neighbours_exact(harness, script)


async def test_bad_message_alone_in_its_folder(impatient: Harness) -> None:
    """A bad message alone in its folder is quarantined at the last attempt, with the server's response."""
    script = neighbourhood(mailbox("target"))
    target = script.mailboxes[TARGET]
    target[b"Archive"].messages = target[b"Archive"].messages[:1]
    target[b"Archive"].refused.add(1)
    async with ImapServer(script) as server:
        report = await archive(impatient, server)
        [row] = await list_quarantine(ADMIN, impatient.resources, 10)
        target[b"Archive"].refused.clear()
        healed = await impatient.archive("all")

    assert (report.run.state, report.run.messages.quarantined) == (RunState.INCOMPLETE, 1)
    assert (row.path, row.uid) == (["Archive"], 1)
    assert re.search(r"each of 2 tries .*\[SERVERBUG\] that one is broken", row.reason)
    assert report.run.messages.archived == 2 * 6 + 3 * 18
    assert (healed.run.messages.archived, await list_quarantine(ADMIN, impatient.resources, 10)) == (1, [])
    assert source(target) == await impatient.exported(TARGET)
    await assert_neighbours_exact(impatient, script)


async def test_known_bad_messages_cost_no_tries(harness: Harness) -> None:
    """Many known bad messages, even if a run has nothing else to fetch, neither fail nor delay it."""
    script = neighbourhood(mailbox("target"), ())
    target = script.mailboxes[TARGET]
    for folder in target.values():
        folder.refused.update({2, 3, 4, 5})
    async with ImapServer(script) as server:
        first = await archive(harness, server)
        logins = len(server.sent("AUTHENTICATE"))
        second = await harness.archive("all")
        again = len(server.sent("AUTHENTICATE")) - logins

    assert (first.run.state, first.run.messages.quarantined) == (RunState.INCOMPLETE, 12)
    assert (second.run.state, second.run.messages.quarantined) == (RunState.INCOMPLETE, 12)
    assert again == logins


@pytest.mark.parametrize("uids", [{1}, {4}, {6}, {1, 2}, {3, 4}, {2, 5}], ids=str)
async def test_messages_that_break_the_connection(impatient: Harness, uids: set[int]) -> None:
    """Messages that always make the server disconnect are quarantined and named; all others are archived."""
    script = neighbourhood(mailbox("target"))
    target = script.mailboxes[TARGET]
    target[b"INBOX"].deadly.update(uids)
    async with ImapServer(script) as server:
        report = await archive(impatient, server)
        rows = await list_quarantine(ADMIN, impatient.resources, 10)
        target[b"INBOX"].deadly.clear()
        healed = await impatient.archive("all")

    assert (report.run.state, report.run.messages.quarantined) == (RunState.INCOMPLETE, len(uids))
    assert [(row.path, row.uid) for row in rows] == [(["INBOX"], uid) for uid in sorted(uids)]
    assert all("the connection broke at each of 2 tries" in row.reason for row in rows)
    assert report.run.messages.archived == 4 * 18 - len(uids)
    assert (healed.run.messages.archived, await list_quarantine(ADMIN, impatient.resources, 10)) == (len(uids), [])
    assert source(target) == await impatient.exported(TARGET)
    await assert_neighbours_exact(impatient, script)


async def test_message_whose_size_is_refused(harness: Harness) -> None:
    """If one message makes the server refuse even sizes, the rest of its folder is archived."""
    script = neighbourhood(mailbox("target"), ())
    script.faults = [fault("UID FETCH", containing="(RFC822.SIZE)", reply="NO [SERVERBUG] that one is broken")]
    script.mailboxes[TARGET][b"INBOX"].refused.add(2)
    async with ImapServer(script) as server:
        report = await archive(harness, server)

    expected = source(script.mailboxes[TARGET])
    expected["INBOX",] = source({b"INBOX": script.mailboxes[TARGET][b"INBOX"]}, without=[2])["INBOX",]
    assert (report.run.messages.archived, report.run.messages.quarantined) == (17, 1)
    assert expected == await harness.exported(TARGET)


async def test_nothing_of_a_dying_mailbox_is_lost(impatient: Harness) -> None:
    """Messages archived before a mailbox fails for good are kept, and the next run fetches only the rest."""
    script = neighbourhood(mailbox("target"), ())
    script.faults = [fault("EXAMINE", containing="Sent", reply="* BYE crashed")]
    async with ImapServer(script) as server:
        await submit(impatient, server)
        first = await impatient.archive("all")
        script.faults = []
        second = await impatient.archive("all")

    assert "BYE crashed" in failed(first)
    assert (first.run.messages.archived, second.run.messages.archived) == (12, 6)
    assert source(script.mailboxes[TARGET]) == await impatient.exported(TARGET)
