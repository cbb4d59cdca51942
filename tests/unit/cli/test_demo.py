from __future__ import annotations

import shutil

import pytest

from muniment.cli.kit.exit_codes import ExitCode
from muniment.cli.program import run


def test_without_dovecot_the_demo_tells_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without Dovecot, the demo prints one error line and a hint, and exits with the code for a missing program."""
    monkeypatch.setattr(shutil, "which", lambda *_args, **_options: None)

    assert run(["demo"]) == ExitCode.MISCONFIGURED

    out, err = capsys.readouterr()
    assert out == ""
    assert "apt-get install dovecot-imapd" in err
