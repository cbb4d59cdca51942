"""Detects the kind of an attachment: from its first bytes, otherwise its name, otherwise the sender's MIME type."""

from __future__ import annotations

import re
from enum import StrEnum


class Kind(StrEnum):
    """Kinds of attachments; the facet *type* and `type:` in queries use these names."""

    PDF = "pdf"
    WORD = "word"
    SPREADSHEET = "spreadsheet"
    PRESENTATION = "presentation"
    RTF = "rtf"
    HTML = "html"
    TEXT = "text"
    MESSAGE = "message"
    ARCHIVE = "archive"
    TNEF = "tnef"
    SMIME = "smime"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    OTHER = "other"

    @property
    def is_read(self) -> bool:
        """Whether a reader can extract its text."""
        return self not in {Kind.IMAGE, Kind.AUDIO, Kind.VIDEO, Kind.OTHER}


_EXTENSIONS = {
    Kind.PDF: "pdf",
    Kind.WORD: "doc dot docx docm dotx dotm odt ott fodt",
    Kind.SPREADSHEET: "xls xlt xlsx xlsm xlsb xltx xltm ods ots fods",
    Kind.PRESENTATION: "ppt pot pps pptx pptm potx potm ppsx ppsm odp otp fodp",
    Kind.RTF: "rtf",
    Kind.HTML: "htm html xhtml mht mhtml",
    Kind.TEXT: "txt text csv tsv log md rst ini cfg conf json xml yaml yml ics ical vcs vcf vcard sql tex diff"
    " patch c h py java js css",
    Kind.MESSAGE: "eml msg mbox mbx",
    Kind.ARCHIVE: "zip gz tgz tar bz2 tbz tbz2 xz txz zst 7z rar",
    Kind.TNEF: "tnef",
    Kind.SMIME: "p7m",
    Kind.IMAGE: "jpg jpeg png gif bmp tif tiff webp svg heic ico",
    Kind.AUDIO: "mp3 wav ogg m4a flac aac amr",
    Kind.VIDEO: "mp4 mov avi mkv webm wmv mpg mpeg",
}
_BY_EXTENSION = {extension: kind for kind, all_of_it in _EXTENSIONS.items() for extension in all_of_it.split()}
_BY_TYPE = {
    "application/pdf": Kind.PDF,
    "application/msword": Kind.WORD,
    "application/rtf": Kind.RTF,
    "text/rtf": Kind.RTF,
    "text/html": Kind.HTML,
    "application/xhtml+xml": Kind.HTML,
    "application/ms-tnef": Kind.TNEF,
    "application/vnd.ms-tnef": Kind.TNEF,
    "application/pkcs7-mime": Kind.SMIME,
    "application/x-pkcs7-mime": Kind.SMIME,
    "application/zip": Kind.ARCHIVE,
    "application/x-zip-compressed": Kind.ARCHIVE,
    "application/gzip": Kind.ARCHIVE,
    "application/x-gzip": Kind.ARCHIVE,
    "application/x-tar": Kind.ARCHIVE,
    "application/x-gtar": Kind.ARCHIVE,
    "application/x-compressed-tar": Kind.ARCHIVE,
    "application/x-7z-compressed": Kind.ARCHIVE,
    "application/vnd.rar": Kind.ARCHIVE,
    "application/vnd.ms-outlook": Kind.MESSAGE,
    "application/mbox": Kind.MESSAGE,
    "multipart/related": Kind.HTML,
    "application/x-mimearchive": Kind.HTML,
    "application/json": Kind.TEXT,
    "application/xml": Kind.TEXT,
    "message/rfc822": Kind.MESSAGE,
}
_BY_MAIN_TYPE = {"image": Kind.IMAGE, "audio": Kind.AUDIO, "video": Kind.VIDEO, "text": Kind.TEXT}
_BZIP2_BLOCK = b"1AY&SY"
OLE = b"\xd0\xcf\x11\xe0"
BEGINS_GZIP = b"\x1f\x8b"
BEGINS_BZIP2 = b"BZh"
BEGINS_XZ = b"\xfd7zXZ\0"
BEGINS_ZSTD = b"\x28\xb5\x2f\xfd"
BEGINS_7Z = b"7z\xbc\xaf\x27\x1c"
BEGINS_RAR = b"Rar!\x1a\x07"
_BY_BEGINNING = (
    (b"{\\rtf", Kind.RTF),
    (b"\x78\x9f\x3e\x22", Kind.TNEF),
    *((begins, Kind.ARCHIVE) for begins in (BEGINS_GZIP, BEGINS_XZ, BEGINS_ZSTD, BEGINS_7Z, BEGINS_RAR)),
    (b"\x89PNG", Kind.IMAGE),
    (b"\xff\xd8\xff", Kind.IMAGE),
    (b"GIF8", Kind.IMAGE),
)
_IN_ZIP = (
    (b"word/", Kind.WORD),
    (b"xl/", Kind.SPREADSHEET),
    (b"ppt/", Kind.PRESENTATION),
)
_OPEN_DOCUMENTS = {
    b"application/vnd.oasis.opendocument.text": Kind.WORD,
    b"application/vnd.oasis.opendocument.spreadsheet": Kind.SPREADSHEET,
    b"application/vnd.oasis.opendocument.presentation": Kind.PRESENTATION,
}
_FIRST_IN_OFFICE = (b"[Content_Types].xml", b"_rels/", b"docProps/", b"customXml/", b"word/", b"xl/", b"ppt/")
#: What an OLE container holds, by the names in its directory. The message comes first, since it may hold the others.
_IN_OLE = (
    ("__properties_version1.0", Kind.MESSAGE),
    ("WordDocument", Kind.WORD),
    ("PowerPoint Document", Kind.PRESENTATION),
    ("Workbook", Kind.SPREADSHEET),
)
_TAR_MAGIC, _TAR_AT = b"ustar", 257
_HEADER_FIELD = re.compile(rb"([!-9;-~]{1,60})[ \t]*:")
_HEADER_LINES = 60
#: Two of these make a message of bytes that nothing else names.
_MESSAGE_FIELDS = frozenset(
    b"from to subject date message-id received return-path mime-version content-type delivered-to reply-to"
    b" x-mozilla-status x-mozilla-status2 dkim-signature".split()
)
_UNSAID = {"", "application/octet-stream", "application/x-unknown"}
_PDF_BEGINS_WITHIN = 1024
ZIP = b"PK\x03\x04"


def kind_of(name: str, type_: str, data: bytes) -> Kind:
    """Return the kind of an attachment; `type_` is the MIME type stated by the sender, in lower case."""
    named = _BY_EXTENSION.get(name.rpartition(".")[2].lower()) if "." in name else None
    if b"%PDF-" in data[:_PDF_BEGINS_WITHIN]:
        return Kind.PDF
    if data.startswith(ZIP):
        return _kind_of_zip(data, named)
    beginning = _kind_of_beginning(data)
    if beginning is not None:
        return beginning
    said = named or _BY_TYPE.get(type_) or _BY_MAIN_TYPE.get(type_.partition("/")[0])
    if said is None:
        return Kind.MESSAGE if type_ in _UNSAID and is_message(data) else Kind.OTHER
    return said


def _kind_of_beginning(data: bytes) -> Kind | None:
    if data.startswith(OLE):
        return _kind_of_ole(data)
    if is_tar(data) or (data.startswith(BEGINS_BZIP2) and data[4:10] == _BZIP2_BLOCK):
        return Kind.ARCHIVE
    return next((kind for beginning, kind in _BY_BEGINNING if data.startswith(beginning)), None)


def is_tar(data: bytes) -> bool:
    """Whether bytes are a TAR archive (POSIX.1-1988 or later)."""
    return data[_TAR_AT : _TAR_AT + len(_TAR_MAGIC)] == _TAR_MAGIC


def is_message(data: bytes) -> bool:
    """Whether bytes begin with the header of a message (RFC 5322), or with a mailbox's `From ` line before it."""
    lines = data[:16384].lstrip(b"\r\n").split(b"\n", _HEADER_LINES + 1)[: _HEADER_LINES + 1]
    if lines and lines[0].startswith(b"From "):
        del lines[0]
    found = set()
    for line in lines:
        field = _HEADER_FIELD.match(line)
        if field is not None:
            found.add(field[1].lower())
        elif not line.startswith((b" ", b"\t")):
            break
    return len(found & _MESSAGE_FIELDS) >= 2


def _kind_of_ole(data: bytes) -> Kind | None:
    """Recognise what an OLE container holds, without opening it: that is not safe here."""
    return next((kind for name, kind in _IN_OLE if name.encode("utf-16-le") in data), None)


def _kind_of_zip(data: bytes, named: Kind | None) -> Kind:
    """Recognise office documents, which are zips, by the names in them. Nothing is unpacked: that is not safe here."""
    first = data[30 : 30 + int.from_bytes(data[26:28], "little")]
    if first == b"mimetype":  # OpenDocument: the first member, stored uncompressed
        return next(
            (kind for text, kind in _OPEN_DOCUMENTS.items() if data[38:].startswith(text)), named or Kind.ARCHIVE
        )
    if first.startswith(_FIRST_IN_OFFICE) and b"[Content_Types].xml" in data:
        return next((kind for name, kind in _IN_ZIP if name in data), Kind.ARCHIVE)
    return Kind.ARCHIVE
