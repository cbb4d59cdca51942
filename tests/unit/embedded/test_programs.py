"""The Celery processes of `muniment up`."""

from __future__ import annotations

from pathlib import Path

import pytest

from muniment.embedded.up import celery_programs
from muniment.secrecy import Secret
from muniment.settings import Settings


def test_children_get_exactly_the_settings_in_force(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A URL that came from a file is passed on as a value only: both forms at once would be refused."""
    monkeypatch.setenv("MUNIMENT_DATABASE_URL_FILE", "/secret/database")
    settings = Settings(data=tmp_path, database_url=Secret("postgresql://x"), redis_url=Secret("redis://x"))

    programs = celery_programs(settings, tmp_path, archive_concurrency=3, index_concurrency=2)

    assert {"archive-worker", "index-worker", "scheduler"} == {program.name for program in programs}
    assert all(Settings.from_environment(program.env) == settings for program in programs)
