"""Real mail: the corpus from MAIL_CORPUS or beside the repository, unpacked once into the cache folder."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from muniment.demo import texts
from muniment.demo.mail import GeneratedMessage

_BESIDE = Path(__file__).parents[3] / "shared/corpus/corpus.tar.xz"
_NO_DATE = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)


def corpus_archive() -> Path | None:
    """Return the corpus's archive file; None if there is none."""
    archive = Path(os.environ.get("MAIL_CORPUS") or _BESIDE)
    return archive if archive.exists() else None


def corpus_folder() -> Path:
    """Return the unpacked corpus (with `real/` and `edge/`); skip the test, even in CI, if there is none.

    Even in CI, because the corpus contains mail of real people, which must not be in a public clone.
    """
    archive = corpus_archive()
    if archive is None:
        pytest.skip(f"no mail corpus: neither MAIL_CORPUS is set nor is there {_BESIDE}")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "muniment"
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    folder = cache / f"corpus-{digest[:12]}"
    if not folder.exists():
        _unpack(archive, folder)
    return folder / "corpus"


def corpus_messages(limit: int | None = None) -> Iterator[GeneratedMessage]:
    """Yield at most `limit` real messages in a fixed order that mixes the sources."""
    folder = corpus_folder()
    with (folder / "real/MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    # By the hash of the content: mixed, and the same on every machine.
    rows.sort(key=lambda row: (row["git_blob"], row["path"]))
    for row in rows[:limit]:
        yield GeneratedMessage((folder / row["path"]).read_bytes(), _flags(row["git_blob"]), _date(row["date_utc"]))


def corpus_mailboxes(
    addresses: list[str], limit: int | None = None
) -> dict[str, dict[tuple[str, ...], list[GeneratedMessage]]]:
    """Distribute the real messages over mailboxes with nested and oddly named folders."""
    paths = [*texts.USUAL_FOLDERS, *texts.ODD_FOLDERS]
    mailboxes: dict[str, dict[tuple[str, ...], list[GeneratedMessage]]] = {
        address: {path: [] for path in paths} for address in addresses
    }
    for number, message in enumerate(corpus_messages(limit)):
        folders = mailboxes[addresses[number % len(addresses)]]
        folders[paths[number // len(addresses) % len(paths)]].append(message)
    return mailboxes


def _flags(blob: str) -> tuple[str, ...]:
    choices: tuple[tuple[str, ...], ...] = ((), ("\\Seen",), ("\\Seen", "\\Answered"), ("\\Seen", "\\Flagged", "$Junk"))
    return choices[int(blob[:2], 16) % len(choices)]


def _date(text: str) -> datetime:
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return _NO_DATE
    # Some spam has dates before 1970 or far in the future; no server stores such an INTERNALDATE.
    return date if 1990 <= date.year <= 2030 else _NO_DATE


def _unpack(archive: Path, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix="corpus.", dir=folder.parent))
    try:
        with tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):  # since Python 3.11.4; Debian's 3.11.2 has no `filter`
                tar.extractall(draft, filter="data")
            else:
                tar.extractall(draft)  # noqa: S202 - our own archive
        draft.rename(folder)
    except OSError:
        if not folder.exists():  # unless another test process was faster
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
