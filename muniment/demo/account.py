"""The unprivileged account that private mail servers run as."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Account:
    """A user of this machine, with the ids that own its files."""

    name: str
    uid: int
    gid: int

    @classmethod
    def for_mail(cls) -> Account:
        """Return the owner of the mail: this user, or `nobody` if this user is root (mail servers refuse uid 0)."""
        uid = os.geteuid()
        entry = pwd.getpwnam("nobody") if uid == 0 else pwd.getpwuid(uid)
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)

    @property
    def group(self) -> str:
        """The name of the account's group."""
        return grp.getgrgid(self.gid).gr_name

    def own(self, path: Path) -> Path:
        """Make this account the owner of `path` and return it."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)
        return path

    def can_enter(self, folder: Path) -> bool:
        """Return whether this account may enter `folder` and all folders above it."""
        return all(self._may_pass(path.stat()) for path in [folder.resolve(), *folder.resolve().parents])

    def _may_pass(self, status: os.stat_result) -> bool:
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)
