"""Checks commit messages: `python -m tools.commit_messages`, part of `make lint`.

Looks at up to 50 commits before HEAD, but not at the one that introduced this file or at any before it. A shallow clone
contains fewer commits, and a tree without git none: then fewer or no commits are checked.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SUBJECT_CHARACTERS = 72
BODY_CHARACTERS = 120
COMMITS = 50

_THIS = "tools/commit_messages.py"


def problems(message: str) -> Iterator[str]:
    """Yield the problems of a commit message."""
    subject, *rest = message.strip("\n").split("\n")
    if not subject.strip():
        yield "has no subject"
    if len(subject) > SUBJECT_CHARACTERS:
        yield f"has a subject of {len(subject)} characters; at most {SUBJECT_CHARACTERS}"
    if subject.endswith("."):
        yield "has a subject that ends with a full stop"
    if not any(line.strip() for line in rest):
        yield "has no body that says why"
    elif rest[0].strip():
        yield "has no blank line below the subject"
    for line in rest:
        # A longer word, such as an address, cannot be wrapped.
        if len(line) > BODY_CHARACTERS and " " in line.strip():
            yield f"has a line of {len(line)} characters; at most {BODY_CHARACTERS}: {line[:40]}…"


def messages(tree: Path) -> Iterator[tuple[str, str]]:
    """Yield the abbreviated id and the message of each commit to check, newest first."""
    introduced = _git(tree, "log", "--diff-filter=A", "--format=%H", "--max-count=1", "--", _THIS).strip()
    if not introduced:
        return
    listed = _git(tree, "log", "--no-merges", f"--max-count={COMMITS}", "--format=%h%n%B%x00", f"{introduced}..HEAD")
    for entry in filter(str.strip, listed.split("\0")):
        number, _, message = entry.strip("\n").partition("\n")
        yield number, message


def _git(tree: Path, *arguments: str) -> str:
    """Return the output of git; nothing without git or outside a repository."""
    try:
        done = subprocess.run(["git", "-C", str(tree), *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def main(tree: Path = ROOT) -> int:
    """Print the problems of all commits; return 1 if there are any."""
    found = [f"commit {number} {problem}" for number, message in messages(tree) for problem in problems(message)]
    if found:
        print(*found, "CONTRIBUTING.md says how a commit message is written.", sep="\n", file=sys.stderr)  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
