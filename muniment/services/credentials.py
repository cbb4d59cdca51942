"""What one login sends, made of the profile, the mailbox and the decrypted password."""

from __future__ import annotations

from muniment.db import profiles
from muniment.db.database import Session
from muniment.db.profiles import ProfileMailbox
from muniment.errors import Misconfigured, NotFound
from muniment.model.profile import Credentials, LoginKind, Profile
from muniment.secrecy import Secret, SecretBox

# What a sealed password is for; see SecretBox.
PROFILE_PASSWORD = "profile password"  # noqa: S105 - a label, no secret
MAILBOX_PASSWORD = "mailbox password"  # noqa: S105 - a label, no secret


async def mailbox_credentials(
    session: Session, secrets: SecretBox, profile: Profile, mailbox_id: int, address: str
) -> Credentials:
    """Return the login for a mailbox; NotFound when the profile does not name it any more."""
    mailbox = None
    if not profile.all_mailboxes:
        mailbox = await profiles.mailbox_login(session, profile.id, mailbox_id)
        if mailbox is None:
            raise NotFound(f"profile {profile.name} does not name mailbox {address} any more")
    return await credentials_for(session, secrets, profile, address, mailbox)


async def credentials_for(
    session: Session, secrets: SecretBox, profile: Profile, address: str, mailbox: ProfileMailbox | None
) -> Credentials:
    """Return the login for an address; `mailbox` may bring one of its own."""
    if mailbox is not None and mailbox.login_user is not None:
        password = secrets.open(mailbox.password or b"", purpose=MAILBOX_PASSWORD)
        return Credentials(LoginKind.LOGIN, mailbox.login_user, password)
    password = await _profile_password(session, secrets, profile)
    match profile.login.kind:
        case LoginKind.PLAIN_AUTHZID:
            return Credentials(LoginKind.PLAIN_AUTHZID, profile.user, password, authorize_as=address)
        case LoginKind.TEMPLATE:
            return Credentials(LoginKind.TEMPLATE, profile.login.login_name(address, profile.user), password)
        case LoginKind.LOGIN:
            return Credentials(LoginKind.LOGIN, profile.user, password)


async def master_credentials(session: Session, secrets: SecretBox, profile: Profile) -> Credentials | None:
    """Return the login of the privileged user to his own mailbox; None when the profile has no such user."""
    if profile.login.kind is LoginKind.LOGIN:
        return None
    kind = LoginKind.PLAIN_AUTHZID if profile.login.kind is LoginKind.PLAIN_AUTHZID else LoginKind.LOGIN
    return Credentials(kind, profile.user, await _profile_password(session, secrets, profile))


async def _profile_password(session: Session, secrets: SecretBox, profile: Profile) -> Secret:
    sealed = await profiles.sealed_password(session, profile.id)
    if not sealed:
        raise Misconfigured(f"profile {profile.name} has no password", hint="Change it with `profile add --replace`.")
    return secrets.open(sealed, purpose=PROFILE_PASSWORD)
