"""Messages whose attachments take long: found by the rest at once, and in nobody's way."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from muniment.attachments import AttachmentReader, Kind, Reading
from muniment.attachments.limits import FIRST_SECONDS, MESSAGE_SECONDS, READ_SECONDS
from muniment.attachments.patience import ALLOWANCE_SECONDS
from muniment.services.indexing import drain_outbox as drain_module
from muniment.services.indexing.show_index import list_problems, retry_problems
from tests.integration.search.library import ANNA, BEN, Letter
from tests.integration.search.test_queries import library
from tests.support.harness import Harness
from tests.support.imap_script import Script
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import archive

_OCTETS = "application/octet-stream"


class Paced(AttachmentReader):
    """Reads texts, of which the first word says how many seconds that takes; notes what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.read_names: list[str] = []

    async def read(self, name: str, type_: str, kind: Kind, data: bytes, *, seconds: float = READ_SECONDS) -> Reading:
        """Return the text if the time suffices."""
        self.read_names.append(name)
        needed, _, text = data.decode().partition(" ")
        if float(needed) <= seconds:
            return Reading(text, seconds=float(needed))
        return Reading("", f"stopped after {seconds:.0f} s", settled=seconds >= READ_SECONDS, seconds=seconds)


@pytest.fixture
def reader() -> Paced:
    return Paced()


@pytest.fixture
def paced(harness: Harness, reader: Paced) -> Harness:
    """The harness with that reader."""
    return Harness(replace(harness.resources, attachments=reader), harness.folder)


def letter(name: str, *texts: str) -> Letter:
    """Return a message with an attachment for each text."""
    files = tuple((f"{name}-{number}.txt", _OCTETS, text.encode()) for number, text in enumerate(texts))
    return Letter(name, f"About {name}", f"body of {name}", files=files)


async def read_in(harness: Harness, anna: list[Letter], ben: list[Letter]) -> None:
    """Archive and index the messages of both."""
    script = Script(mailboxes={ANNA: library(anna), BEN: library(ben, uidvalidity=2)})
    async with ImapServer(script) as server:
        await archive(harness, server)


async def test_a_message_has_one_budget(paced: Harness, reader: Paced) -> None:
    """Forty slow attachments take the time of one message, the rest is listed, and another try reads on."""
    slow = [f"{READ_SECONDS / 2} slowword{number}" for number in range(40)]
    await read_in(paced, [letter("bomb", "0 quickword", *slow)], [letter("good", "0 goodword")])
    (problem,) = await list_problems(ADMIN, paced.resources, None, 10)
    found = [len(await paced.search(word)) for word in ("bomb", "quickword", "goodword", "slowword0", "slowword9")]
    tried = len(reader.read_names)
    first, *_, last = problem.problems

    assert found == [1, 1, 1, 1, 0]
    assert tried <= 3 + MESSAGE_SECONDS / (READ_SECONDS / 2) + 1
    assert "may take 30 s together" in first.words
    assert first.part.endswith(".txt")
    assert last.part.endswith("more")
    assert len(await paced.search("slowword6")) == 0

    await retry_problems(ADMIN, paced.resources, None)
    await drain_module.drain_outbox(paced.resources)

    assert len(await paced.search("slowword6")) == 1


async def test_other_mail_goes_first(paced: Harness, reader: Paced) -> None:
    """What takes long is set aside, and read after the mail of all others."""
    await read_in(
        paced, [letter("bomb", f"{FIRST_SECONDS + 1} slowword")], [letter(f"good{n}", f"0 word{n}") for n in range(5)]
    )

    assert reader.read_names[-1] == "bomb-0.txt"
    assert Counter(reader.read_names) == {"bomb-0.txt": 2, **{f"good{n}-0.txt": 1 for n in range(5)}}
    assert len(await paced.search("slowword")) == 1
    assert await list_problems(ADMIN, paced.resources, None, 10) == []


async def test_an_attachment_that_was_cut_is_not_kept_so(paced: Harness, reader: Paced) -> None:
    """What was not read for want of time in one message is read for the next one that has it."""
    cut = f"{FIRST_SECONDS + 1} sharedword"
    await read_in(paced, [letter("bomb", f"{FIRST_SECONDS - 1} x", cut)], [letter("good", cut)])

    assert len(await paced.search("sharedword")) == 2


async def test_a_flood_takes_a_share_only(paced: Harness, reader: Paced) -> None:
    """A mailbox full of such messages does not use up the time of all others in the first round."""
    bombs = [letter(f"bomb{number}", f"{READ_SECONDS + 1} slow{number}") for number in range(30)]
    await read_in(paced, bombs, [letter("good", "0 goodword")])
    in_second_round = len(bombs)

    assert len(await paced.search("body of bomb29")) == 1
    assert len(reader.read_names) - 1 - in_second_round <= ALLOWANCE_SECONDS / FIRST_SECONDS + 1
    assert len(await list_problems(ADMIN, paced.resources, None, 100)) == 30


async def test_slow_messages_have_a_turn_under_load(
    paced: Harness, reader: Paced, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a task's time is over with mail still waiting, one slow message is done."""
    await read_in(paced, [letter("bomb", f"{FIRST_SECONDS + 1} slowword")], [letter("good", "0 goodword")])
    async with paced.administrator() as session:
        await session.execute("TRUNCATE attachment_texts")
        await session.execute(
            "INSERT INTO index_outbox (store_id, message_id) SELECT store_id, id FROM messages ORDER BY subject"
        )
    one = paced.with_settings(index_batch=1).resources
    monkeypatch.setattr(drain_module, "DRAIN_SECONDS", -1.0)
    reader.read_names.clear()
    await drain_module.drain_outbox(one)

    assert [name.partition("-")[0] for name in reader.read_names] == ["bomb", "bomb"]
