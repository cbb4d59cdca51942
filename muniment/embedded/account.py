"""The account that the embedded servers run under when Muniment runs as root."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from muniment.errors import Misconfigured

#: An administrator may create the first; the second is everywhere.
_NAMES = ("muniment", "nobody")


@dataclass(frozen=True)
class Account:
    """A user and group of this machine, by number."""

    uid: int
    gid: int

    def own(self, path: Path | int) -> None:
        """Make the file at `path`, or behind a file descriptor, belong to this account."""
        os.chown(path, self.uid, self.gid)


def server_account(folder: Path) -> Account | None:
    """Return the account that must run the server whose data is in `folder`; None: the present one.

    A folder that exists already is run by its owner, whatever accounts came into being since.
    Misconfigured when it belongs to somebody else and Muniment is not root, or no account will do.
    """
    owner = folder.stat() if folder.exists() else None
    if os.geteuid() != 0:
        if owner and owner.st_uid != os.geteuid():
            raise Misconfigured(
                f"{folder} belongs to user {_name(owner.st_uid)}",
                hint="Run Muniment as the user who ran it first (it was root if this is `nobody` or `muniment`).",
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
        "PostgreSQL does not run as root, and this machine has neither an account `muniment` nor `nobody`",
        hint="Run Muniment as another user, or create one of these accounts.",
    )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
