"""The account that runs the embedded servers if Muniment runs as root."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from muniment.errors import Misconfigured

#: An administrator may create the first; the second exists on every system.
_NAMES = ("muniment", "nobody")


@dataclass(frozen=True)
class Account:
    """A user and group of this machine, by numeric id."""

    uid: int
    gid: int

    def own(self, path: Path | int) -> None:
        """Change the owner of a file, given by path or descriptor, to this account."""
        os.chown(path, self.uid, self.gid)


def server_account(folder: Path) -> Account | None:
    """Return the account that must run the server whose data is in `folder`; None for the current account.

    The owner of an existing folder runs its server, even if a preferred account was created later.
    Raises Misconfigured if Muniment is not root and the folder belongs to another user, or if there is
    no suitable account.
    """
    owner = folder.stat() if folder.exists() else None
    if os.geteuid() != 0:
        if owner and owner.st_uid != os.geteuid():
            raise Misconfigured(
                f"{folder} belongs to user {_name(owner.st_uid)}",
                hint="Run Muniment as the user that first ran it (root, if the owner is `nobody` or `muniment`).",
            )
        return None
    if owner and owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in _NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise Misconfigured(
        "PostgreSQL does not run as root, and this machine has no account `muniment` or `nobody`",
        hint="Run Muniment as another user, or create one of these accounts.",
    )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
