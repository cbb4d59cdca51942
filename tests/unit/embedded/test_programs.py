"""The Celery processes of `muniment up`."""

from __future__ import annotations

from pathlib import Path

import pytest

from muniment.embedded.up import celery_programs
from muniment.secrecy import Secret
from muniment.settings import Settings


def test_children_get_exactly_the_settings_in_force(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A URL that came from a file is passed on as a value only: a child refuses both forms together."""
    monkeypatch.setenv("MUNIMENT_DATABASE_URL_FILE", "/secret/database")
    settings = Settings(data=tmp_path, database_url=Secret("postgresql://x"), redis_url=Secret("redis://x"))

    programs = celery_programs(settings, tmp_path)

    assert {"archive-worker", "index-worker", "scheduler"} == {program.name for program in programs}
    assert all(Settings.from_environment(program.env) == settings for program in programs)


def test_children_get_no_secret_of_administrators(tmp_path: Path) -> None:
    """Workers and schedulers work as the role that owns nothing, and cannot become the owner."""
    boss = Secret("postgresql://muniment:topsecret@/x")
    settings = Settings(
        data=tmp_path, database_url=Secret("postgresql://x"), owner_database_url=boss, admin_database_url=boss
    )

    programs = celery_programs(settings, tmp_path)

    assert programs
    assert not [program.name for program in programs if "topsecret" in str(dict(program.env))]


def test_several_archive_workers_have_names_of_their_own(tmp_path: Path) -> None:
    """The configured number of archive workers is started, and Flower can distinguish them."""
    settings = Settings(data=tmp_path, archive_processes=3, archive_concurrency=7)

    programs = celery_programs(settings, tmp_path)

    names = {program.name for program in programs if "archive" in program.argv}
    nodes = {word for program in programs for word in program.argv if word.startswith("--hostname=archive")}
    assert names == {"archive-worker", "archive2-worker", "archive3-worker"}
    assert nodes == {"--hostname=archive@%h", "--hostname=archive2@%h", "--hostname=archive3@%h"}
    assert sum("--concurrency=7" in program.argv for program in programs) == 3
