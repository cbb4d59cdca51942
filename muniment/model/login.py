"""Logins: the ways of getting into a mailbox, and what one of them sends."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from muniment.errors import Misconfigured
from muniment.secrecy import Secret


class LoginKind(StrEnum):
    """The ways of logging in to a mailbox."""

    PLAIN_AUTHZID = "plain-authzid"  # AUTHENTICATE PLAIN with authorization identity, RFC 4616
    TEMPLATE = "template"  # LOGIN with a name made of user and master
    X_MASTERAUTH = "x-masterauth"  # Kerio: a master password, then X-SETUSER
    PROXYAUTH = "proxyauth"  # Sun, Oracle, Netscape: LOGIN of the privileged user, then PROXYAUTH
    LOGIN = "login"  # LOGIN with the mailbox's own name and password
    XOAUTH2 = "xoauth2"  # AUTHENTICATE XOAUTH2 with an access token for the mailbox

    @property
    def is_privileged(self) -> bool:
        """Whether one user opens the mailboxes of others."""
        return self not in {LoginKind.LOGIN, LoginKind.XOAUTH2}


@dataclass(frozen=True)
class LoginMethod:
    """A way of logging in; `template` (only for TEMPLATE) holds `{user}` and `{master}`."""

    kind: LoginKind
    template: str = ""

    @classmethod
    def parse(cls, text: str) -> LoginMethod:
        """Read the name of a kind, or `template:'{user}*{master}'`; Misconfigured otherwise."""
        kind, _, template = text.partition(":")
        if kind == LoginKind.TEMPLATE:
            if "{user}" not in template or "{master}" not in template:
                raise Misconfigured(
                    f"login template {template!r} lacks a placeholder",
                    hint="Write it like template:'{user}*{master}'.",
                )
            return cls(LoginKind.TEMPLATE, template)
        others = [one.value for one in LoginKind if one is not LoginKind.TEMPLATE]
        if template or kind not in others:
            raise Misconfigured(
                f"unknown login method {text!r}", hint=f"Known: {', '.join(others)}, template:'{{user}}*{{master}}'."
            )
        return cls(LoginKind(kind))

    def __str__(self) -> str:
        return f"{self.kind}:{self.template}" if self.template else self.kind.value

    def login_name(self, user: str, master: str) -> str:
        """Return the name a template makes; plain replacement, so that braces elsewhere are harmless."""
        parts = {"{user}": user, "{master}": master}
        first, second = sorted(parts, key=self.template.index)
        head, _, rest = self.template.partition(first)
        middle, _, tail = rest.partition(second)
        return head + parts[first] + middle + parts[second] + tail


class Identity(StrEnum):
    """What a privileged login calls a mailbox: most servers know it by its address, some by another name."""

    ADDRESS = "address"
    USER = "user"  # the name of the user in Muniment
    LOCAL_PART = "local-part"  # of the address

    def of(self, address: str, user: str) -> str:
        """Return the name of the mailbox with this address, which belongs to this user."""
        match self:
            case Identity.ADDRESS:
                return address
            case Identity.USER:
                return user
            case Identity.LOCAL_PART:
                return address.rpartition("@")[0] or address


@dataclass(frozen=True)
class Credentials:
    """What one login sends.

    `user` is who logs in, `authorize_as` the mailbox that is opened with his rights: the authorization identity of
    PLAIN_AUTHZID, the argument of X-SETUSER and PROXYAUTH. For the other kinds `user` is the finished login name and
    `authorize_as` is empty. `instead`: what to send where the server does not offer this way.
    """

    kind: LoginKind
    user: str
    password: Secret
    authorize_as: str = ""
    instead: Credentials | None = None


@dataclass(frozen=True)
class OwnLogin:
    """The login that a csv profile has for one mailbox; the password is sealed (`secrecy.SecretBox`).

    `server`: `host` or `host:port`, where it is not the profile's.
    """

    user: str
    sealed_password: bytes = field(repr=False)
    server: str = ""
