"""Which login a profile sends for a mailbox, and which one opens the privileged user's own mailbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from muniment.db.profiles import ProfileMailbox, StoredProfile
from muniment.errors import Misconfigured
from muniment.model.login import Credentials, Identity, LoginKind, OwnLogin
from muniment.model.profile import ProfileKind
from muniment.sealing import SecretBox
from muniment.secrecy import Secret
from muniment.services.mailboxes.access_token import token_file
from muniment.services.mailboxes.credentials import Logins, mailbox_place, profile_place
from tests.support.memory_mail import ANNA
from tests.support.sealing import box_of
from tests.unit.services.conftest import profile

_PASSWORD = Secret("master's password")


@pytest.fixture
def box(tmp_path: Path) -> SecretBox:
    return box_of(tmp_path / "secret.key")


def _logins(box: SecretBox, *, password: Secret | None = _PASSWORD, **changes: Any) -> Logins:
    found = profile(**changes)
    sealed = box.seal(password, profile_place(found.id, found.server)) if password is not None else b""
    return Logins.of(StoredProfile(found, sealed), box)


def _mailbox(user: str = "anna", own: OwnLogin | None = None, server: str = "") -> ProfileMailbox:
    login = (own.user, own.sealed_password, own.server) if own else (None, None, server)
    return ProfileMailbox(5, ANNA, user, *login)


def _shown(credentials: Credentials | None) -> list[tuple[str, str, str]]:
    """Return kind, user and authorization identity of a login, and of those that follow it."""
    found = []
    while credentials is not None:
        assert credentials.password == _PASSWORD
        found.append((credentials.kind.value, credentials.user, credentials.authorize_as))
        credentials = credentials.instead
    return found


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("plain-authzid", ("plain-authzid", "archiver", ANNA)),
        ("proxyauth", ("proxyauth", "archiver", ANNA)),
        ("template:{user}*{master}", ("template", f"{ANNA}*archiver", "")),
    ],
)
def test_a_privileged_login_names_the_mailbox(box: SecretBox, method: str, expected: tuple[str, str, str]) -> None:
    logins = _logins(box, method=method)

    assert _shown(logins.of_mailbox(_mailbox()).credentials) == [expected]


@pytest.mark.parametrize(
    ("identity", "name"), [(Identity.ADDRESS, ANNA), (Identity.USER, "anna.b"), (Identity.LOCAL_PART, "anna")]
)
def test_the_name_of_a_mailbox(box: SecretBox, identity: Identity, name: str) -> None:
    """Some servers know mailboxes by other names than their address."""
    credentials = _logins(box, identity=identity).of_mailbox(_mailbox("anna.b")).credentials

    assert credentials.authorize_as == name


def test_all_ways_of_a_kind_of_server(box: SecretBox) -> None:
    """Without a method in the profile, those of the server's kind follow each other."""
    logins = _logins(box, method="", server_kind="dovecot")

    assert _shown(logins.of_mailbox(_mailbox()).credentials) == [
        ("plain-authzid", "archiver", ANNA),
        ("template", f"{ANNA}*archiver", ""),
    ]


def test_a_mailbox_with_a_login_of_its_own(box: SecretBox) -> None:
    """It is sent by LOGIN, or by SASL; the profile needs no password."""
    logins = _logins(box, password=None, kind=ProfileKind.CSV, method="")
    place = mailbox_place(logins.profile.id, 5, "anna-login", logins.profile.server)
    own = OwnLogin("anna-login", box.seal(_PASSWORD, place))

    assert _shown(logins.of_mailbox(_mailbox(own=own)).credentials) == [
        ("login", "anna-login", ""),
        ("plain-authzid", "anna-login", ""),
    ]


def test_a_password_of_a_profile_opens_no_mailbox(box: SecretBox) -> None:
    """What a password was sealed for is part of the seal."""
    logins = _logins(box)
    own = OwnLogin("anna", box.seal(_PASSWORD, profile_place(logins.profile.id, logins.profile.server)))

    with pytest.raises(Misconfigured, match="cannot be decrypted"):
        logins.of_mailbox(_mailbox(own=own))


def test_a_password_goes_to_the_server_it_was_sealed_for(box: SecretBox) -> None:
    """A server written beside a mailbox without its own login changes nothing; beside a password, it is refused."""
    logins = _logins(box)
    place = mailbox_place(logins.profile.id, 5, "anna", logins.profile.server)
    moved = OwnLogin("anna", box.seal(_PASSWORD, place), "evil.example.com")

    assert logins.of_mailbox(_mailbox(server="evil.example.com")).server == logins.profile.server
    with pytest.raises(Misconfigured, match="cannot be decrypted"):
        logins.of_mailbox(_mailbox(own=moved))


def test_without_a_password(box: SecretBox) -> None:
    with pytest.raises(Misconfigured, match="has no password"):
        _logins(box, password=None).of_mailbox(_mailbox())


def test_the_privileged_users_own_mailbox(box: SecretBox) -> None:
    """The login that a server confuses with another one: by SASL first if the profile logs in so."""
    by_sasl = _logins(box).of_master()
    by_name = _logins(box, method="template:{user}*{master}").of_master()

    assert _shown(by_sasl) == [("plain-authzid", "archiver", ""), ("login", "archiver", "")]
    assert _shown(by_name) == [("login", "archiver", ""), ("plain-authzid", "archiver", "")]


@pytest.mark.parametrize(
    "changes",
    [
        {"no_master_mailbox": True},
        {"kind": ProfileKind.SINGLE, "method": LoginKind.LOGIN.value},
    ],
)
def test_nobody_ends_in_a_mailbox_that_is_not_there(box: SecretBox, changes: dict[str, Any]) -> None:
    assert _logins(box, **changes).of_master() is None


async def test_an_access_token_is_read_when_logins_are_opened(box: SecretBox, tmp_path: Path) -> None:
    """The stored secret is where tokens come from; what is sent is the token of now."""
    file = tmp_path / "token"
    file.write_text("today's token\n")
    stored = _logins(box, password=token_file(file), kind=ProfileKind.SINGLE, method=LoginKind.XOAUTH2.value)
    logins = await stored.with_fresh_token()

    assert logins.of_mailbox(_mailbox()).credentials.password.reveal() == "today's token"
    file.write_text("")
    with pytest.raises(Misconfigured, match="gave no access token"):
        await stored.with_fresh_token()
