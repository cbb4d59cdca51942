"""Creates documents of every kind that contain the given words."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import zipfile
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

_OPEN_DOCUMENT = "urn:oasis:names:tc:opendocument:xmlns"


def zipped(files: dict[str, bytes | str]) -> bytes:
    """Return a zip of these files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            # OpenDocument requires it; the other formats do not care.
            archive.writestr(name, data, zipfile.ZIP_STORED if name == "mimetype" else None)
    return packed.getvalue()


def word(text: str) -> bytes:
    """Return a DOCX with a paragraph in two runs, a table cell and a footnote."""
    begin = '<w:{0} xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
    half = len(text) // 2
    runs = f"<w:r><w:t>{text[:half]}</w:t></w:r><w:r><w:t>{text[half:]}</w:t></w:r>"
    return zipped(
        {
            "[Content_Types].xml": "<Types/>",
            "word/document.xml": f"{begin.format('document')}<w:body><w:p>{runs}</w:p>"
            "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>tablecell</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:body></w:document>",
            "word/footnotes.xml": f"{begin.format('footnotes')}<w:p><w:r><w:t>footnoted</w:t></w:r></w:p>"
            "</w:footnotes>",
        }
    )


def presentation(text: str) -> bytes:
    """Return a PPTX with a slide and notes."""
    slide = '<p:sld xmlns:p="p" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main">{}</p:sld>'
    return zipped(
        {
            "[Content_Types].xml": "<Types/>",
            "ppt/slides/slide1.xml": slide.format(f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>"),
            "ppt/notesSlides/notesSlide1.xml": slide.format("<a:p><a:r><a:t>speakernotes</a:t></a:r></a:p>"),
        }
    )


def spreadsheet(text: str) -> bytes:
    """Return an XLSX with the text in a cell."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    return zipped(
        {
            "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
            "_rels/.rels": f'<Relationships xmlns="{package}"><Relationship Id="r" Type="{relations}/officeDocument"'
            ' Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>'
            '<sheet name="Sheetname" sheetId="1" r:id="r1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1"'
            f' Type="{relations}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><dimension ref="A1:B1"/><sheetData><row r="1">'
            f'<c r="A1" t="inlineStr"><is><t>{text}</t></is></c><c r="B1"><v>4711</v></c></row></sheetData>'
            "</worksheet>",
        }
    )


def open_text(text: str, kind: str = "text") -> bytes:
    """Return an ODT (or ODP) with a paragraph that contains a span and a tab."""
    first, _, rest = text.partition(" ")
    return zipped(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f'<office:document-content xmlns:office="{_OPEN_DOCUMENT}:office:1.0"'
            f' xmlns:text="{_OPEN_DOCUMENT}:text:1.0"><office:body><office:text>'
            f"<text:p>{first}<text:tab/><text:span>{rest}</text:span> behind</text:p>"
            "</office:text></office:body></office:document-content>",
        }
    )


def pdf(text: str) -> bytes:
    """Return a PDF of one page."""
    stream = f"BT /F 12 Tf 50 700 Td ({text}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj%b endobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 6\n0000000000 65535 f \n%btrailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (
        table,
        len(out),
    )


def rtf(text: str) -> bytes:
    """Return an RTF document."""
    return rb"{\rtf1\ansi{\fonttbl\f0 Arial;}\f0 " + text.encode() + rb"\par}"


def tnef(text: str, name: str, data: bytes) -> bytes:
    """Return a winmail.dat with a text and an attachment (MS-OXTNEF §2.1)."""

    def attribute(level: int, kind: int, value: bytes) -> bytes:
        head = bytes([level]) + kind.to_bytes(4, "little") + len(value).to_bytes(4, "little")
        return head + value + (sum(value) & 0xFFFF).to_bytes(2, "little")

    return (
        (0x223E9F78).to_bytes(4, "little")
        + b"\1\0"
        + attribute(1, 0x0002800C, text.encode() + b"\0")
        + attribute(2, 0x00069002, bytes(14))
        + attribute(2, 0x00018010, name.encode() + b"\0")
        + attribute(2, 0x0006800F, data)
    )


@cache
def _identity() -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Somebody")])
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=9999))
    return key, builder.sign(key, hashes.SHA256())


def signed(text: str) -> bytes:
    """Return opaque-signed S/MIME content (RFC 8551 §3.5.2) in DER."""
    key, certificate = _identity()
    builder = pkcs7.PKCS7SignatureBuilder().set_data(b"Content-Type: text/plain\r\n\r\n" + text.encode())
    return builder.add_signer(certificate, key, hashes.SHA256()).sign(
        serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary]
    )


def encrypted(text: str) -> bytes:
    """Return S/MIME content in DER that only its recipient can decrypt."""
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(text.encode()).add_recipient(_identity()[1])
    return builder.encrypt(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


def gzipped(data: bytes) -> bytes:
    """Return a gzip file."""
    return gzip.compress(data)
