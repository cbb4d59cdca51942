"""What a login sends, made of the profile, the mailbox and the decrypted password."""

from __future__ import annotations

from dataclasses import dataclass

from muniment.db.profiles import StoredProfile
from muniment.errors import Misconfigured
from muniment.model.login import Credentials, LoginKind, OwnLogin
from muniment.model.profile import Profile
from muniment.secrecy import Secret, SecretBox

# What a sealed password is for; see SecretBox.
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
        """Decrypt the profile's password; it has none when every mailbox has a login of its own."""
        sealed = stored.sealed_password
        return cls(stored.profile, secrets, secrets.open(sealed, purpose=PROFILE_PASSWORD) if sealed else None)

    def of_mailbox(self, address: str, own: OwnLogin | None) -> Credentials:
        """Return the login for an address; Misconfigured when there is no password for it."""
        if own is not None:
            password = self._secrets.open(own.sealed_password, purpose=MAILBOX_PASSWORD)
            return Credentials(LoginKind.LOGIN, own.user, password)
        user, login = self.profile.user, self.profile.login
        match login.kind:
            case LoginKind.PLAIN_AUTHZID:
                return Credentials(LoginKind.PLAIN_AUTHZID, user, self._needed(), authorize_as=address)
            case LoginKind.TEMPLATE:
                return Credentials(LoginKind.TEMPLATE, login.login_name(address, user), self._needed())
            case LoginKind.LOGIN:
                return Credentials(LoginKind.LOGIN, user, self._needed())

    def of_master(self) -> Credentials | None:
        """Return the login of the privileged user to his own mailbox; None when the profile has no such user."""
        kind = self.profile.login.kind
        if kind is LoginKind.LOGIN:
            return None
        return Credentials(
            LoginKind.PLAIN_AUTHZID if kind is LoginKind.PLAIN_AUTHZID else LoginKind.LOGIN,
            self.profile.user,
            self._needed(),
        )

    def _needed(self) -> Secret:
        if self._password is None:
            raise Misconfigured(
                f"profile {self.profile.name} has no password", hint="Change it with `profile add --replace`."
            )
        return self._password
