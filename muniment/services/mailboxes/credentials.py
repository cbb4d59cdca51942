"""Build credentials from the profile, the mailbox and the decrypted password."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from muniment.db.profiles import StoredProfile
from muniment.errors import Misconfigured
from muniment.model.login import Credentials, LoginKind, LoginMethod, OwnLogin
from muniment.model.profile import Profile, ProfileKind, Server
from muniment.sealing import Place, SecretBox
from muniment.secrecy import Secret
from muniment.services.mailboxes.access_token import access_token
from muniment.services.mailboxes.secret_box import current_box
from muniment.services.resources import Resources


def profile_place(profile_id: int, server: Server) -> Place:
    """Return what the password of a profile, or the source of its access tokens, is sealed for."""
    return Place("profile password", (profile_id,), server.binding)


def mailbox_place(profile_id: int, mailbox_id: int, login: str, server: Server) -> Place:
    """Return what the password of one mailbox of a csv profile is sealed for; `server`: the one it is sent to."""
    return Place("mailbox password", (profile_id, mailbox_id), {**server.binding, "login": login})


class Mailbox(Protocol):
    """A mailbox of a profile, as its rows tell it."""

    @property
    def mailbox_id(self) -> int: ...  # noqa: D102 - named like the column
    @property
    def address(self) -> str: ...  # noqa: D102 - named like the column
    @property
    def user_name(self) -> str: ...  # noqa: D102 - named like the column
    @property
    def own_login(self) -> OwnLogin | None: ...  # noqa: D102 - named like the column


@dataclass(frozen=True)
class MailboxLogin:
    """The credentials for one mailbox, and the only server that they were sealed for."""

    server: Server
    credentials: Credentials


@dataclass(frozen=True)
class Logins:
    """The logins of a profile; its own password is decrypted once."""

    profile: Profile
    _secrets: SecretBox
    _password: Secret | None

    @classmethod
    def of(cls, stored: StoredProfile, secrets: SecretBox) -> Logins:
        """Decrypt the profile's password; a csv profile, whose mailboxes all have their own login, has none."""
        sealed, profile = stored.sealed_password, stored.profile
        has_one = bool(sealed) and profile.kind is not ProfileKind.CSV
        password = secrets.open(sealed, profile_place(profile.id, profile.server)) if has_one else None
        return cls(profile, secrets, password)

    def of_mailbox(self, mailbox: Mailbox) -> MailboxLogin:
        """Return the login for a user's mailbox, with fallbacks for servers that do not offer the method.

        Raises Misconfigured if there is no password for it, or if it was sealed for another mailbox or server.
        """
        own, profile = mailbox.own_login, self.profile
        if own is not None:
            server = profile.server.at(own.server)
            place = mailbox_place(profile.id, mailbox.mailbox_id, own.user, server)
            return MailboxLogin(server, own_login(own.user, self._secrets.open(own.sealed_password, place)))
        return MailboxLogin(profile.server, self._shared_login(mailbox))

    def _shared_login(self, row: Mailbox) -> Credentials:
        profile = self.profile
        mailbox = profile.identity.of(row.address, row.user_name) if profile.is_privileged else ""
        credentials: Credentials | None = None
        for method in reversed(profile.logins):
            credentials = replace(self._credentials(method, mailbox), instead=credentials)
        assert credentials is not None  # no profile is without a method
        return credentials

    def _credentials(self, method: LoginMethod, mailbox: str) -> Credentials:
        user, password = self.profile.user, self._needed()
        match method.kind:
            case LoginKind.PLAIN_AUTHZID | LoginKind.PROXYAUTH | LoginKind.X_MASTERAUTH:
                return Credentials(method.kind, user, password, authorize_as=mailbox)
            case LoginKind.TEMPLATE:
                return Credentials(method.kind, method.login_name(mailbox, user), password)
            case LoginKind.LOGIN:
                return own_login(user, password)
            case LoginKind.XOAUTH2:
                return Credentials(method.kind, user, password)

    def of_master(self) -> Credentials | None:
        """Return the privileged user's login to their own mailbox; None if no login could open it by mistake."""
        if not self.profile.may_open_master_mailbox:
            return None
        own = own_login(self.profile.user, self._needed())
        by_sasl = own.instead if self.profile.logins[0].kind is LoginKind.PLAIN_AUTHZID else None
        return own if by_sasl is None else replace(by_sasl, instead=replace(own, instead=None))

    async def with_fresh_token(self) -> Logins:
        """Return a copy with a fresh access token in place of the token source; unchanged if the profile uses none."""
        if self.profile.logins[0].kind is not LoginKind.XOAUTH2:
            return self
        return replace(self, _password=await access_token(self._needed()))

    def _needed(self) -> Secret:
        if self._password is None:
            raise Misconfigured(
                f"profile {self.profile.name} has no password", hint="Set it with `profile edit --password-file FILE`."
            )
        return self._password


async def open_logins(resources: Resources, stored: StoredProfile) -> Logins:
    """Return the logins of a profile, with a fresh access token if it uses one; raises what `access_token` raises."""
    async with resources.database.transaction() as session:
        secrets = await current_box(session, resources.secrets)
    return await Logins.of(stored, secrets).with_fresh_token()


def own_login(user: str, password: Secret) -> Credentials:
    """Return a user's login to their own mailbox: LOGIN, or SASL PLAIN if the server disables LOGIN."""
    plain = Credentials(LoginKind.PLAIN_AUTHZID, user, password)
    return Credentials(LoginKind.LOGIN, user, password, instead=plain)
