"""Someone who writes into the database cannot have a password sent to another place, or less protected."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from muniment.errors import Misconfigured
from muniment.model.login import LoginMethod
from muniment.model.profile import ProfileKind
from muniment.model.run import RunState
from muniment.secrecy import Secret
from muniment.services.doctor.check_logins import check_profile
from muniment.services.doctor.probe_profile import probe_profile
from muniment.services.doctor.try_mailbox import tried_mailbox
from muniment.services.doctor.what_if import what_if
from muniment.services.profiles.edit_profile import edit_profile, export_profile
from muniment.services.profiles.profile_document import with_change
from tests.support.harness import Harness
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import NEIGHBOURS, TARGET, mailbox, neighbourhood, submit

PASSWORD = "hunter2-of-the-office"
OTHER = "pass-of-the-shop"
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
ADDRESSES = (TARGET, NEIGHBOURS[0])


@dataclass(frozen=True)
class Place:
    """A harness, the right server, and one that collects passwords."""

    harness: Harness
    server: ImapServer
    evil: ImapServer

    async def write(self, statement: str) -> None:
        """Do what a writer of the database does; `{evil}` is the port of the server that collects passwords."""
        async with self.harness.database.session() as session:
            await session.execute(statement.replace("{evil}", str(self.evil.port)))

    def is_told(self) -> bool:
        """Whether the collecting server learned a password."""
        words = [word.strip('"') for line in self.evil.lines for word in line.split()]
        heard = words + [base64.b64decode(word).decode("latin-1") for word in words if _BASE64.fullmatch(word)]
        return any(password in word for word in heard for password in (PASSWORD, OTHER))

    async def refuses(self, name: str, mailbox: str = TARGET) -> None:
        """Check that nothing that logs in sends the password of this mailbox anywhere."""
        report = await self.harness.archive(name)
        assert report.run.state is RunState.FAILED
        assert "cannot be decrypted here" in repr(report.failures)
        assert any("profile edit" in (failure.hint or "") for failure in report.failures)
        for act in (self._probe, self._try):
            with pytest.raises(Misconfigured, match="cannot be decrypted here"):
                await act(name, mailbox)
        for answers in (self._check, self._forecast):
            try:
                errors = await answers(name, mailbox)
            except Misconfigured as error:
                errors = [str(error)]
            assert any("cannot be decrypted here" in error for error in errors), errors
        assert not self.is_told()

    async def _probe(self, name: str, mailbox: str) -> None:
        await probe_profile(ADMIN, self.harness.resources, name, mailbox)

    async def _try(self, name: str, mailbox: str) -> None:
        async with tried_mailbox(self.harness.resources, name, mailbox):
            pass

    async def _check(self, name: str, mailbox: str) -> list[str]:
        return [c.error async for c in check_profile(ADMIN, self.harness.resources, name) if c.mailbox == mailbox]

    async def _forecast(self, name: str, mailbox: str) -> list[str]:
        return [f.error async for f in what_if(ADMIN, self.harness.resources, name) if f.mailbox == mailbox]


@asynccontextmanager
async def place(harness: Harness) -> AsyncIterator[Place]:
    """Yield a place with a profile of each kind."""
    boxes = {address: mailbox(address.partition("@")[0], messages=1) for address in ADDRESSES}
    script = neighbourhood(boxes[TARGET], [NEIGHBOURS[0]])
    async with ImapServer(script) as server, ImapServer(neighbourhood(boxes[TARGET], [NEIGHBOURS[0]])) as evil:
        found = Place(harness, server, evil)
        await submit(harness, server, "office", password=Secret(PASSWORD))
        await submit(harness, evil, "evil", password=Secret("its own"))
        rows = "\n".join(["user,password", f"{TARGET},{PASSWORD}", f"{NEIGHBOURS[0]},{OTHER}"])
        csv: dict[str, Any] = {"kind": ProfileKind.CSV, "login": LoginMethod.parse("login"), "mailboxes": None}
        csv |= {"user": "", "password": Secret("")}
        await submit(harness, server, "csv", csv=rows.encode(), **csv)
        evil.lines.clear()
        yield found


def set_server(name: str, **values: object) -> str:
    """Return the statement that changes fields of the server of a profile."""
    pairs = ", ".join(f"'{key}', {value}" for key, value in values.items())
    changed = f"document || jsonb_build_object('server', document->'server' || jsonb_build_object({pairs}))"
    return f"UPDATE profiles SET document = {changed} WHERE name = '{name}'"  # noqa: S608 - the constants below


MOVES = {
    "the password to another profile": (
        "UPDATE profiles SET password = (SELECT password FROM profiles WHERE name = 'office') WHERE name = 'evil'",
        "evil",
    ),
    "the host": (set_server("office", host="'localhost'"), "office"),
    "the port": (set_server("office", port="{evil}"), "office"),
    "the port, in its old column": ("UPDATE profiles SET port = {evil} WHERE name = 'office'", "office"),
    "the protection": (set_server("office", access="'imap-tls'"), "office"),
    "the check of certificates": (set_server("office", accept_all_certificates="true"), "office"),
    "the whole document": (
        "UPDATE profiles SET document = (SELECT document FROM profiles WHERE name = 'evil') WHERE name = 'office'",
        "office",
    ),
    "the port of a csv profile": (set_server("csv", port="{evil}"), "csv"),
    "the server of a row": ("UPDATE profile_mailboxes SET server = '127.0.0.1:{evil}' WHERE login_user <> ''", "csv"),
    "passwords between rows": (
        "UPDATE profile_mailboxes AS one SET password = other.password FROM profile_mailboxes AS other "
        "WHERE one.profile_id = other.profile_id AND one.login_user <> other.login_user",
        "csv",
    ),
    "the login of rows": (
        "UPDATE profile_mailboxes AS one SET login_user = other.login_user FROM profile_mailboxes AS other "
        "WHERE one.profile_id = other.profile_id AND one.login_user <> other.login_user",
        "csv",
    ),
    "the password of a profile to its rows": (
        "UPDATE profile_mailboxes SET password = (SELECT password FROM profiles WHERE name = 'office') "
        "WHERE login_user <> ''",
        "csv",
    ),
    "the rows to another profile": (
        "DELETE FROM profile_mailboxes WHERE login_user IS NULL; "
        "UPDATE profile_mailboxes SET profile_id = (SELECT id FROM profiles WHERE name = 'evil')",
        "evil",
    ),
}


@pytest.mark.parametrize("move", MOVES)
async def test_a_moved_secret_is_not_sent(harness: Harness, move: str) -> None:
    """Whatever is moved or changed beside a password: it is not decrypted there, by a run or by a test of the login."""
    statement, name = MOVES[move]
    async with place(harness) as found:
        await found.write(statement)

        await found.refuses(name)


async def test_a_server_beside_a_mailbox_does_not_redirect_the_profiles_password(harness: Harness) -> None:
    """In a master profile, the column for the server of a csv row has no effect."""
    async with place(harness) as found:
        await found.write("UPDATE profile_mailboxes SET server = '127.0.0.1:{evil}' WHERE login_user IS NULL")
        report = await harness.archive("office")
        probe = await probe_profile(ADMIN, harness.resources, "office", TARGET)
        checks = [check async for check in check_profile(ADMIN, harness.resources, "office")]
        forecasts = [forecast async for forecast in what_if(ADMIN, harness.resources, "office")]
        async with tried_mailbox(harness.resources, "office", TARGET) as tried:
            assert tried.listed

        assert report.run.state is RunState.SUCCEEDED
        assert probe.error is None
        assert {*(check.error for check in checks), *(forecast.error for forecast in forecasts)} == {""}
        assert not found.is_told()


async def test_values_of_another_time_do_not_come_back(harness: Harness) -> None:
    """A sealed value from before the server was changed, as a backup holds it, does not open afterwards."""
    async with place(harness) as found:
        async with harness.database.session() as session:
            old = await session.value("SELECT password FROM profiles WHERE name = 'office'")
        before = await export_profile(ADMIN, harness.resources, "office")
        after = with_change(before, "server.port", str(found.evil.port))
        await edit_profile(ADMIN, harness.resources, before, after, password=Secret("new"), csv=None)
        async with harness.database.session() as session:
            await session.execute("UPDATE profiles SET password = $1 WHERE name = 'office'", old)
        found.evil.lines.clear()

        await found.refuses("office")
