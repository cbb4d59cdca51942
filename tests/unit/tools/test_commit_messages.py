"""The check of commit messages."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tools import commit_messages

GOOD = "Do one thing\n\nBecause it was needed.\n"


@pytest.mark.parametrize(
    "message",
    [
        GOOD,
        "x" * 72 + "\n\n" + "y" * 120,
        "Point to a page\n\nhttps://example.org/" + "z" * 100,
        "Say more\n\nFirst paragraph.\n\nSecond paragraph.\n",
    ],
)
def test_well_formed_messages_pass(message: str) -> None:
    """Up to 72 and 120 characters; a word that cannot be broken may be longer."""
    assert list(commit_messages.problems(message)) == []


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("", "has no subject"),
        ("x" * 73 + "\n\nWhy.", "has a subject of 73 characters; at most 72"),
        ("Do one thing.\n\nWhy.", "has a subject that ends with a full stop"),
        ("Do one thing", "has no body that says why"),
        ("Do one thing\n\n \n", "has no body that says why"),
        ("Do one thing\nbecause", "has no blank line below the subject"),
        ("Do\n\n" + "why " * 31, "has a line of 124 characters; at most 120: " + "why " * 10 + "…"),
    ],
)
def test_problems_are_named(message: str, problem: str) -> None:
    """Each rule has its own words."""
    assert problem in list(commit_messages.problems(message))


class Repository:
    """A git repository in which files are committed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "--quiet", str(folder))

    def git(self, *arguments: str) -> None:
        """Run git, with an author of its own."""
        author = ("-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *author, *arguments], cwd=self.folder, check=True, capture_output=True)

    def commit(self, message: str, name: str = "file") -> None:
        """Change a file and commit it."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(path.read_text() + "x" if path.exists() else "")
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", message)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "repository"
    folder.mkdir()
    repository = Repository(folder)
    repository.commit("old and unlike the rules.")
    repository.commit("introduces the check.", "tools/commit_messages.py")
    return repository


def test_old_history_is_left_alone(repository: Repository) -> None:
    """Commits from before the check, and the one that introduced it, are not judged."""
    repository.commit(GOOD)

    assert commit_messages.main(repository.folder) == 0


def test_new_commits_are_checked(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    """A commit after the introduction that breaks a rule fails the check and is named, wherever it is."""
    repository.commit("Forget the body")
    repository.commit(GOOD)

    assert commit_messages.main(repository.folder) == 1
    assert "has no body that says why" in capsys.readouterr().err


def test_changes_of_the_check_do_not_start_it_anew(repository: Repository) -> None:
    """The introduction is where the file was added, not where it was changed last."""
    repository.commit("Forget the body")
    repository.commit(GOOD, "tools/commit_messages.py")

    assert commit_messages.main(repository.folder) == 1


def test_only_the_last_commits_are_checked(repository: Repository) -> None:
    """An old mistake cannot be repaired any more: it is forgotten after 50 commits."""
    repository.commit("Forget the body")
    for _ in range(commit_messages.COMMITS):
        repository.commit(GOOD)

    assert commit_messages.main(repository.folder) == 0


def test_shallow_clones_are_checked_as_far_as_they_go(repository: Repository, tmp_path: Path) -> None:
    """A clone of depth 2 knows two commits: the check works and judges the newer one."""
    for message in (GOOD, GOOD, "Forget the body"):
        repository.commit(message)
    repository.git("clone", "--quiet", "--depth=2", repository.folder.as_uri(), str(tmp_path / "shallow"))

    assert [message for _, message in commit_messages.messages(tmp_path / "shallow")] == ["Forget the body"]


def test_a_tree_without_git_has_nothing_to_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an unpacked archive nor a missing git is an error."""
    assert commit_messages.main(tmp_path) == 0
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_messages.main(tmp_path) == 0
