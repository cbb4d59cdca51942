"""Detects the kind of an attachment: from its first bytes, otherwise its name, otherwise the sender's MIME type."""

from __future__ import annotations

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
    Kind.WORD: "doc docx docm dotx odt ott fodt",
    Kind.SPREADSHEET: "xls xlsx xlsm xlsb xltx ods ots",
    Kind.PRESENTATION: "ppt pptx pptm ppsx odp otp",
    Kind.RTF: "rtf",
    Kind.HTML: "htm html xhtml mht",
    Kind.TEXT: "txt text csv tsv log md rst ini cfg conf json xml yaml yml ics vcf sql tex diff patch c h py java js"
    " css",
    Kind.MESSAGE: "eml",
    Kind.ARCHIVE: "zip gz",
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
    "application/json": Kind.TEXT,
    "application/xml": Kind.TEXT,
    "message/rfc822": Kind.MESSAGE,
}
_BY_MAIN_TYPE = {"image": Kind.IMAGE, "audio": Kind.AUDIO, "video": Kind.VIDEO, "text": Kind.TEXT}
_BY_BEGINNING = (
    (b"{\\rtf", Kind.RTF),
    (b"\x78\x9f\x3e\x22", Kind.TNEF),
    (b"\x1f\x8b", Kind.ARCHIVE),
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
_PDF_BEGINS_WITHIN = 1024
ZIP = b"PK\x03\x04"


def kind_of(name: str, type_: str, data: bytes) -> Kind:
    """Return the kind of an attachment; `type_` is the MIME type stated by the sender, in lower case."""
    named = _BY_EXTENSION.get(name.rpartition(".")[2].lower()) if "." in name else None
    if b"%PDF-" in data[:_PDF_BEGINS_WITHIN]:
        return Kind.PDF
    if data.startswith(ZIP):
        return _kind_of_zip(data, named)
    for beginning, kind in _BY_BEGINNING:
        if data.startswith(beginning):
            return kind
    return named or _BY_TYPE.get(type_) or _BY_MAIN_TYPE.get(type_.partition("/")[0], Kind.OTHER)


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
