"""Creates files that contain others: Outlook messages, PDFs with all that stands beside their pages, archives."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
from collections.abc import Callable
from dataclasses import dataclass

import zstandard

_SECTOR = 512
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
#: Streams below this size would be in another table, which these files do not have.
_LEAST = 4096


_COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.compress,
}


def packed_tar(files: dict[str, bytes], compression: str = "") -> bytes:
    """Return a TAR, or one that is compressed as a whole."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return compressed(packed.getvalue(), compression)


def compressed(data: bytes, how: str) -> bytes:
    """Return one compressed file."""
    return _COMPRESSORS[how](data)


@dataclass
class _Entry:
    """A line of a container's directory: a storage or a stream."""

    name: str
    kind: int
    right: int = _FREE
    child: int = _FREE
    start: int = _END
    size: int = 0

    def packed(self) -> bytes:
        """Return the entry as in the file."""
        name = self.name.encode("utf-16-le") + b"\0\0"
        links = struct.pack("<HBBIII", len(name), self.kind, 1, _FREE, self.right, self.child)
        return name.ljust(64, b"\0") + links + bytes(36) + struct.pack("<IQ", self.start, self.size)


def container(tree: dict[str, object]) -> bytes:
    """Return an OLE container ([MS-CFB]) of storages (dicts) and streams (bytes, padded with zeros)."""
    entries: list[_Entry] = []
    content = b""

    def add(name: str, kind: int, value: object) -> int:
        nonlocal content
        entry = _Entry(name, kind)
        entries.append(entry)
        number = len(entries) - 1
        if isinstance(value, dict):
            before = None
            for child, inner in value.items():
                added = add(child, 1 if isinstance(inner, dict) else 2, inner)
                if before is None:
                    entry.child = added
                else:
                    entries[before].right = added
                before = added
        else:
            assert isinstance(value, bytes)
            padded = value.ljust(_LEAST, b"\0")
            entry.start, entry.size = len(content) // _SECTOR, len(padded)
            content += _whole_sectors(padded)
        return number

    add("Root Entry", 5, tree)
    return _assembled(entries, content)


def _whole_sectors(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // _SECTOR) * _SECTOR, b"\0")


def _assembled(entries: list[_Entry], content: bytes) -> bytes:
    directory = _whole_sectors(b"".join(entry.packed() for entry in entries))
    sectors, directory_sectors = len(content) // _SECTOR, len(directory) // _SECTOR
    fat = [number + 1 for number in range(sectors + directory_sectors)]
    fat[-1] = _END
    for entry in entries:
        if entry.kind == 2:
            fat[entry.start - (-entry.size // _SECTOR) - 1] = _END
    first_fat, fat_sectors = len(fat), 1
    while fat_sectors * _SECTOR // 4 < len(fat) + fat_sectors:
        fat_sectors += 1
    fat += [_FAT] * fat_sectors
    fat += [_FREE] * (fat_sectors * _SECTOR // 4 - len(fat))
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, fat_sectors, sectors, 0, _LEAST, _END, 0, _END, 0)
    header += struct.pack("<109I", *range(first_fat, first_fat + fat_sectors), *[_FREE] * (109 - fat_sectors))
    return header + content + directory + struct.pack(f"<{len(fat)}I", *fat)


def outlook_message(
    subject: str, body: dict[str, bytes], files: dict[str, bytes | dict[str, object]] | None = None, page: int = 0
) -> bytes:
    """Return a .msg; `body`: MAPI tags in hexadecimal and their values; `files`: attachments, or inner messages."""
    return container(outlook_storage(subject, body, files, page))


def outlook_storage(
    subject: str, body: dict[str, bytes], files: dict[str, bytes | dict[str, object]] | None = None, page: int = 0
) -> dict[str, object]:
    """Return the storage of a message."""
    tree: dict[str, object] = {
        "__properties_version1.0": bytes(32) + struct.pack("<IIQ", 0x3FFD0003, 0, page),
        "__substg1.0_0037001F": subject.encode("utf-16-le"),
        "__substg1.0_0C1A001F": "Petra Absender".encode("utf-16-le"),
        "__recip_version1.0_#00000000": {"__substg1.0_39FE001F": "empfang@firma.example".encode("utf-16-le")},
        **{f"__substg1.0_{tag}": value for tag, value in body.items()},
    }
    for number, (name, data) in enumerate((files or {}).items()):
        inner = "__substg1.0_3701000D" if isinstance(data, dict) else "__substg1.0_37010102"
        tree[f"__attach_version1.0_#{number:08X}"] = {"__substg1.0_3707001F": name.encode("utf-16-le"), inner: data}
    return tree


def rich_pdf(page: str, note: str, value: str, title: str, name: str, file: bytes) -> bytes:
    """Return a PDF with a page, a note, a form field, a link, a title, an outline and an embedded file."""
    stream = f"BT /F1 12 Tf 72 700 Td ({page}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[6 0 R]/DR<</Font<</F1 5 0 R>>>>/DA(/F1 12 Tf)>>"
        b"/Outlines 11 0 R/Names<</EmbeddedFiles<</Names[(%b) 9 0 R]>>>>>>" % name.encode(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>"
        b"/Annots[6 0 R 7 0 R 13 0 R 14 0 R]>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Type/Annot/Subtype/Widget/FT/Tx/T(field)/V(%b)/Rect[72 600 200 620]/P 3 0 R/DA(/F1 12 Tf)>>"
        % value.encode(),
        b"<</Type/Annot/Subtype/Text/Contents(%b)/T(Annotator)/Rect[72 500 90 520]>>" % note.encode(),
        b"<</Title(%b)/Author(Autorin)/Keywords(schluesselwort)>>" % title.encode(),
        b"<</Type/Filespec/F(%b)/UF(%b)/EF<</F 10 0 R>>>>" % (name.encode(), name.encode()),
        b"<</Type/EmbeddedFile/Length %d>>stream\n%b\nendstream" % (len(file), file),
        b"<</Type/Outlines/First 12 0 R/Last 12 0 R/Count 1>>",
        b"<</Title(Gliederungspunkt)/Parent 11 0 R/Dest[3 0 R/Fit]>>",
        b"<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A<</S/URI/URI(https://ziel.example/pfad)>>>>",
        b"<</Type/Annot/Subtype/FileAttachment/Rect[0 0 9 9]/FS<</Type/Filespec/F(pin.txt)/EF<</F 15 0 R>>>>>>",
        b"<</Type/EmbeddedFile/Length 10>>stream\npinnedwort\nendstream",
    ]
    data, offsets = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj" % number + content + b"endobj\n"
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(data)
    size = len(objects) + 1
    data += b"xref\n0 %d\n0000000000 65535 f \n%b" % (size, table)
    return data + b"trailer<</Size %d/Root 1 0 R/Info 8 0 R>>\nstartxref\n%d\n%%%%EOF" % (size, start)
