"""The principal: who acts, and with which rights. The first argument of every service."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from muniment.errors import Forbidden
from muniment.process import process_name


class Right(StrEnum):
    """What a principal may do; the names are MailStore's privileges where it has one."""

    ADMIN = "admin"  # implies every other right
    PROCESS = "process"  # the work of workers and schedulers
    OPERATE = "operate"  # see the state of the installation: numbers, never mail
    ARCHIVE = "archive"  # start and cancel runs
    MODIFY_PROFILES = "modify-archive-profiles"
    EXPORT = "export"


@dataclass(frozen=True)
class Principal:
    """A person or process that acts.

    `name` is what the audit log shows, usually `account@host`. `user` is the archive user on whose behalf the principal
    reads mail, or None.
    """

    name: str
    rights: frozenset[Right]
    user: str | None = None
    #: Whether the principal is the archive user, and not someone who acts for the user. Not derived from the names:
    #: an operator's account may be called like a user, and what it reads must still be audited.
    is_user: bool = False
    #: Another name that the caller claims. The audit log shows it beside `name`; nothing depends on it.
    claimed: str | None = None

    @classmethod
    def administrator(cls, name: str, *, claimed: str | None = None) -> Principal:
        """Return a principal with every right."""
        return cls(name, frozenset({Right.ADMIN}), claimed=claimed)

    @classmethod
    def process(cls) -> Principal:
        """Return the principal of this process, a worker or a scheduler."""
        return cls(process_name(), frozenset({Right.PROCESS}))

    @classmethod
    def archive_user(cls, name: str) -> Principal:
        """Return an archive user who acts without any global right."""
        return cls(name, frozenset(), user=name, is_user=True)

    def on_behalf_of(self, user: str | None) -> Principal:
        """Return this principal, reading mail as `user` may."""
        return replace(self, user=user, is_user=False)

    def may(self, right: Right) -> bool:
        """Whether the principal has a right."""
        return right in self.rights or Right.ADMIN in self.rights

    def require_access_to(self, user: str | None) -> None:
        """Raise Forbidden unless the principal is this archive user or an administrator (`user` None: all users)."""
        if not self.is_user or user != self.user:
            self.require(Right.ADMIN)

    def require(self, *rights: Right) -> None:
        """Raise Forbidden unless the principal has one of these rights."""
        if not any(self.may(right) for right in rights):
            raise Forbidden(f"{self.name} lacks the right {_listed(rights)}")


def _listed(rights: Iterable[Right]) -> str:
    return " or ".join(right.value for right in rights)
