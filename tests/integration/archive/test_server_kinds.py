"""Kinds of servers: how their profiles log in, and how a privileged login names a mailbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from muniment.errors import Misconfigured, ServerUnavailable
from muniment.model.login import Identity, LoginMethod
from muniment.model.profile import ProfileKind
from muniment.model.run import RunState
from muniment.model.server_kind import ServerKind
from muniment.secrecy import Secret
from muniment.services.mailboxes.access_token import access_token, token_command, token_file
from tests.integration.archive.test_wrong_mailbox import OWN
from tests.support.harness import Harness
from tests.support.imap_script import MODERN_CAPABILITIES, Script
from tests.support.imap_server import ImapServer
from tests.support.scripted import NEIGHBOURS, TARGET, archive, assert_neighbours_exact, mailbox, neighbourhood, source


async def test_kerio_with_its_master_password(harness: Harness) -> None:
    """A master password opens all mailboxes without a privileged user."""
    script = neighbourhood(mailbox("target"))
    script.master_password = "master"
    async with ImapServer(script) as server:
        report = await archive(harness, server, server_kind=ServerKind.parse("kerio"), login=None, user="")

    assert report.run.state == RunState.SUCCEEDED
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)
    await assert_neighbours_exact(harness, script)


async def test_sun_by_proxyauth(harness: Harness) -> None:
    """The administrator's own mailbox is examined first and distinguished from the others."""
    script = neighbourhood(mailbox("target"))
    script.mailboxes["archiver"] = mailbox("archiver")
    script.may_proxy = frozenset({"archiver"})
    mailboxes = [address for address in script.mailboxes if address != "archiver"]
    async with ImapServer(script) as server:
        report = await archive(harness, server, server_kind=ServerKind.parse("sun"), login=None, mailboxes=mailboxes)

    assert report.run.state == RunState.SUCCEEDED
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)


@pytest.mark.parametrize(("kind", "looks"), [("generic", True), ("icewarp", True), ("dovecot", False)])
async def test_the_privileged_users_own_mailbox_is_looked_at_where_it_may_be_opened(
    harness: Harness, kind: str, *, looks: bool
) -> None:
    """Only for servers that may open the privileged user's mailbox by mistake, a run first examines that mailbox."""
    script = neighbourhood(mailbox("target"))
    async with ImapServer(script) as server:
        report = await archive(harness, server, server_kind=ServerKind.parse(kind), login=None)

    assert report.run.state == RunState.SUCCEEDED
    assert any(line.endswith(OWN) for line in server.lines) is looks


async def test_a_kind_that_was_chosen_wrongly_is_noticed_at_the_second_mailbox(harness: Harness) -> None:
    """If the chosen kind hides that the server always opens one mailbox, all mailboxes but the first fail."""
    script = neighbourhood(mailbox("target"))
    script.mailboxes["archiver"] = mailbox("archiver")
    script.always_opens = "archiver"
    addresses = [TARGET, *NEIGHBOURS]
    async with ImapServer(script) as server:
        kind = ServerKind.parse("dovecot")
        report = await archive(harness, server, server_kind=kind, login=None, mailboxes=addresses, max_jobs=1)

    assert len(report.failures) == len(addresses) - 1
    assert all("opened the same mailbox" in failure.error for failure in report.failures)


@pytest.mark.parametrize(
    ("identity", "name"), [(None, "target"), (Identity.ADDRESS, TARGET), (Identity.USER, "Tamara Get")]
)
async def test_what_a_login_calls_a_mailbox(harness: Harness, identity: Identity | None, name: str) -> None:
    """An Exchange login uses the alias of a mailbox unless the profile says otherwise; the archive uses the address."""
    async with harness.database.session() as session:
        user = await session.value("INSERT INTO users (name) VALUES ('Tamara Get') RETURNING id")
        await session.execute("INSERT INTO user_addresses VALUES ($1, 0, $2)", user, TARGET)
    script = Script({name: mailbox("target")}, "IMAP4rev1")  # no SASL, so the name template is used
    script.mailboxes = {f"DOM\\archiver\\{name}": script.mailboxes[name]}
    async with ImapServer(script) as server:
        report = await archive(
            harness,
            server,
            server_kind=ServerKind.parse("exchange"),
            identity=identity,
            login=None,
            user="DOM\\archiver",
            mailboxes=[TARGET],
        )

    assert report.run.state == RunState.SUCCEEDED
    assert source(script.mailboxes[f"DOM\\archiver\\{name}"]) == await harness.exported("Tamara Get")


async def test_access_tokens_are_read_anew(harness: Harness, tmp_path: Path) -> None:
    """A token file is read again for each run, because tokens expire."""
    script = Script({TARGET: mailbox("target")}, f"{MODERN_CAPABILITIES} AUTH=XOAUTH2", passwords={TARGET: "first"})
    file = tmp_path / "token"
    file.write_text("first\n")
    own = {"kind": ProfileKind.SINGLE, "user": TARGET, "login": LoginMethod.parse("xoauth2"), "mailboxes": None}
    async with ImapServer(script) as server:
        first = await archive(harness, server, password=token_file(file), **own)
        script.passwords = {TARGET: "second"}
        refused = await harness.archive("all")
        file.write_text("second\n")
        second = await harness.archive("all")

    assert [run.run.state for run in (first, refused, second)] == ["succeeded", "failed", "succeeded"]
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)


async def test_tokens_come_from_commands() -> None:
    """A token can come from a command, whose failure is reported with its last line of output."""
    assert (await access_token(token_command("sh -c 'echo  ya29.token'"))).reveal() == "ya29.token"
    with pytest.raises(ServerUnavailable, match="exit code 3: no refresh token"):
        await access_token(token_command("sh -c 'echo no refresh token >&2; exit 3'"))
    with pytest.raises(Misconfigured, match="gave no access token"):
        await access_token(token_command("true"))
    with pytest.raises(Misconfigured, match="cannot run the token command") as caught:
        await access_token(token_command("/no/such/command --client-secret abc123"))
    assert "abc123" not in str(caught.value)
    with pytest.raises(Misconfigured, match="cannot read the token file"):
        await access_token(Secret("file:/no/such/file"))
    with pytest.raises(Misconfigured, match="cannot be read"):
        token_command("echo 'open")


async def test_ways_that_do_not_fit_are_refused(harness: Harness) -> None:
    """Privileged login methods are for master profiles only, and other methods not for them."""
    async with ImapServer(neighbourhood(mailbox("target"))) as server:
        with pytest.raises(Misconfigured, match="does not fit a master profile"):
            await archive(harness, server, login=LoginMethod.parse("xoauth2"))
        with pytest.raises(Misconfigured, match="does not fit a single profile"):
            await archive(
                harness, server, kind=ProfileKind.SINGLE, login=LoginMethod.parse("proxyauth"), mailboxes=None
            )
