"""What Outlook sends: RTF, compressed RTF, winmail.dat."""

from __future__ import annotations

import random
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.compressed_rtf import unpack_rtf
from muniment.mail.rtf import rtf_to_text
from muniment.mail.tnef import read_tnef
from tests.unit.mail.outlook import MESSAGE, compressed, properties, winmail

_PLAIN = rb"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fswiss Arial;}}\f0 Gr\'fc\'dfe vorpalquist\par zwei\par}"


def test_the_published_example_is_unpacked() -> None:
    """The example of [MS-OXRTFCP] §4.1.1 is unpacked."""
    packed = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a00726370673132354232 0af32068656c090020627705b06c647d0a800fa0"
    )

    assert unpack_rtf(packed) == (b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n", "")


@pytest.mark.parametrize("size", [0, 1, 17, 4096, 30_000])
def test_compressed_rtf_comes_back(size: int) -> None:
    """Compressed RTF of any length is unpacked to the byte."""
    rng = random.Random(size)
    rtf = b"{\\rtf1 " + b" ".join(b"word%d" % rng.randrange(500) for _ in range(size // 6)) + b"}"

    assert unpack_rtf(compressed(rtf)) == (rtf, "")


def test_damaged_compressed_rtf_is_reported() -> None:
    """A wrong checksum, a missing end and an unknown kind are reported; what can be unpacked is."""
    packed = compressed(_PLAIN)
    broken = packed[:-3] + bytes([packed[-3] ^ 0xFF]) + packed[-2:]

    assert unpack_rtf(broken)[1] == "damaged compressed RTF"
    assert unpack_rtf(packed[:60])[1] == "damaged compressed RTF"
    assert unpack_rtf(packed[:60])[0].startswith(b"{\\rtf1")
    assert "unknown kind" in unpack_rtf(packed[:8] + b"ABCD" + packed[12:])[1]
    assert "more than" in unpack_rtf(packed[:4] + b"\xff\xff\xff\x7f" + packed[8:])[1]
    assert unpack_rtf(b"x")[1]
    stored = struct.pack("<II4sI", len(_PLAIN) + 12, len(_PLAIN), b"MELA", 0) + _PLAIN
    assert unpack_rtf(stored) == (_PLAIN, "")
    assert unpack_rtf(stored[:-1]) == (_PLAIN[:-1], "truncated RTF")


@pytest.mark.parametrize(
    ("rtf", "expected"),
    [
        (_PLAIN, "Grüße vorpalquist\nzwei"),
        (rb"{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2}", "Привет"),
        (rb"{\rtf1\mac \'8f}", "è"),
        (rb"{\rtf1\ansi{\fonttbl{\f0 A;}{\f1\fcharset204 B;}}\f0 \'e9{\f1 \'ef\'f0}\'e8}", "éпрè"),
        (rb"{\rtf1\ansi\deff1{\fonttbl{\f1\fcharset128 M;}}\'89\'ef\'8b\'63\plain  \'8e\'91}", "会議 資"),
        (rb"{\rtf1\ansi\ansicpg932 \'89\'ef\'8bc}", "会議"),
        (rb"{\rtf1\ansi\ansicpg936 \'ba\'cf\'cd\'ac}", "合同"),
        (rb"{\rtf1\ansi\ansicpg65001 \'c3\'bc}", "ü"),
        (rb"{\rtf1 \u1055?\u1088\'f0 x}", "Пр x"),
        (rb"{\rtf1\uc2 \u1055ab{\uc0\u1088 c}\u1088\'aa\'bbd}", "Прcрd"),
        (rb"{\rtf1\uc0 \u-10179 \u-8704 !}", "😀!"),
        (rb"{\rtf1\uc1\u26085 \'93\'fa\'96\'7b}", "日ú–{"),
        (rb"{\rtf1{\info{\author secret}}{\*\unknown secret}{\pict 0102}a\~b\_c\-d\{\}\\}", "a\u00a0b-cd{}\\"),
        (rb"{\rtf1{\field{\*\fldinst HYPERLINK x}{\fldrslt link}}{\header top}\bin4 }}{{after}", "linktopafter"),
        (rb"{\rtf1 a\tab b\line c\ldblquote d\rdblquote\emdash e}", "a\tb\nc“d”—e"),
        (b"{\\rtf1 split\r\nword \\'e", "splitword e"),
        (b"no rtf", "no rtf"),
        (b"", ""),
    ],
)
def test_rtf_is_read_as_people_see_it(rtf: bytes, expected: str) -> None:
    """Code pages of the document and of fonts, Unicode with its fallback, and invisible groups are respected."""
    assert rtf_to_text(rtf).strip() == expected


def test_html_within_rtf() -> None:
    """HTML that Outlook wrapped into RTF is read as HTML; what is for readers of RTF only is left out."""
    rtf = (
        rb"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0\fswiss Arial;}{\f1\fcharset204 A;}}"
        rb"{\*\htmltag243 <!doctype html>}{\*\htmltag19 <html>}{\*\htmltag34 <head>}{\*\htmltag1 \par }"
        rb"{\*\htmltag41 <title>}{\*\htmltag249 <style>p \{color:red\}</style>}{\*\htmltag64 <p class='x'>}"
        rb"\htmlrtf {\htmlrtf0 Gr\'fc\'dfe{\*\htmltag84 &nbsp;}\htmlrtf \'a0\htmlrtf0 1 < 2 & 3"
        rb"{\*\htmltag84 <b>}\htmlrtf {\b\htmlrtf0  fett{\*\htmltag92 </b>}\htmlrtf }\htmlrtf0 ig"
        rb"{\f1 \'cf\'f0}{\*\mhtmltag64 <p>}{\*\htmltag72 </p>}\htmlrtf\par only rtf}\htmlrtf0 }"
    )

    assert rtf_to_text(rtf).split() == ["Grüße", "1", "<", "2", "&", "3", "fettigПр"]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (properties(p1009=compressed(_PLAIN)), "Grüße vorpalquist"),
        (properties(p1000="Unicode überall"), "Unicode überall"),
        (properties(s1000="Привет".encode("cp1251"), p3ffd=1251), "Привет"),
        (properties(p1013=b"<p>H&uuml;tte</p>", p3fde=65001), "Hütte"),
        (properties(p1013="<p>Hütte</p>".encode(), p3fde=65001, p1000="not this"), "Hütte"),
        (properties(p1013="Привет".encode("koi8-r"), p3fde=20866), "Привет"),
        (properties(p1009=compressed(_PLAIN)[:40], p1000="the plain form"), "the plain form"),
    ],
)
def test_bodies_in_winmail_dat(found: bytes, expected: str) -> None:
    """Every form of a body is read, in its code page; a damaged one falls back to plain text."""
    tnef = read_tnef(winmail((1, 0x9003, found)))

    assert expected in "\n".join(tnef.texts)
    assert "not this" not in "\n".join(tnef.texts)


def test_the_rest_of_winmail_dat() -> None:
    """Subject, people, recipients, files and messages within messages are found; the code page holds for all."""
    inner = winmail((1, 0x9003, properties(p1000="innermost words")))
    row = properties(p3001="Ben Tal", s3003=b"ben@x.example")
    tnef = read_tnef(
        winmail(
            (1, 0x9007, (1251).to_bytes(4, "little") + bytes(4)),
            (1, 0x8004, "Тема\0".encode("cp1251")),
            (1, 0x800C, "Текст\0".encode("cp1251")),
            (1, 0x9004, (1).to_bytes(4, "little") + row),
            (1, 0x9003, properties(p0c1a="Ada Berg", p0c1f="ada@x.example")),
            (2, 0x9002, bytes(14)),
            (2, 0x8010, "Отчёт.txt\0".encode("cp1251")),
            (2, 0x800F, b"content"),
            (2, 0x9002, bytes(14)),
            (2, 0x9005, properties(p3707="Weitergeleitet.msg", o3701=MESSAGE + inner)),
        )
    )

    assert tnef.texts == ["Тема", "Ben Tal ben@x.example", "Ada Berg ada@x.example", "Текст"]
    assert [(one.name, one.type, one.data) for one in tnef.attachments] == [
        ("Отчёт.txt", "", b"content"),
        ("Weitergeleitet.msg", "application/ms-tnef", inner),
    ]
    assert tnef.problems == []


def test_damaged_winmail_dat_is_read_as_far_as_possible() -> None:
    """Truncation and wrong checksums are reported, and lose only what is behind them."""
    whole = winmail((1, 0x8004, b"subject words\0"), (1, 0x800C, b"body words\0"))

    assert read_tnef(whole[:-8]).problems == ["damaged or truncated TNEF"]
    assert read_tnef(whole[:-8]).texts[0] == "subject words"
    assert read_tnef(whole[:-1] + b"\xff").problems == ["damaged TNEF: a checksum is wrong"]
    assert read_tnef(b"no tnef").problems


@given(st.binary(max_size=300))
def test_no_bytes_raise(data: bytes) -> None:
    """Any bytes are read without an error."""
    read_tnef(winmail((1, 0x9003, data), (2, 0x9005, data), (1, 0x9004, data), (1, 0x8000, data)))
    read_tnef(b"\x78\x9f\x3e\x22\0\0" + data)
    unpack_rtf(data)
    unpack_rtf(len(data).to_bytes(4, "little") + b"\0\1\0\0LZFu" + data)
    rtf_to_text(data)


@given(st.text(st.sampled_from("{}\\ '*u1f0htmlrtfg;\nab"), max_size=200))
def test_no_rtf_raises(text: str) -> None:
    """Any RTF is read without an error."""
    rtf_to_text(b"{\\rtf1\\fromhtml1" + text.encode())


@pytest.mark.parametrize(
    "rtf",
    [
        *(b"{" * 2_000_000, b"\\u1?" * 300_000, b"\\'" * 1_000_000, b"{\\f1}" * 200_000, b"}" * 1_000_000),
        *(b"{\\*\\htmltag <p>}" * 100_000, b"\\bin9" * 300_000, b"\\" * 2_000_000),
    ],
)
def test_hostile_rtf_takes_linear_time(rtf: bytes) -> None:
    """Megabytes of nested or broken RTF are read within seconds of CPU time."""
    began = time.process_time()
    rtf_to_text(b"{\\rtf1\\fromhtml1 " + rtf)

    assert time.process_time() - began < 20


def test_hostile_tnef_takes_linear_time() -> None:
    """A table that claims millions of rows, and a hundred thousand attributes, are read quickly."""
    began = time.process_time()
    read_tnef(winmail((1, 0x9004, b"\xff\xff\xff\x7f" + bytes(4_000_000)), *[(2, 0x9002, b"")] * 100_000))
    read_tnef(winmail((1, 0x9003, b"\xff\xff\xff\x7f" + b"\x02\x01\x00\x10\xff\xff\xff\x7f" + bytes(4_000_000))))

    assert time.process_time() - began < 20
