"""Generates small files of common kinds to attach to generated mail."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from muniment.demo import texts


@dataclass(frozen=True)
class Attachment:
    """A file with its name and media type."""

    name: str
    media_type: str
    content: bytes


def generate_attachment(rng: Random, size: int) -> Attachment:
    """Return a PDF, text, CSV, PNG or binary file of about `size` bytes."""
    suffix, media_type, make = rng.choice(_KINDS)
    return Attachment(f"{rng.choice(texts.FILE_NAMES)}.{suffix}", media_type, make(rng, size))


def _text(rng: Random, size: int) -> bytes:
    # One random page, repeated: drawing every sentence would be slow.
    page = "\n".join(rng.choices(texts.SENTENCES, k=20)) + "\n"
    return (page * (size // len(page) + 1)).encode()[:size]


def _table(rng: Random, size: int) -> bytes:
    rows = [f"{n};{rng.choice(texts.FIRMS)};{rng.randrange(10**6) / 100:.2f}\r\n" for n in range(max(1, size // 35))]
    return ("number;customer;amount\r\n" + "".join(rows)).encode("utf-8-sig")


def _picture(rng: Random, size: int) -> bytes:
    side = max(1, int((size / 3) ** 0.5))
    pixels = b"".join(b"\0" + rng.randbytes(3 * side) for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(pixels, 1)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _document(rng: Random, size: int) -> bytes:
    """Return a PDF of one page with text, padded with a stream of random bytes."""
    line = rng.choice(texts.SENTENCES[:4]).encode("ascii")
    page = b"BT /F1 12 Tf 72 720 Td (" + line + b") Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page),
    ]
    padding = rng.randbytes(max(0, size - 700))
    objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(padding), padding))
    out = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(objects) + 1
    return out + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (count, table, count, len(out))
    )


def _binary(rng: Random, size: int) -> bytes:
    return rng.randbytes(size)


_KINDS: tuple[tuple[str, str, Callable[[Random, int], bytes]], ...] = (
    ("pdf", "application/pdf", _document),
    ("txt", "text/plain; charset=utf-8", _text),
    ("csv", "text/csv; charset=utf-8", _table),
    ("png", "image/png", _picture),
    ("dat", "application/octet-stream", _binary),
)
