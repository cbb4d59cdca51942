"""The connection doctor: each step on the way to a mailbox, its result, and what to change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from muniment.demo.dovecot import Dovecot
from muniment.demo.mail import generate_mailbox
from muniment.errors import CertificateRejected, LoginRefused, ServerBusy, ServerUnavailable, WrongMailbox
from muniment.mailserver.gate import UnlimitedGate, UnlimitedSlot
from muniment.model.deletion_rule import AT_ONCE, DeletionRule
from muniment.model.finding import Verdict
from muniment.model.profile import Access, Server
from muniment.model.server_kind import ServerKind
from muniment.secrecy import Secret
from muniment.services.doctor.check_logins import check_profile
from muniment.services.doctor.probe_profile import Probe, probe_profile
from muniment.services.profiles.edit_profile import edit_profile, export_profile
from muniment.services.profiles.profile_document import with_change
from tests.support.dovecot import MASTER, MASTER_PASSWORD
from tests.support.harness import Harness
from tests.support.imap_script import PLAIN_CAPABILITIES, Fault, Script
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import NEIGHBOURS, TARGET, mailbox, neighbourhood, submit


async def _dovecot(
    harness: Harness, dovecot: Dovecot, address: str, access: Access, *, accept: bool = False, **changes: Any
) -> Probe:
    dovecot.add_user(address, "secret")
    dovecot.load(address, generate_mailbox(3, 20))
    port = dovecot.tls_port if access is Access.IMAP_SSL else dovecot.port
    server = Server(dovecot.host, port, access, accept_all_certificates=accept, timeout_seconds=20.0)
    request: dict[str, Any] = {"user": MASTER, "password": Secret(MASTER_PASSWORD), "login": None, **changes}
    kind = ServerKind.parse("dovecot")
    await harness.submit("all", dovecot.host, port, mailboxes=[address], server=server, server_kind=kind, **request)
    return await probe_profile(ADMIN, harness.resources, "all")


def _steps(probe: Probe) -> dict[str, Verdict]:
    return {one.step: one.verdict for one in probe.findings}


@pytest.mark.parametrize("access", [Access.IMAP_SSL, Access.IMAP_TLS])
async def test_all_is_well(
    harness: Harness,
    dovecot: Dovecot,
    new_address: Callable[[], str],
    access: Access,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a trusted certificate and all capabilities, both privileged logins work and all messages are in order."""
    monkeypatch.setenv("SSL_CERT_FILE", str(dovecot.certificate))
    probe = await _dovecot(harness, dovecot, new_address(), access)

    assert probe.error is None
    assert set(_steps(probe).values()) == {Verdict.OK}
    steps = ["DNS", "TCP", "TLS", "login plain-authzid", "login template:{user}*{master}", "capabilities", "folders"]
    assert list(_steps(probe)) == [*steps, "SEARCH", "FETCH"]
    assert "CN=localhost" in next(one.found for one in probe.findings if one.step == "TLS")
    assert (probe.login, probe.messages) == ("plain-authzid", 20)


async def test_a_certificate_that_nobody_trusts(
    harness: Harness, dovecot: Dovecot, new_address: Callable[[], str]
) -> None:
    """An untrusted certificate is reported with its reason, subject and remedy; if accepted, it is a warning."""
    probe = await _dovecot(harness, dovecot, new_address(), Access.IMAP_SSL)
    assert isinstance(probe.error, CertificateRejected)
    assert list(_steps(probe)) == ["DNS", "TCP", "TLS"]
    assert "CN=localhost" in probe.findings[-1].found
    assert "--accept-all-certificates" in probe.findings[-1].advice

    old = await export_profile(ADMIN, harness.resources, "all")
    new = with_change(old, "server.accept_all_certificates", "true")
    await edit_profile(ADMIN, harness.resources, old, new, password=Secret(MASTER_PASSWORD), csv=None)
    accepted = await probe_profile(ADMIN, harness.resources, "all")
    assert accepted.error is None
    assert _steps(accepted)["TLS"] is Verdict.WARNING


async def test_no_way_to_the_server(harness: Harness, port: int) -> None:
    """An unknown host name and a port without a listener are reported."""
    await harness.submit("dns", "host.invalid", 993, mailboxes=[TARGET])
    await harness.submit("tcp", "127.0.0.1", port, mailboxes=[TARGET])
    for name, step in (("dns", "DNS"), ("tcp", "TCP")):
        probe = await probe_profile(ADMIN, harness.resources, name)
        assert isinstance(probe.error, ServerUnavailable)
        assert (probe.findings[-1].step, probe.findings[-1].verdict) == (step, Verdict.FAILED)
        assert probe.findings[-1].advice
        with pytest.raises(ServerUnavailable, match=f"{step}: "):
            [check async for check in check_profile(ADMIN, harness.resources, name)]


async def _scripted(harness: Harness, script: Script, **changes: Any) -> Probe:
    async with ImapServer(script) as server:
        await submit(harness, server, mailboxes=[TARGET], **changes)
        return await probe_profile(ADMIN, harness.resources, "all")


def _found(probe: Probe, step: str) -> tuple[Verdict, str]:
    [finding] = [one for one in probe.findings if one.step == step]
    assert finding.advice or finding.verdict is Verdict.OK
    return finding.verdict, finding.found


async def test_a_login_that_is_refused(harness: Harness) -> None:
    """Each login method that was tried is reported with the server's response."""
    script = neighbourhood(mailbox("target"), ())
    script.passwords = {"archiver": "another"}
    probe = await _scripted(harness, script)
    assert isinstance(probe.error, LoginRefused)
    assert _found(probe, "login plain-authzid")[0] is Verdict.FAILED


async def test_the_wrong_mailbox(harness: Harness) -> None:
    """A login that opens the administrator's own mailbox, as IceWarp allows, is reported."""
    script = neighbourhood(mailbox("target"), NEIGHBOURS)
    script.mailboxes["archiver"] = mailbox("own")
    script.always_opens = "archiver"
    probe = await _scripted(harness, script)
    assert isinstance(probe.error, WrongMailbox)
    assert _found(probe, "right mailbox")[0] is Verdict.FAILED


async def test_servers_with_quirks(harness: Harness) -> None:
    """A capped SEARCH, a folder without UIDVALIDITY, unordered answers and missing UIDPLUS are reported as warnings."""
    script = neighbourhood(mailbox("target", messages=1500), ())
    script.search_cap = 1000
    script.unsorted = True
    script.mailboxes[TARGET][b"Archive"].uidvalidity = None
    probe = await _scripted(harness, script, deletion=DeletionRule(after=AT_ONCE))

    assert probe.error is None
    assert _found(probe, "SEARCH") == (Verdict.WARNING, "INBOX: the server lists at most 1000 messages")
    assert _found(probe, "UIDVALIDITY")[1] == "missing in 1 folders, like Archive"
    assert "another order" in _found(probe, "FETCH")[1]
    assert _found(probe, "capabilities") == (Verdict.WARNING, "UIDPLUS is missing")
    assert _found(probe, "TLS")[0] is Verdict.WARNING


async def test_messages_that_are_counted_and_not_listed(harness: Harness) -> None:
    """Messages that are counted but not listed are reported, because their folder would stay incomplete."""
    script = neighbourhood(mailbox("target", folders=[b"INBOX"]), ())
    script.mailboxes[TARGET][b"INBOX"].hidden = {2, 3}
    probe = await _scripted(harness, script)
    assert _found(probe, "SEARCH") == (Verdict.WARNING, "INBOX counts 6 messages and lists 4")


async def test_an_old_server(harness: Harness) -> None:
    """Missing capabilities of an old server are listed, but are no problem."""
    script = neighbourhood(mailbox("target"), ())
    script.capabilities = PLAIN_CAPABILITIES
    probe = await _scripted(harness, script)
    verdict, found = _found(probe, "capabilities")
    assert verdict is Verdict.OK
    assert "without LIST-STATUS (one round trip tells all folders)" in found


async def test_each_mailbox_of_a_profile(harness: Harness) -> None:
    """A check reports the quirks of each mailbox as warnings, and whatever cannot be read as its error."""
    script = neighbourhood(mailbox("target"), NEIGHBOURS)
    script.mailboxes[TARGET][b"INBOX"].hidden = {2}
    script.faults = [Fault("EXAMINE", reply="NO you may not", mailbox=NEIGHBOURS[0])]
    async with ImapServer(script) as server:
        await submit(harness, server)
        checks = {check.mailbox: check async for check in check_profile(ADMIN, harness.resources, "all")}

    assert checks[TARGET].warnings == ["SEARCH: INBOX counts 6 messages and lists 5"]
    assert not checks[TARGET].error
    assert "you may not" in checks[NEIGHBOURS[0]].error
    assert [check for check in checks.values() if not check.error and not check.warnings]


class _OneAtATime(UnlimitedGate):
    """Grants a single slot, like the governor for a server that allows one connection."""

    def __init__(self) -> None:
        self.given = 0

    async def enter(self, server: Server) -> UnlimitedSlot:
        """Grant the slot, or raise ServerBusy."""
        self.given += 1
        if self.given > 1:
            raise ServerBusy(f"{server.name} allows one connection")
        return await super().enter(server)


async def test_one_connection_is_enough(harness: Harness) -> None:
    """If the second login method cannot be tried beside the first, which works, the mailbox is still examined."""
    one = replace(harness.resources, governor=cast("Any", _OneAtATime()))
    async with ImapServer(neighbourhood(mailbox("target"), ())) as server:
        kind = ServerKind.parse("dovecot")
        await submit(harness, server, mailboxes=[TARGET], login=None, server_kind=kind)
        probe = await probe_profile(ADMIN, one, "all")

    assert probe.error is None
    assert probe.messages == 18
    assert _found(probe, "FETCH")[0] is Verdict.OK
