"""Random mailboxes of sound, cut, made-up and missing messages: what a rule deletes, and what a run says about them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from random import Random

import pytest

from muniment.mailserver.memory_mailbox import MemoryFolder, MemoryMail
from muniment.model.deletion_rule import AT_ONCE, DeletionRule
from muniment.model.quarantined import QuarantineChoice
from muniment.model.run import RunState
from muniment.services.operating.show_status import list_quarantine
from muniment.services.operating.tend_quarantine import accept_quarantined
from tests.support.harness import Contents
from tests.support.memory_mail import ANNA, MemoryWorld, message
from tests.support.principal import ADMIN

_STUB = (
    b"MIME-Version: 1.0\r\nFrom: Microsoft Exchange Server\r\nTo: <anna@example.com>\r\n"
    b"Subject: Retrieval using the IMAP4 protocol failed for the following message: %b\r\n\r\n"
    b"The server couldn't retrieve the following message:\r\n"
)
_REDIRECTED = _STUB.replace(b"Microsoft", b"A")
_MULTIPART = b'Subject: %b\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nhello\r\n'

#: What a message can be, by name.
_KINDS: dict[str, Callable[[str], MemoryMail]] = {
    "sound": lambda name: MemoryMail(message(name)),
    "flagged": lambda name: MemoryMail(message(name), flags=("\\Flagged",)),
    "short": lambda name: MemoryMail(message(name), claimed_size=20_000),
    "long": lambda name: MemoryMail(message(name), claimed_size=7),
    "cut": lambda name: MemoryMail(_MULTIPART % name.encode(), claimed_size=20_000),
    "only a header": lambda name: MemoryMail(b"Subject: %b\r\n\r\n" % name.encode(), claimed_size=20_000),
    "redirected": lambda name: MemoryMail(b"Message-ID: <1@a>\r\n" + _REDIRECTED % name.encode()),
    "substitute": lambda name: MemoryMail(_STUB % name.encode()),
    "refused": lambda name: MemoryMail(message(name), refusal="NO"),
    "withheld": lambda name: MemoryMail(message(name), is_withheld=True),
    "hidden": lambda name: MemoryMail(message(name), is_hidden=True),
}  # fmt: skip
_MISSING = {"substitute", "refused", "withheld", "hidden"}
#: What nobody can accept: it has no UID.
_NAMELESS = {"hidden"}
_NEVER = {"flagged", "cut", "only a header", "redirected", "substitute", "refused", "withheld", "hidden"}
_BY_SIZE = {"short", "long"}


def _filled(rng: Random, name: str) -> tuple[MemoryFolder, dict[int, str]]:
    """Return a folder, and what each of its messages is."""
    folder = MemoryFolder(uidvalidity=rng.randrange(1, 100))
    few = rng.sample(sorted(_KINDS), rng.randint(1, len(_KINDS)))
    if rng.random() < 0.5:
        few = [kind for kind in few if kind not in _MISSING] or ["sound"]
    kinds = {}
    for number in range(rng.randint(1, 9)):
        kind = rng.choice(few)
        kinds[folder.deliver(_KINDS[kind](f"{name}-{number}"))] = kind
    return folder, kinds


def _stays(kinds: dict[int, str], *, accepted: bool, despite_size: bool) -> set[int]:
    """Return the UIDs of a folder that the rule must leave."""
    missing = _NAMELESS if accepted else _MISSING
    if missing.intersection(kinds.values()):
        return set(kinds)
    kept = _NEVER if despite_size else _NEVER | _BY_SIZE
    return {uid for uid, kind in kinds.items() if kind in kept}


def _hashes(exported: Contents, folder: str) -> set[str]:
    return set(exported.get(tuple(folder.split("/")), ()))


@pytest.mark.parametrize("seed", range(16))
async def test_what_is_doubtful_stays(world: MemoryWorld, seed: int) -> None:
    """What left the server is archived as it was, what may not be whole stays, and the run says if mail is missing."""
    rng = Random(f"doubtful {seed}")
    names = ["INBOX", "Work/2024", "Sent"]
    filled = {name: _filled(rng, name) for name in names}
    world.mail.mailboxes[ANNA] = {name: folder for name, (folder, _) in filled.items()}
    before = {
        name: {uid: mail.content for uid, mail in folder.messages.items()} for name, (folder, _) in filled.items()
    }
    kinds = {name: found for name, (_, found) in filled.items()}
    despite_size = rng.random() < 0.5
    profile = await world.submit(deletion=DeletionRule(after=AT_ONCE, despite_size=despite_size))

    for accepted in (False, True):
        report = await world.harness.archive(profile)
        missing = _NAMELESS if accepted else _MISSING
        lacking = any(missing.intersection(found.values()) for found in kinds.values())
        assert report.run.state is (RunState.INCOMPLETE if lacking else RunState.SUCCEEDED)
        for name, (folder, _) in filled.items():
            assert set(folder.messages) == _stays(kinds[name], accepted=accepted, despite_size=despite_size), name
        await accept_quarantined(ADMIN, world.resources, QuarantineChoice(), "none of them matters")
    exported = await world.exported()
    for name, (folder, _) in filled.items():
        gone = [content for uid, content in before[name].items() if uid not in folder.messages]
        assert {hashlib.sha256(content).hexdigest() for content in gone} <= _hashes(exported, name)
    assert not await list_quarantine(ADMIN, world.resources, None)
