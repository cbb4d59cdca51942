"""Who acts, for the audit log: the account of the process, whatever the environment says."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path

import pytest

from muniment import process
from muniment.cli.kit.who import claimed, who
from muniment.process import os_identity

ACCOUNT = pwd.getpwuid(os.getuid()).pw_name
VARIABLES = ("SUDO_USER", "DOAS_USER", "LOGNAME", "USER")


@pytest.fixture(autouse=True)
def no_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without any claim."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("variable", [*VARIABLES, "LNAME", "USERNAME", "SUDO_UID"])
def test_the_environment_does_not_choose_the_actor(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Whatever variable names somebody else, the actor is the account that runs the process."""
    monkeypatch.setenv(variable, "mallory")

    assert who() == f"{ACCOUNT}@{socket.gethostname()}"
    assert os_identity().os_uid == os.getuid()
    assert os_identity().os_name == ACCOUNT


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_claim_is_kept_as_a_claim(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Another name in the environment is returned apart; the account's own name claims nothing."""
    assert claimed() is None
    monkeypatch.setenv(variable, ACCOUNT)
    assert claimed() is None
    monkeypatch.setenv(variable, "alice")
    assert claimed() == "alice"
    monkeypatch.setenv(variable, "x" * 100_000)
    assert len(claimed() or "") == 200


def test_the_caller_of_sudo_comes_before_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several claims, sudo's is the one: LOGNAME is often that of the account."""
    monkeypatch.setenv("USER", "other")
    monkeypatch.setenv("SUDO_USER", "alice")

    assert claimed() == "alice"


def test_an_account_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """In containers, the number stands for the name."""
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_001)

    assert who() == f"uid 4000000001@{socket.gethostname()}"
    assert os_identity().os_name is None


@pytest.mark.parametrize(
    ("text", "expected"), [("1000", 1000), ("0", 0), ("4294967295", None), ("", None), ("nonsense", None)]
)
def test_who_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, expected: int | None) -> None:
    """Linux's login uid is taken as it is; 2^32 - 1 means that nobody logged in."""
    file = tmp_path / "loginuid"
    file.write_text(text)
    monkeypatch.setattr(process, "_LOGIN_UID", file)

    assert os_identity().login_uid == expected


def test_a_system_without_login_uids(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the file, nothing is known."""
    monkeypatch.setattr(process, "_LOGIN_UID", tmp_path / "none")

    assert os_identity().login_uid is None
