"""Logins: the methods of opening a mailbox, and the credentials that they send."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from muniment.errors import Misconfigured
from muniment.secrecy import Secret


class LoginKind(StrEnum):
    """The methods of logging in to a mailbox."""

    PLAIN_AUTHZID = "plain-authzid"  # AUTHENTICATE PLAIN with authorization identity, RFC 4616
    TEMPLATE = "template"  # LOGIN with a name made of user and master
    X_MASTERAUTH = "x-masterauth"  # Kerio: a master password, then X-SETUSER
    PROXYAUTH = "proxyauth"  # Sun, Oracle, Netscape: LOGIN of the privileged user, then PROXYAUTH
    LOGIN = "login"  # LOGIN with the mailbox's own name and password
    XOAUTH2 = "xoauth2"  # AUTHENTICATE XOAUTH2 with an access token for the mailbox

    @property
    def is_privileged(self) -> bool:
        """Whether one user opens the mailboxes of other users."""
        return self not in {LoginKind.LOGIN, LoginKind.XOAUTH2}


@dataclass(frozen=True)
class LoginMethod:
    """A login method; `template` (only for TEMPLATE) contains `{user}` and `{master}`."""

    kind: LoginKind
    template: str = ""

    @classmethod
    def parse(cls, text: str) -> LoginMethod:
        """Parse the name of a kind or `template:'{user}*{master}'`; Misconfigured otherwise."""
        kind, _, template = text.partition(":")
        if kind == LoginKind.TEMPLATE:
            if "{user}" not in template or "{master}" not in template:
                raise Misconfigured(
                    f"login template {template!r} lacks a placeholder",
                    hint="A template contains both placeholders: template:'{user}*{master}'.",
                )
            return cls(LoginKind.TEMPLATE, template)
        others = [other.value for other in LoginKind if other is not LoginKind.TEMPLATE]
        if template or kind not in others:
            raise Misconfigured(
                f"unknown login method {text!r}",
                hint=f"Supported methods: {', '.join(others)}, template:'{{user}}*{{master}}'.",
            )
        return cls(LoginKind(kind))

    def __str__(self) -> str:
        return f"{self.kind}:{self.template}" if self.template else self.kind.value

    def login_name(self, user: str, master: str) -> str:
        """Return the login name that a template produces; plain replacement, so other braces are harmless."""
        parts = {"{user}": user, "{master}": master}
        first, second = sorted(parts, key=self.template.index)
        head, _, rest = self.template.partition(first)
        middle, _, tail = rest.partition(second)
        return head + parts[first] + middle + parts[second] + tail


class Identity(StrEnum):
    """How a privileged login names a mailbox: most servers use its address, some another name."""

    ADDRESS = "address"
    USER = "user"  # the name of the user in Muniment
    LOCAL_PART = "local-part"  # of the address

    def of(self, address: str, user: str) -> str:
        """Return the name of the mailbox with this address and owner."""
        match self:
            case Identity.ADDRESS:
                return address
            case Identity.USER:
                return user
            case Identity.LOCAL_PART:
                return address.rpartition("@")[0] or address


@dataclass(frozen=True)
class Credentials:
    """The credentials of one login.

    `user` logs in, and `authorize_as` names the mailbox to open with that user's rights: the authorization identity of
    PLAIN_AUTHZID, or the argument of X-SETUSER and PROXYAUTH. For the other kinds, `user` is the complete login name
    and `authorize_as` is empty. `instead`: the fallback if the server does not offer this method.
    """

    kind: LoginKind
    user: str
    password: Secret
    authorize_as: str = ""
    instead: Credentials | None = None


@dataclass(frozen=True)
class OwnLogin:
    """The login of a csv profile for one mailbox; the password is sealed (`sealing.SecretBox`).

    `server`: `host` or `host:port` if it differs from the profile's server.
    """

    user: str
    sealed_password: bytes = field(repr=False)
    server: str = ""
