from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from muniment.embedded.account import Account, server_account
from muniment.errors import Misconfigured


def test_ordinary_user_runs_servers_as_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not root needs no other account, and is told when the data are somebody else's."""
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid or 1)

    assert server_account(tmp_path / "new") is None


def test_data_of_another_user_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that root made cannot be served by a user: the message says whose it is."""
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)

    with pytest.raises(Misconfigured, match=f"belongs to user {pwd.getpwuid(tmp_path.stat().st_uid).pw_name}"):
        server_account(tmp_path)


def test_root_takes_an_unprivileged_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root, servers run under an account that is not root."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    account = server_account(tmp_path / "new")

    assert account is not None
    assert account.uid != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_existing_data_keep_their_account(tmp_path: Path) -> None:
    """As root, a folder is served by its owner, so that a new account on the machine changes nothing."""
    os.chown(tmp_path, 4711, 4712)

    assert server_account(tmp_path) == Account(4711, 4712)


def test_machine_without_accounts_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any account to use, the message says which to create."""

    def nobody_there(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", nobody_there)

    with pytest.raises(Misconfigured, match="has no account"):
        server_account(tmp_path / "new")
