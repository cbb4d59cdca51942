from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.errors import Misconfigured, Permanent
from muniment.services.reading.formats.paths import (
    COMPONENT_BYTES,
    PATH_BYTES,
    Names,
    decode_component,
    encode_component,
)

ODD = st.text(
    st.sampled_from('/\\:*?"<>|%~. \0\n\x7f\x85\u202eäa\u0308\ud800😀') | st.characters(exclude_categories=[]),
    max_size=40,
)


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("Entwürfe", "Entwürfe"),
        ("受信箱 日本", "受信箱 日本"),
        ("a/b\\c:d", "a%2Fb%5Cc%3Ad"),
        ("100%", "100%25"),
        ("", "%"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        (".hidden", "%2Ehidden"),
        ("dot.", "dot%2E"),
        ("blank ", "blank%20"),
        ("CON", "%43ON"),
        ("nul.txt", "%6Eul.txt"),
        ("COM1", "%43OM1"),
        ("CONTENT", "CONTENT"),
        ("tab\there", "tab%09here"),
        ("~a", "%7Ea"),
    ],
)
def test_known_names(name: str, encoded: str) -> None:
    """Only what some file system cannot hold is encoded."""
    assert encode_component(name) == encoded
    assert decode_component(encoded) == name


@given(ODD)
def test_every_name_survives(name: str) -> None:
    """Any name, with lone surrogates and in any normal form, comes back from a safe file name."""
    encoded = encode_component(name)

    assert 0 < len(encoded.encode("utf-8")) <= COMPONENT_BYTES
    assert not set(encoded) & set('/\\:*?"<>|\0\n')
    assert not encoded.startswith(".")
    assert encoded[-1] not in ". "
    if "~" not in encoded:
        assert decode_component(encoded) == name


@given(st.lists(ODD, unique=True, max_size=10))
def test_different_names_have_different_files(names: list[str]) -> None:
    """Encoding never makes two names one."""
    assert len({encode_component(name) for name in names}) == len(names)


@pytest.mark.parametrize("character", ["a", "ä", "/", "日", "😀", "/a", "a/", "aa/"])
def test_long_names_are_shortened(character: str) -> None:
    """A name too long for file systems gets a hash, distinct, and says that it is not the full name."""
    one, other = encode_component(character * 300), encode_component(character * 300 + "b")

    assert one != other
    assert len(one.encode()) <= COMPONENT_BYTES
    with pytest.raises(Misconfigured, match="full name"):
        decode_component(one)
    decode_component(one.partition("~")[0])


def test_folders_that_differ_only_by_case_or_composition_stay_apart(tmp_path: Path) -> None:
    """Names that Windows or macOS takes for one get different directories."""
    names = Names(tmp_path)
    composed, decomposed = "Ärger", unicodedata.normalize("NFD", "Ärger")
    paths = [names.folder((name,)) for name in ("Inbox", "INBOX", "inbox", composed, decomposed)]

    assert [path.name for path in paths] == ["Inbox", "INBOX~2", "inbox~3", composed, f"{decomposed}~2"]
    assert names.folder(("INBOX",)) == paths[1]
    assert names.folder(("INBOX", "Sub")).parent == paths[1]


def test_files_and_folders_share_one_name_space(tmp_path: Path) -> None:
    """A folder named like a file does not take its place, whoever comes first."""
    names = Names(tmp_path)
    names.folder(("1.eml",))

    assert names.file((), "1", ".eml").name == "1~2.eml"
    assert names.folder_file(("A",), ".mbox").name == "A.mbox"
    assert names.folder(("A.mbox",)).name == "A.mbox~2"


def test_deep_folders_get_short_paths(tmp_path: Path) -> None:
    """A tree too deep for paths goes on near the top, every folder in a directory of its own."""
    names = Names(tmp_path)
    folder = tuple(f"level {number}" for number in range(1500))
    path = names.folder(folder)

    assert len(bytes(path.relative_to(tmp_path))) <= PATH_BYTES
    assert path.is_dir()
    assert names.folder(folder[:-1]) != path


def test_disk_errors_are_explained(tmp_path: Path) -> None:
    """What the disk refuses is told with the path."""
    names = Names(tmp_path / "gone")

    with pytest.raises(Permanent, match=r"cannot write .*gone/A: No such file"):
        names.folder(("A",))
