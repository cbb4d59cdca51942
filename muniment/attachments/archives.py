"""Reads archives: ZIP, TAR, and single compressed files. 7z and RAR are recognised and reported as not read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from typing import IO

import zstandard

from muniment.attachments.kinds import BEGINS_7Z, BEGINS_BZIP2, BEGINS_GZIP, BEGINS_RAR, BEGINS_XZ, BEGINS_ZSTD, is_tar
from muniment.attachments.kinds import ZIP as BEGINS_ZIP
from muniment.attachments.limits import Budget, Within

_NAME_IS_UTF8 = 0x800
_PIECE = 1024 * 1024
_NOT_READ = {BEGINS_7Z: "7z", BEGINS_RAR: "RAR"}
_COMPRESSED: dict[bytes, Callable[[IO[bytes]], IO[bytes]]] = {
    BEGINS_GZIP: lambda file: gzip.GzipFile(fileobj=file),  # type: ignore[dict-item, return-value]
    BEGINS_BZIP2: bz2.BZ2File,
    BEGINS_XZ: lzma.LZMAFile,
    BEGINS_ZSTD: lambda file: zstandard.ZstdDecompressor().stream_reader(file),
}
#: What a compressed file without a name is likely to be.
_INNER_NAMES = {".tgz": ".tar", ".tbz": ".tar", ".tbz2": ".tar", ".txz": ".tar", ".svgz": ".svg"}


def read_archive(name: str, data: bytes, budget: Budget, within: Within) -> None:
    """Collect the names and texts of an archive's files."""
    if data.startswith(BEGINS_ZIP):
        _zip(data, budget, within)
        return
    for beginning, decompressor in _COMPRESSED.items():
        if data.startswith(beginning):
            with decompressor(io.BytesIO(data)) as file:
                _compressed(name, unpacked(file, budget), within)
            return
    for beginning, kind in _NOT_READ.items():
        if data.startswith(beginning):
            budget.trouble(f"no reader for {kind} archives")
            return
    _tar(data, budget, within)


def _compressed(name: str, plain: bytes, within: Within) -> None:
    stem, dot, suffix = name.rpartition(".")
    inner = stem + _INNER_NAMES.get((dot + suffix).lower(), "") if stem else ""
    is_text = b"\0" not in plain[:1000] and "." not in inner
    within(inner, "text/plain" if is_text and not is_tar(plain) else "", plain)


def _zip(data: bytes, budget: Budget, within: Within) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            budget.member()
            name = _name_of(member)
            budget.add(name)
            if member.flag_bits & 1:
                budget.trouble("encrypted members of an archive")
            elif not member.is_dir():
                try:
                    with archive.open(member) as file:
                        content = unpacked(file, budget)
                except (NotImplementedError, zipfile.BadZipFile, OSError, EOFError) as error:
                    budget.trouble(f"a member of an archive is damaged: {type(error).__name__}")
                    continue
                within(name, "", content)


def _name_of(member: zipfile.ZipInfo) -> str:
    """Return a name, which many programs write in UTF-8 without saying so."""
    if member.flag_bits & _NAME_IS_UTF8 or member.filename.isascii():
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


def _tar(data: bytes, budget: Budget, within: Within) -> None:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            budget.member()
            budget.add(member.name)
            if member.isfile() and (file := archive.extractfile(member)) is not None:
                within(member.name, "", unpacked(file, budget))


def unpacked(file: IO[bytes], budget: Budget) -> bytes:
    """Unpack a file in pieces, because its stated size may be false."""
    pieces: list[bytes] = []
    while piece := file.read(_PIECE):
        budget.unpack(len(piece))
        budget.check_time()
        pieces.append(piece)
    return b"".join(pieces)
