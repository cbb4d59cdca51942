from __future__ import annotations

import os
from pathlib import Path

import pytest

from muniment.embedded.folder import SOCKET_PATH_BYTES, DataFolder
from muniment.errors import Conflict, Misconfigured


def test_folders_are_for_the_owner_only(tmp_path: Path) -> None:
    """Folders that Muniment creates are inaccessible to other users."""
    folder = DataFolder(tmp_path / "a" / "data")

    folder.create()

    modes = {path.stat().st_mode & 0o777 for path in (folder.path, folder.run, folder.log)}
    assert modes == {0o700}


def test_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    """The error for a data folder below a file names the path and says what to do."""
    (tmp_path / "file").touch()

    with pytest.raises(Misconfigured, match="file/data") as caught:
        DataFolder(tmp_path / "file" / "data").create()

    assert "MUNIMENT_DATA" in caught.value.hint


def test_second_holder_is_refused_and_told_who_holds(tmp_path: Path) -> None:
    """Only one process holds a data folder, the error contains its process id, and the lock is released afterwards."""
    folder = DataFolder(tmp_path)
    folder.create()

    refusal = rf"already running on {tmp_path} \(process {os.getpid()}\)"
    with folder.held(), pytest.raises(Conflict, match=refusal), DataFolder(tmp_path).held():
        pass

    with DataFolder(tmp_path).held():
        assert folder.lock_file.read_text().strip() == str(os.getpid())


@pytest.mark.parametrize("name", ["x" * 100, "with space", "mit-Umlaut-ü", "a%2Fb", "a,b"])
def test_awkward_paths_get_a_short_plain_folder_for_sockets(tmp_path: Path, name: str) -> None:
    """Sockets have a short path that needs no quoting, are inaccessible to others, and are removed afterwards."""
    folder = DataFolder(tmp_path / name)
    folder.create()

    with folder.sockets() as sockets:
        assert len(os.fsencode(sockets / "postgres" / ".s.PGSQL.5432.lock")) <= SOCKET_PATH_BYTES
        assert sockets.stat().st_mode & 0o777 == 0o700
        assert name not in str(sockets)

    assert not sockets.exists()
    assert list(folder.run.iterdir()) == []


def test_socket_folder_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    """The temporary folder of a process that could not clean up is removed by the next start."""
    folder = DataFolder(tmp_path / ("x" * 100))
    folder.create()
    killed = folder.sockets()
    left_behind = killed.__enter__()
    (left_behind / "socket").touch()

    with folder.sockets() as sockets:
        assert sockets != left_behind
        assert not left_behind.exists()


def test_link_to_a_folder_of_others_is_not_followed(tmp_path: Path) -> None:
    """Only Muniment's own temporary folders are ever removed."""
    folder = DataFolder(tmp_path / "data")
    folder.create()
    precious = tmp_path / "precious"
    precious.mkdir()
    (folder.run / "sockets").symlink_to(precious)

    with folder.sockets():
        pass

    assert precious.is_dir()
