"""Every setting is documented, and every mentioned setting exists."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from muniment.settings import Settings, file_variable, variable
from tools import settings_doc

ROOT = Path(__file__).resolve().parents[2]
KNOWN = {name for f in fields(Settings) for name in (variable(f), file_variable(f)) if name}
NAMING = [
    ROOT / "docker-compose.yml",
    *sorted(p for p in (ROOT / "deploy").iterdir() if p.is_file()),
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]


def test_settings_page_is_up_to_date() -> None:
    """The page equals the output of tools/settings_doc.py."""
    expected = settings_doc.render()

    assert expected == settings_doc.PAGE.read_text(), "run: python -m tools.settings_doc"


@pytest.mark.parametrize("setting", fields(Settings), ids=lambda f: f.name)
def test_every_setting_is_documented(setting: object) -> None:
    """Each field has a sentence of its own and a row on the page."""
    sentence = setting.metadata["doc"]  # type: ignore[attr-defined]

    assert sentence.endswith(".")
    assert f"| `{variable(setting)}`" in settings_doc.PAGE.read_text()  # type: ignore[arg-type]


@pytest.mark.parametrize("path", NAMING, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_only_known_settings_are_named(path: Path) -> None:
    """Deployment files and documents mention no setting that Muniment would refuse."""
    named = set(re.findall(r"\bMUNIMENT_[A-Z_]*[A-Z]\b", path.read_text()))

    assert named - KNOWN == set()


def test_deployment_files_are_looked_at() -> None:
    """The test above finds the files that mention settings."""
    names = {path.name for path in NAMING}

    assert {"docker-compose.yml", "Dockerfile", "compose.env.example", "README.md", "settings.md"} <= names
