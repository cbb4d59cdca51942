"""Build credentials from the profile, the mailbox and the decrypted password."""

from __future__ import annotations

from dataclasses import dataclass, replace

from muniment.db.profiles import StoredProfile
from muniment.errors import Misconfigured
from muniment.model.login import Credentials, LoginKind, LoginMethod, OwnLogin
from muniment.model.profile import Profile
from muniment.secrecy import Secret, SecretBox
from muniment.services.mailboxes.access_token import access_token

# Purposes of sealed passwords; see SecretBox.
PROFILE_PASSWORD = "profile password"  # noqa: S105 - a label, no secret
MAILBOX_PASSWORD = "mailbox password"  # noqa: S105 - a label, no secret


@dataclass(frozen=True)
class Logins:
    """The logins of a profile; its own password is decrypted once."""

    profile: Profile
    _secrets: SecretBox
    _password: Secret | None

    @classmethod
    def of(cls, stored: StoredProfile, secrets: SecretBox) -> Logins:
        """Decrypt the profile's password; a profile whose mailboxes all have their own login has none."""
        sealed = stored.sealed_password
        return cls(stored.profile, secrets, secrets.open(sealed, purpose=PROFILE_PASSWORD) if sealed else None)

    def of_mailbox(self, address: str, user_name: str, own: OwnLogin | None) -> Credentials:
        """Return the login for a user's mailbox, with fallbacks for servers that do not offer the method.

        Raises Misconfigured if there is no password for it.
        """
        if own is not None:
            return own_login(own.user, self._secrets.open(own.sealed_password, purpose=MAILBOX_PASSWORD))
        profile = self.profile
        mailbox = profile.identity.of(address, user_name) if profile.is_privileged else ""
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
                f"profile {self.profile.name} has no password", hint="Change it with `profile add --replace`."
            )
        return self._password


async def open_logins(stored: StoredProfile, secrets: SecretBox) -> Logins:
    """Return the logins of a profile, with a fresh access token if it uses one; raises what `access_token` raises."""
    return await Logins.of(stored, secrets).with_fresh_token()


def own_login(user: str, password: Secret) -> Credentials:
    """Return a user's login to their own mailbox: LOGIN, or SASL PLAIN if the server disables LOGIN."""
    plain = Credentials(LoginKind.PLAIN_AUTHZID, user, password)
    return Credentials(LoginKind.LOGIN, user, password, instead=plain)
