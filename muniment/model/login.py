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
    LOGIN = "login"  # LOGIN with the mailbox's own name and password


@dataclass(frozen=True)
class LoginMethod:
    """A way of logging in; `template` (only for TEMPLATE) holds `{user}` and `{master}`."""

    kind: LoginKind
    template: str = ""

    @classmethod
    def parse(cls, text: str) -> LoginMethod:
        """Read `plain-authzid`, `login` or `template:'{user}*{master}'`; Misconfigured otherwise."""
        kind, _, template = text.partition(":")
        if kind == LoginKind.TEMPLATE:
            if "{user}" not in template or "{master}" not in template:
                raise Misconfigured(
                    f"login template {template!r} lacks a placeholder",
                    hint="Write it like template:'{user}*{master}'.",
                )
            return cls(LoginKind.TEMPLATE, template)
        if template or kind not in {LoginKind.PLAIN_AUTHZID, LoginKind.LOGIN}:
            raise Misconfigured(
                f"unknown login method {text!r}", hint="Known: plain-authzid, login, template:'{user}*{master}'."
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


@dataclass(frozen=True)
class Credentials:
    """What one login sends.

    For PLAIN_AUTHZID `user` is the authentication identity and `authorize_as` the mailbox;
    for the other kinds `user` is the finished login name and `authorize_as` is empty.
    """

    kind: LoginKind
    user: str
    password: Secret
    authorize_as: str = ""


@dataclass(frozen=True)
class OwnLogin:
    """The login that a csv profile has for one mailbox; the password is sealed (`secrecy.SecretBox`)."""

    user: str
    sealed_password: bytes = field(repr=False)
