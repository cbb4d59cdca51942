from __future__ import annotations

import hashlib
import json
import mailbox
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.errors import Conflict, Damaged
from muniment.services.reading.formats.eml import EmlTree
from muniment.services.reading.formats.manifest import MailTree, ManifestEntry
from muniment.services.reading.formats.mbox import MboxTree, read_mbox_message

CREATED = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
MESSAGE = b"From: Alice <alice@a.example>\r\nSubject: x\r\n\r\nFrom here\r\n>From there\r\n"
TREES: list[type[MailTree]] = [EmlTree, MboxTree]


def entry_of(data: bytes, folder: tuple[str, ...] = ("INBOX",), uid: int = 1) -> ManifestEntry:
    return ManifestEntry(
        sha256=hashlib.sha256(data).hexdigest(),
        folder=folder,
        uid=uid,
        uidvalidity=7,
        flags=("\\Seen",),
        internal_date=CREATED,
        size=len(data),
    )


def pieces_of(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def manifest_of(directory: Path) -> dict[str, Any]:
    value = json.loads((directory / "manifest.json").read_text("utf-8"))
    assert isinstance(value, dict)
    return value


def entries_of(directory: Path) -> list[ManifestEntry]:
    return [ManifestEntry.from_json(values) for values in manifest_of(directory)["messages"]]


def files_of(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def test_eml_tree(tmp_path: Path) -> None:
    """Each message is a file of its exact bytes in the directory of its folder, and the manifest says all of it."""
    with EmlTree(tmp_path / "out", user="alice", created=CREATED) as tree:
        tree.add(("INBOX",), "1", pieces_of(MESSAGE, 10), entry_of(MESSAGE))
        tree.add(("INBOX", "a/b"), "2", [], entry_of(b"", ("INBOX", "a/b"), 2))

    assert files_of(tmp_path / "out") == ["INBOX/1.eml", "INBOX/a%2Fb/2.eml", "manifest.json"]
    assert (tmp_path / "out/INBOX/1.eml").read_bytes() == MESSAGE
    manifest = manifest_of(tmp_path / "out")
    assert manifest["messages"][0] == {
        "path": "INBOX/1.eml",
        "sha256": hashlib.sha256(MESSAGE).hexdigest(),
        "folder": ["INBOX"],
        "uid": 1,
        "uidvalidity": 7,
        "flags": ["\\Seen"],
        "internal_date": "2024-01-02T03:04:05+00:00",
        "size": len(MESSAGE),
    }
    assert (manifest["format"], manifest["created"], manifest["user"]) == ("eml", CREATED.isoformat(), "alice")
    assert entries_of(tmp_path / "out")[1].folder == ("INBOX", "a/b")


def test_mbox_tree(tmp_path: Path) -> None:
    """Each folder is one mbox file that other programs read, also when folders take turns."""
    with MboxTree(tmp_path / "out", user="alice", created=CREATED) as tree:
        tree.add(("INBOX",), "1", [MESSAGE], entry_of(MESSAGE))
        tree.add(("INBOX", "Sub"), "1", [b"no newline"], entry_of(b"no newline", ("INBOX", "Sub")))
        tree.add(("INBOX",), "2", [b""], entry_of(b"", uid=2))
        tree.add(("INBOX",), "3", [MESSAGE], entry_of(MESSAGE, uid=3))

    assert files_of(tmp_path / "out") == ["INBOX.mbox", "INBOX/Sub.mbox", "manifest.json"]
    content = (tmp_path / "out/INBOX.mbox").read_bytes()
    assert content.startswith(b"From alice@a.example Tue Jan  2 03:04:05 2024\nFrom: Alice")
    assert b"\r\n\r\n>From here\r\n>>From there\r\n\nFrom MAILER-DAEMON " in content
    with closing(mailbox.mbox(tmp_path / "out/INBOX.mbox", create=False)) as other:
        assert len(other) == 3
    found = [read_mbox_message(tmp_path / "out" / entry.path, entry) for entry in entries_of(tmp_path / "out")]
    assert found == [MESSAGE, b"no newline", b"", MESSAGE]


LINES = st.lists(
    st.sampled_from(
        [b"From ", b">From x", b">>>From ", b"Fro", b"F", b">", b">>", b"\n", b"\r\n", b"\r", b"From", b" x"]
    )
    | st.binary(max_size=8),
    max_size=30,
).map(b"".join)


@given(st.lists(st.tuples(LINES, st.integers(1, 12)), min_size=1, max_size=4))
def test_mbox_round_trip(tmp_path_factory: pytest.TempPathFactory, messages: list[tuple[bytes, int]]) -> None:
    """Any bytes in any pieces come back exactly, and quoting leaves no line that looks like a separator."""
    out = tmp_path_factory.mktemp("mbox") / "out"
    with MboxTree(out, user="u", created=CREATED) as tree:
        for uid, (data, size) in enumerate(messages):
            tree.add(("A",), str(uid), pieces_of(data, size), entry_of(data, ("A",), uid))

    entries = entries_of(out)
    assert [read_mbox_message(out / "A.mbox", entry) for entry in entries] == [data for data, _ in messages]
    separators = [line for line in (out / "A.mbox").read_bytes().split(b"\n") if line.startswith(b"From ")]
    assert len(separators) == len(messages)


@pytest.mark.parametrize("damage", ["moved", "cut", "no-place", "gone"])
def test_wrong_places_in_an_mbox_are_found(tmp_path: Path, damage: str) -> None:
    """A manifest that does not fit its file is reported, never answered with other bytes."""
    with MboxTree(tmp_path / "out", user="u", created=CREATED) as tree:
        tree.add(("A",), "1", [MESSAGE], entry_of(MESSAGE))
    path = tmp_path / "out/A.mbox"
    values = manifest_of(tmp_path / "out")["messages"][0]
    if damage == "moved":
        values["offset"] = 3
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:60])
    elif damage == "no-place":
        del values["offset"]
    else:
        path.unlink()

    with pytest.raises(Damaged):
        read_mbox_message(path, ManifestEntry.from_json(values))


@pytest.mark.parametrize("tree_type", TREES)
def test_used_directories_are_refused(tmp_path: Path, tree_type: type[MailTree]) -> None:
    """An export never mixes with what is there, and says what to do."""
    with tree_type(tmp_path / "out", user="u", created=CREATED):
        pass
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").touch()
    (tmp_path / "file").touch()

    with pytest.raises(Conflict, match="already holds an export") as refusal:
        tree_type(tmp_path / "out", user="u", created=CREATED)
    assert "--to" in refusal.value.hint
    with pytest.raises(Conflict, match="is not empty"):
        tree_type(tmp_path / "other", user="u", created=CREATED)
    with pytest.raises(Conflict, match="is not a directory"):
        tree_type(tmp_path / "file", user="u", created=CREATED)


@pytest.mark.parametrize("tree_type", TREES)
def test_damaged_message_leaves_no_trace(tmp_path: Path, tree_type: type[MailTree]) -> None:
    """A message whose bytes turn out damaged is not in the export, and the others are."""

    def damaged() -> Iterable[bytes]:
        yield MESSAGE
        raise Damaged

    with tree_type(tmp_path / "out", user="u", created=CREATED) as tree:
        tree.add(("A",), "1", [b"one"], entry_of(b"one"))
        with pytest.raises(Damaged):
            tree.add(("A",), "2", damaged(), entry_of(MESSAGE))
        with pytest.raises(Damaged, match="3 bytes instead of"):
            tree.add(("A",), "3", [b"cut"], entry_of(MESSAGE))
        tree.add(("A",), "4", [b"two"], entry_of(b"two"))

    contents = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*.*") if path.name != "manifest.json")
    assert [entry.size for entry in entries_of(tmp_path / "out")] == [3, 3]
    assert contents.count(b"one") == contents.count(b"two") == 1
    assert b"Alice" not in contents
    assert b"cut" not in contents


@pytest.mark.parametrize("tree_type", TREES)
def test_failed_export_has_no_manifest(tmp_path: Path, tree_type: type[MailTree]) -> None:
    """An export that ends with an error cannot be taken for a whole one."""
    with suppress(KeyboardInterrupt), tree_type(tmp_path / "out", user="u", created=CREATED) as tree:
        tree.add(("A",), "1", [b"one"], entry_of(b"one"))
        raise KeyboardInterrupt

    assert not [name for name in files_of(tmp_path / "out") if "manifest" in name]


@pytest.mark.parametrize("tree_type", TREES)
def test_odd_folders_are_all_in_the_manifest(tmp_path: Path, tree_type: type[MailTree]) -> None:
    """Folders with clashing, reserved, long and broken names all get files, and their true names stay known."""
    folders = [(), ("inbox",), ("INBOX",), ("CON", "..", ""), ("x" * 300,), ("\ud800",), ("日本", "a/b"), ("%",), ("",)]
    with tree_type(tmp_path / "out", user="u", created=CREATED) as tree:
        for folder in folders:
            tree.add(folder, "1", [MESSAGE], entry_of(MESSAGE, folder))

    entries = entries_of(tmp_path / "out")
    assert [entry.folder for entry in entries] == folders
    assert len({entry.path.casefold() for entry in entries}) == len(folders)
    assert sorted(["manifest.json", *(entry.path for entry in entries)]) == files_of(tmp_path / "out")
