"""The doctor's services on a mail server within the process: what they find, and that they store nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

import pytest

from muniment.errors import LoginRefused, NotFound, ServerUnavailable, WrongMailbox
from muniment.governor import MemoryGovernor
from muniment.mailserver.memory_mailbox import CAPABILITIES, MemoryFolder
from muniment.model.deletion_rule import AT_ONCE, DeletionRule
from muniment.model.finding import Verdict
from muniment.model.folder_scope import USUAL
from muniment.model.mail_filter import MailFilter
from muniment.model.server_limits import ServerLimits
from muniment.services.doctor.check_logins import check_profile
from muniment.services.doctor.probe_profile import Probe, probe_profile
from muniment.services.doctor.show_folders import show_folders
from muniment.services.doctor.what_if import what_if
from tests.support.memory_mail import ANNA, ARCHIVER, BEN, MemoryWorld, mailbox, message
from tests.support.principal import ADMIN

_T = TypeVar("_T")


async def _all(found: AsyncIterator[_T]) -> list[_T]:
    return [one async for one in found]


async def _probe(world: MemoryWorld) -> Probe:
    return await probe_profile(ADMIN, world.resources, await world.submit())


def _verdict(probe: Probe, step: str) -> Verdict:
    return next(one.verdict for one in probe.findings if one.step == step)


async def test_a_probe_of_a_good_mailbox(world: MemoryWorld) -> None:
    """Every step is fine, the connection is closed, and nothing is stored."""
    probe = await _probe(world)

    assert probe.error is None
    assert {one.verdict for one in probe.findings} == {Verdict.OK}
    assert (probe.mailbox, probe.folders, probe.messages) == (ANNA, 2, 12)
    assert world.mail.sessions == 0
    assert world.mail.delivered == []
    assert await world.value("SELECT count(*) FROM folders") == 0


async def test_a_probe_finds_the_wrong_mailbox(world: MemoryWorld) -> None:
    """The privileged user's own mailbox under another name."""
    world.mail.mailboxes[ARCHIVER] = mailbox("own")
    world.mail.opens_instead[ANNA] = ARCHIVER
    probe = await _probe(world)

    assert isinstance(probe.error, WrongMailbox)
    assert _verdict(probe, "right mailbox") is Verdict.FAILED


async def test_a_probe_tells_mailboxes_apart(world: MemoryWorld) -> None:
    """The privileged user's own mailbox is another one, though its folders have the same numbers."""
    world.mail.mailboxes[ARCHIVER] = mailbox("own")
    probe = await _probe(world)

    assert _verdict(probe, "right mailbox") is Verdict.OK


async def test_a_probe_of_a_refused_login(world: MemoryWorld) -> None:
    """The result holds the error, and what to do."""
    world.mail.login_errors[ANNA] = LoginRefused("NO [AUTHENTICATIONFAILED]")
    probe = await _probe(world)

    assert isinstance(probe.error, LoginRefused)
    assert probe.findings[-1].verdict is Verdict.FAILED
    assert probe.findings[-1].advice


async def test_a_probe_of_a_server_that_is_away(world: MemoryWorld) -> None:
    """No login is tried in vain; the error is the one that a run would show."""
    world.mail.is_away = True
    probe = await _probe(world)

    assert isinstance(probe.error, ServerUnavailable)
    assert world.mail.logins == []


async def test_a_probe_of_hidden_messages_and_missing_capabilities(world: MemoryWorld) -> None:
    """What the server counts and does not list is a warning; a capability that only helps is none."""
    world.mail.mailboxes[ANNA]["INBOX"].messages[2].is_hidden = True
    world.mail.capabilities = CAPABILITIES - {"LIST-STATUS"}
    probe = await _probe(world)

    assert _verdict(probe, "SEARCH") is Verdict.WARNING
    assert _verdict(probe, "capabilities") is Verdict.OK
    assert probe.error is None


async def test_a_probe_of_another_mailbox_of_the_profile(world: MemoryWorld) -> None:
    """The mailbox may be named; one that the profile does not have is not found."""
    world.mail.mailboxes[BEN] = mailbox("ben")
    name = await world.submit()

    assert (await probe_profile(ADMIN, world.resources, name, BEN)).mailbox == BEN
    with pytest.raises(NotFound):
        await probe_profile(ADMIN, world.resources, name, "nobody@example.com")


async def test_checking_the_logins_of_all_mailboxes(world: MemoryWorld) -> None:
    """One that fails does not keep the others from being checked."""
    world.mail.mailboxes[BEN] = mailbox("ben")
    world.mail.login_errors[BEN] = LoginRefused("NO")
    checks = await _all(check_profile(ADMIN, world.resources, await world.submit()))

    found = {check.mailbox: check for check in checks}
    assert (found[ANNA].error, found[ANNA].messages, found[ANNA].folders) == ("", 12, 2)
    assert found[BEN].error == "NO"
    assert world.mail.sessions == 0


async def test_checking_logins_waits_for_connections(world: MemoryWorld) -> None:
    """Where the server allows fewer connections than mailboxes are tried at once, each waits for its turn."""
    world.mail.mailboxes |= {f"user{n}@example.com": mailbox(f"user{n}") for n in range(6)}
    governor = MemoryGovernor({"mail.example.com": ServerLimits(connections=1)}, patience=60.0)
    governed = world.with_resources(governor=governor)
    checks = await _all(check_profile(ADMIN, governed.resources, await governed.submit()))

    assert [check.error for check in checks] == [""] * 7
    assert world.mail.most_sessions == 1


async def test_checking_logins_of_a_server_that_is_away(world: MemoryWorld) -> None:
    """One look at the way there is enough for all."""
    world.mail.is_away = True
    with pytest.raises(ServerUnavailable, match="no answer"):
        await _all(check_profile(ADMIN, world.resources, await world.submit()))


async def test_which_folders_would_be_archived(world: MemoryWorld) -> None:
    """Each folder of the mailbox, and why it is in or out."""
    world.mail.mailboxes[ANNA]["Junk"] = MemoryFolder()
    world.mail.mailboxes[ANNA]["Junk"].attributes = frozenset({"\\Junk"})
    found = await show_folders(ADMIN, world.resources, await world.submit(folders=USUAL))

    assert {"/".join(one.folder.path): one.is_archived for one in found.folders} == {
        "INBOX": True,
        "Work/2024": True,
        "Junk": False,
    }
    assert world.mail.sessions == 0


async def test_what_a_run_would_do(world: MemoryWorld) -> None:
    """New messages, those that the filter leaves out, and deletions; nothing of it happens."""
    await world.archive()
    inbox = world.mail.mailboxes[ANNA]["INBOX"]
    inbox.deliver(message("new"))
    inbox.deliver(message("unwanted"))
    inbox.messages[1].flags = ("\\Flagged",)
    name = await world.submit(deletion=DeletionRule(after=AT_ONCE), filter=MailFilter(subject=("!unwanted",)))
    [forecast] = await _all(what_if(ADMIN, world.resources, name))

    assert (forecast.messages, forecast.filtered, forecast.bytes) == (1, 1, len(message("new")))
    assert sorted((one.folder, one.uid) for one in forecast.deletions) == [
        *((("INBOX",), uid) for uid in (2, 3, 4, 5, 6, 7)),
        *((("Work", "2024"), uid) for uid in range(1, 7)),
    ]
    assert [one.uid for one in forecast.deletions if one.sha256 is None] == [7]
    assert forecast.kept == {"it is flagged": 1}
    assert len(inbox.messages) == 8
    assert await world.value("SELECT count(*) FROM entries") == 12


async def test_what_a_run_would_do_under_a_new_uidvalidity(world: MemoryWorld) -> None:
    """The whole folder is fetched again, and told as such."""
    await world.archive()
    world.mail.mailboxes[ANNA]["INBOX"].renumber(99)
    [forecast] = await _all(what_if(ADMIN, world.resources, await world.submit()))

    assert (forecast.messages, forecast.renumbered) == (6, 6)


async def test_what_a_run_cannot_do(world: MemoryWorld) -> None:
    """A mailbox that cannot be opened is in the answer, with the reason."""
    world.mail.login_errors[ANNA] = LoginRefused("NO")
    [forecast] = await _all(what_if(ADMIN, world.resources, await world.submit()))

    assert (forecast.mailbox, forecast.error) == (ANNA, "NO")
