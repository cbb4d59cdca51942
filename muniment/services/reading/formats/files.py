"""Write files so that they appear complete or not at all, and translate disk errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from muniment.errors import Permanent


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError into Permanent, naming `path`."""
    try:
        yield
    except OSError as error:
        raise Permanent(
            f"cannot write {path}: {error.strerror or error}",
            hint="Free space or fix the permissions there, then export again to an empty directory.",
        ) from error


def draft_of(path: Path) -> Path:
    """Return the temporary name under which `path` is written; encoded names never begin with a dot."""
    return path.with_name(f".{path.name}.part")


def write_whole(path: Path, chunks: Iterable[bytes]) -> int:
    """Write `chunks` to a draft, rename it to `path`, and return the length. A failure leaves nothing behind."""
    draft = draft_of(path)
    size = 0
    try:
        with writing(path), draft.open("xb") as file:
            for chunk in chunks:
                size += file.write(chunk)
        with writing(path):
            draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return size
