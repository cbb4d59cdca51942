from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from muniment.embedded.account import Account, server_account
from muniment.errors import Misconfigured


def test_ordinary_user_runs_servers_as_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user other than root needs no other account, and gets an error if the data belong to another user."""
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid or 1)

    assert server_account(tmp_path / "new") is None


def test_data_of_another_user_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user cannot serve a cluster that root created: the error names the owner."""
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)

    with pytest.raises(Misconfigured, match=f"belongs to user {pwd.getpwuid(tmp_path.stat().st_uid).pw_name}"):
        server_account(tmp_path)


def test_root_takes_an_unprivileged_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root, servers run under an account other than root."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    account = server_account(tmp_path / "new")

    assert account is not None
    assert account.uid != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_existing_data_keep_their_account(tmp_path: Path) -> None:
    """As root, a folder is served by its owner, even if a preferred account is created later."""
    os.chown(tmp_path, 4711, 4712)

    assert server_account(tmp_path) == Account(4711, 4712)


def test_machine_without_accounts_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is no suitable account, the error says which one to create."""

    def nobody_there(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", nobody_there)

    with pytest.raises(Misconfigured, match="has no account"):
        server_account(tmp_path / "new")
