"""Charset labels that are unusual, missing or wrong."""

from __future__ import annotations

import time
from base64 import b64encode

import pytest

from muniment.mail.bodies import read_text
from muniment.mail.charset_names import codec_of, codec_of_page
from muniment.mail.charsets import decode
from muniment.mail.headers import read_headers
from muniment.mail.iso2022 import decode_cn, decode_jp
from muniment.model.text_problem import ProblemCode

#: WHATWG Encoding Standard §4.2: the labels of each encoding; the last group is decoded here, but not in browsers.
LABELS = {
    "utf_8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8",
    "cp866": "866 cp866 csibm866 ibm866",
    "iso8859_2": "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2",
    "iso8859_3": "csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3",
    "iso8859_4": "csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4",
    "iso8859_5": "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988",
    "iso8859_6": "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e"
    " iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987",
    "iso8859_7": "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 iso_8859-7"
    " iso_8859-7:1987 sun_eu_greek",
    "iso8859_8": "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8"
    " iso_8859-8:1988 visual csiso88598i iso-8859-8-i logical",
    "iso8859_10": "csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6",
    "iso8859_13": "iso-8859-13 iso8859-13 iso885913",
    "iso8859_14": "iso-8859-14 iso8859-14 iso885914",
    "iso8859_15": "csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9",
    "iso8859_16": "iso-8859-16",
    "koi8_r": "cskoi8r koi koi8 koi8-r koi8_r",
    "koi8_u": "koi8-ru koi8-u",
    "mac_roman": "csmacintosh mac macintosh x-mac-roman",
    "cp874": "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874",
    "cp1250": "cp1250 windows-1250 x-cp1250",
    "cp1251": "cp1251 windows-1251 x-cp1251 csWindows1251 WIN-1251 cp-1251 1251 ms-cyrl",
    "cp1252": "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1"
    " iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252",
    "cp1253": "cp1253 windows-1253 x-cp1253",
    "cp1254": "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5"
    " windows-1254 x-cp1254",
    "cp1255": "cp1255 windows-1255 x-cp1255",
    "cp1256": "cp1256 windows-1256 x-cp1256",
    "cp1257": "cp1257 windows-1257 x-cp1257",
    "cp1258": "cp1258 windows-1258 x-cp1258",
    "mac_cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "gb18030": "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030",
    "big5hkscs": "big5 big5-hkscs cn-big5 csbig5 x-x-big5",
    "euc_jp": "cseucpkdfmtjapanese euc-jp x-euc-jp",
    "iso2022_jp": "csiso2022jp iso-2022-jp cp50220 cp50221 CP50222 iso-2022-jp-ms",
    "cp932": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis",
    "cp949": "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601"
    " windows-949",
    "utf_16_be": "unicodefffe utf-16be",
    "utf_16": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le",
    "hz": "hz-gb-2312",
    "iso2022_kr": "csiso2022kr iso-2022-kr",
    "iso2022_cn": "iso-2022-cn iso-2022-cn-ext",
    "utf_7": "utf-7 unicode-1-1-utf-7 csUnicode11UTF7 x-unicode-2-0-utf-7",
    "mac_greek": "x-mac-greek",
    "mac_latin2": "x-mac-ce x-mac-centraleurroman",
    "mac_turkish": "x-mac-turkish",
}
#: A text that each of them can write.
TEXTS = {
    **dict.fromkeys(("gb18030", "hz", "iso2022_cn"), "你好，请查收附件"),
    **dict.fromkeys(("big5hkscs",), "您好，請查收附件"),
    **dict.fromkeys(("euc_jp", "iso2022_jp", "cp932"), "会議資料を送付します"),
    **dict.fromkeys(("cp949", "iso2022_kr"), "안녕하세요 회의자료"),
    **dict.fromkeys(("cp866", "iso8859_5", "koi8_r", "koi8_u", "cp1251", "mac_cyrillic"), "Привет, коллеги"),
    **dict.fromkeys(("iso8859_7", "cp1253", "mac_greek"), "Καλημέρα σας"),
    **dict.fromkeys(("iso8859_8", "cp1255"), "שלום לכולם"),
    **dict.fromkeys(("iso8859_6", "cp1256"), "مرحبا بالعالم"),
    "cp874": "สวัสดีครับ",
}


def encoded(text: str, codec: str) -> bytes:
    """Return the text in a charset, including the one that Python lacks."""
    if codec != "iso2022_cn":
        return text.encode(codec)
    pairs = bytes(byte & 0x7F for byte in text.encode("gb2312"))
    return b"\x1b$)A\x0e" + pairs + b"\x0f"


@pytest.mark.parametrize("codec", LABELS)
def test_every_label_is_known(codec: str) -> None:
    """Every label of the WHATWG Encoding Standard, of IANA and of mailers decodes bodies and headers with certainty."""
    text = TEXTS.get(codec, "Aé" if codec not in {"iso8859_4", "cp1250"} else "Aä")
    for label in LABELS[codec].split():
        if label in {"us-ascii", "ascii", "ansi_x3.4-1968"}:
            continue  # text beyond ASCII is a guess there
        written = "utf_16_le" if label.lower() == "utf-16le" else codec
        data = encoded(text, written)
        header = b"Subject: =?" + label.encode() + b"?q?" + b"".join(b"=%02X" % byte for byte in data) + b"?=\n\n"

        assert decode(data, label) == (text, True), label
        assert read_headers(header).subject == text, label


@pytest.mark.parametrize(("page", "codec"), [(65001, "utf_8"), (936, "gb18030"), (20866, "koi8_r"), (1252, "cp1252")])
def test_code_pages_by_number(page: int, codec: str) -> None:
    """Windows names charsets by numbers."""
    assert codec_of_page(page) == codec
    assert codec_of_page(99999) is None


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("charset=utf-8", "utf_8"),
        ("utf-8; format=flowed", "utf_8"),
        ("UTF8MB4", "utf_8"),
        ("cp00858", "cp858"),
        ("ibm-850", "cp850"),
        ("windows-65001", "utf_8"),
        ("x-mac-japanese", "cp932"),
        ("x-klingon", None),
        ("replacement", None),
    ],
)
def test_misspelt_labels(label: str, codec: str | None) -> None:
    """A label that is written in an unusual way means what it resembles; others are unknown."""
    found = codec_of(label)

    assert found == codec or (found, codec) == ("shift_jis", "cp932")


@pytest.mark.parametrize(
    "label",
    ["iso-8859-1", "windows-1252", "us-ascii", "iso-8859-15", "koi8-r", "windows-1251", "gb2312", "big5", "shift_jis"],
)
@pytest.mark.parametrize("text", ["Grüße aus München", "Привет, коллеги", "会議資料を送付します", "Dzień dobry, umowa"])
def test_utf8_with_another_label(text: str, label: str) -> None:
    """UTF-8 is recognised whatever its label says, in bodies and in headers, and that is reported."""
    raw = f"Content-Type: text/plain; charset={label}\n\n{text}".encode()
    body = read_text(raw, limit=1000)

    word = b"Subject: =?" + label.encode() + b"?b?" + b64encode(text.encode()) + b"?=\n\n"

    assert decode(text.encode(), label) == (text, False)
    assert read_headers(word).subject == text
    assert body.text == text
    assert [problem.code for problem in body.problems] == [ProblemCode.CHARSET]


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp1251", "Здравствуйте, коллеги, направляем договор"),
        ("koi8_r", "Здравствуйте, коллеги, направляем договор"),
        ("cp932", "会議資料をお送りします。ご確認ください"),
        ("euc_jp", "会議資料をお送りします。"),
        ("gb18030", "你好，请查收附件中的合同，谢谢"),
        ("big5", "您好，請查收附件中的合約，謝謝"),
        ("cp949", "안녕하세요 회의 자료를 보내드립니다"),
        ("cp1253", "Καλημέρα σας, σας στέλνω το τιμολόγιο"),
        ("cp1255", "שלום, מצורף החוזה לחתימה"),
        ("cp1256", "مرحبا، مرفق العقد للتوقيع"),
        ("cp874", "สวัสดีครับ ขอส่งเอกสารการประชุม"),
        ("cp1252", "Grüße aus München, die Straße ist gesperrt"),
        ("iso2022_jp", "会議資料をお送りします"),
    ],
)
@pytest.mark.parametrize("label", ["", "x-klingon", "unknown-8bit", "us-ascii", "utf-8", "iso-8859-1"])
def test_charsets_are_guessed(codec: str, text: str, label: str) -> None:
    """Text whose label is missing or impossible is read in the charset that it looks like, and that is reported."""
    head = f"Content-Type: text/plain; charset={label}\n\n" if label else "Subject: x\n\n"
    body = read_text(head.encode() + text.encode(codec) + b"\n\nRegards\n", limit=1000)

    assert body.text.splitlines()[0] == text
    if (codec, label) != ("cp1252", "iso-8859-1"):
        assert [problem.code for problem in body.problems] == [ProblemCode.CHARSET]


@pytest.mark.parametrize(
    ("data", "label", "expected"),
    [
        ("両方のメールを送付します".encode("euc_jp"), "iso-2022-jp", "両方のメールを送付します"),
        ("les fiancés sont arrivés hier".encode("cp1252"), "", "les fiancés sont arrivés hier"),
        ("Grüße aus München, das ist schön, über alles süß, Ärger, Ö".encode()[:-1], "iso-8859-1", None),
        ("Gr\x81\xe1e aus M\x81nchen".encode("latin-1"), "", "Grüße aus München"),
    ],
)
def test_guesses_that_went_wrong(data: bytes, label: str, expected: str | None) -> None:
    """Raw EUC under the label of ISO-2022-JP; charsets of DOS only if the bytes are where their letters are."""
    assert decode(data, label) == (data.decode(errors="replace") if expected is None else expected, False)


def test_raw_headers_are_guessed() -> None:
    """Header fields in raw 8-bit text are read in the charset that they look like."""
    raw = "Subject: Договор поставки оборудования\nFrom: Иван Петров <i@x.example>\n\n".encode("cp1251")
    headers = read_headers(raw)

    assert headers.subject == "Договор поставки оборудования"
    assert headers.sender == "Иван Петров <i@x.example>"


def test_other_parts_tell_the_charset() -> None:
    """A part without a charset is read in the one that the rest of the message names."""
    raw = (
        b"Subject: =?koi8-r?q?=F2?=\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n"
        + "Да".encode("koi8-r")
        + b"\n--b--\n"
    )

    assert read_text(raw, limit=100).text == "Да"


def test_plain_ascii_is_never_reported() -> None:
    """Bytes that mean the same in every charset are certain, also under labels that say nothing."""
    for label in ("us-ascii", "unknown-8bit", "x-user-defined", "iso-8859-1", "utf-16"):
        assert decode(b"plain text", label)[0] == "plain text"
    assert decode(b"plain text", "unknown-8bit") == ("plain text", True)


def test_iso_2022() -> None:
    """Half-width katakana and the vendors' characters are read; what is no ISO-2022 is not."""
    assert decode_jp(b"\x1b(I69\x1b(B \x1b$B-!\x1b(B") == "ｶｹ ①"
    assert decode_cn(b"no \x1bx") is None
    assert decode_jp(b"no \x1b#") is None


@pytest.mark.parametrize(
    "data", [b"\xe2" * 5_000_000, b"\x1b$B" * 1_000_000, b"~{" * 2_000_000, b"\x80\xff" * 2_000_000]
)
def test_guessing_takes_linear_time(data: bytes) -> None:
    """Megabytes that fit no charset are read within seconds of CPU time."""
    began = time.process_time()
    decode(data)

    assert time.process_time() - began < 20
