"""Owners of messages: addresses in header fields, envelopes and journal reports, for any input."""

from __future__ import annotations

import quopri
from base64 import b64encode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from muniment.mail.addresses import addresses_in, forms_of
from muniment.mail.envelope import Envelope, owner_by_path, read_envelope
from muniment.mail.journal import read_report
from muniment.model.message import MemoryMessage, MessageSlice
from muniment.model.multidrop import ADDRESS_FIELDS, ENVELOPE_FIELDS, SENDER_FIELDS


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Bob <bob@Example.com>", ["bob@example.com"]),
        ('"Smith, A" <a.smith@x.org>, c@d.e (a comment, x@y.z)', ["a.smith@x.org", "c@d.e"]),
        ("addr@x.com via 1.2.3.4; Mon, 1 Jan 2024 00:00:00 +0000", ["addr@x.com"]),
        ("Group: a@b.c, d@e.f;", ["a@b.c", "d@e.f"]),
        ("undisclosed-recipients:;", []),
        ("<@relay.example,@other.example:user@dom.org>", ["user@dom.org"]),
        ('"john.doe"@x.com', ["john.doe@x.com"]),
        ('"john doe"@x.com', []),
        ("'x@y.com'", ["x@y.com"]),
        ("<>", []),
        ("=?utf-8?q?forged=40example.com?= <true@example.com>", ["true@example.com"]),
        ("user+tag@example.com.", ["user+tag@example.com"]),
        ("a@b.c,,, ;; d@e.f", ["a@b.c", "d@e.f"]),
        ("grüße@müller.de", ["grüße@müller.de"]),
        ("x" * 400 + "@example.com", []),
    ],
)
def test_addresses(value: str, expected: list[str]) -> None:
    """Names, comments, groups, routes and the unusual forms that mail servers write are parsed."""
    assert addresses_in(value) == expected


@given(st.text(alphabet=' ab@<>,;:"()\\.\0\n', max_size=200))
def test_any_text_has_addresses_or_none(value: str) -> None:
    """Any input is parsed without an error, and only addresses are returned."""
    for address in addresses_in(value):
        local, _, domain = address.rpartition("@")
        assert local
        assert domain
        assert not set(address) & set(" \0\n")
        # A quoted local part may contain the characters that separate addresses elsewhere (RFC 5322 §3.2.4).
        assert not set(domain) & set('<>,;:()"')


@given(st.lists(st.from_regex(r"[a-z][a-z0-9.+-]{0,10}@[a-z]{1,8}\.(com|org)", fullmatch=True), max_size=8))
def test_a_list_comes_back(addresses: list[str]) -> None:
    """Addresses that a mail program writes are found again, whatever the names are."""
    value = ", ".join(f'"Name, {n} \\" (of it)" <{address}>' for n, address in enumerate(addresses))
    assert addresses_in(value) == addresses


def test_forms() -> None:
    """A domain has a Unicode and an ASCII form, and an address a form without its tag."""
    assert forms_of("x+tag@müller.de") == [
        "x+tag@müller.de",
        "x+tag@xn--mller-kva.de",
        "x@müller.de",
        "x@xn--mller-kva.de",
    ]
    assert forms_of("x@xn--mller-kva.de") == ["x@xn--mller-kva.de", "x@müller.de"]
    assert forms_of("+@example.com") == ["+@example.com"]


def test_envelope_headers_and_all_others() -> None:
    """The result is the union of all trusted fields, in order and without duplicates."""
    head = (
        b"Return-Path: <bounce@example.com>\r\nDelivered-To: one@example.com\r\ndelivered-to: two@example.com\r\n"
        b"X-Envelope-To: three@example.com,\r\n four@example.com\r\nFrom: five@example.com\r\nTo: ONE@example.com\r\n"
        b"Subject: to: nobody@example.com\r\n\r\nTo: body@example.com\r\n"
    )
    found = read_envelope(head, senders=SENDER_FIELDS, recipients=ENVELOPE_FIELDS + ADDRESS_FIELDS)
    assert found.senders == ("bounce@example.com", "five@example.com")
    assert set(found.recipients) == {f"{n}@example.com" for n in ("one", "two", "three", "four")}
    assert len(found.recipients) == 4
    assert read_envelope(head, senders=(), recipients=("Cc",)) == Envelope()


@given(st.binary(max_size=400))
def test_any_bytes_have_an_envelope(head: bytes) -> None:
    """Any input is parsed without an error."""
    read_envelope(b"To: " + head, senders=SENDER_FIELDS, recipients=(*ENVELOPE_FIELDS, *ADDRESS_FIELDS, "Received"))


def test_paths() -> None:
    """A path in IceWarp's archive directory names the owner; other paths do not."""
    assert owner_by_path(("Example.com", "Ann", "Inbox", "2024-01")) == Envelope(recipients=("ann@example.com",))
    assert owner_by_path(("example.com", "ann", "Sent")) == Envelope(senders=("ann@example.com",))
    assert owner_by_path(("INBOX", "Work")) == Envelope()


def _report(inner: bytes, envelope: bytes, boundary: bytes, newline: bytes = b"\r\n") -> bytes:
    lines = [
        b"X-MS-Journal-Report:",
        b'Content-Type: multipart/mixed; boundary="%b"' % boundary,
        b"",
        b"--%b" % boundary,
        b"Content-Type: text/plain",
        b"",
        envelope,
        b"--%b" % boundary,
        b"Content-Type: message/rfc822",
        b"",
        inner,
        b"--%b--" % boundary,
        b"",
    ]
    return newline.join(lines)


@given(
    inner=st.binary(max_size=300),
    name=st.sampled_from(["To", "Cc", "Bcc", "Recipient", "BCC"]),
    newline=st.sampled_from([b"\r\n", b"\n"]),
)
def test_a_report_is_taken_apart_to_the_byte(inner: bytes, name: str, newline: bytes) -> None:
    """The original message is extracted unchanged, and together with the surrounding bytes it restores the report."""
    # Before a boundary, CR and LF together are the line end: such a CR cannot belong to the report's message.
    assume(newline == b"\r\n" or not inner.endswith(b"\r"))
    raw = _report(
        inner, f"Sender: a@x.org\nSubject: to: no@x.org\n{name}: b@x.org, Forwarded: c@x.org".encode(), b"_b_", newline
    )
    report = read_report(MemoryMessage(raw))
    assert report is not None
    taken = b"".join(report.inner.chunks(7))
    assert taken == inner
    assert report.inner.head(5) == inner[:5]
    assert report.before + taken + report.after == raw
    assert report.envelope == Envelope(("a@x.org",), ("b@x.org", "c@x.org"))


_STATED = "Sender: a@x.org\r\nSubject: sü\r\nTo: b@x.org,\r\n c@x.org\r\nBcc: d@x.org\r\nRecipient: e@x.org\r\n"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Content-Type: text/plain; charset=utf-8", _STATED.encode()),
        ("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64", b64encode(_STATED.encode())),
        (
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable",
            quopri.encodestring(_STATED.encode()).replace(b"@", b"=40"),
        ),
        ("Content-Type: text/html; charset=utf-8", _STATED.replace(",\r\n", ",").replace("\r\n", "<br>\r\n").encode()),
        (
            "Content-Type: multipart/alternative; boundary=in",
            b"--in\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + _STATED.encode() + b"\r\n--in--",
        ),
        ("Content-Type: text/plain; charset=us-ascii", _STATED.encode("cp1252")),
    ],
)
def test_the_envelope_in_any_encoding(head: str, body: bytes) -> None:
    """Nobody is left out because the envelope is folded, encoded, HTML, one of several forms, or wrongly labelled."""
    raw = _report(b"Subject: inner\r\n\r\nbody", body, b"_b_").replace(b"Content-Type: text/plain", head.encode(), 1)
    report = read_report(MemoryMessage(raw))

    assert report is not None
    assert report.envelope.senders == ("a@x.org",)
    assert set(report.envelope.recipients) == {"b@x.org", "c@x.org", "d@x.org", "e@x.org"}


def test_hidden_recipients() -> None:
    """Recipients that no field of the header names are hidden."""
    envelope = Envelope((), ("a@x.org", "b@x.org", "c@x.org"))
    seen = envelope.seen_beside(b"To: A <a@x.org>\nDelivered-To: c@x.org\n\nb@x.org")

    assert seen.hidden == ("b@x.org",)
    assert seen.joined(Envelope(hidden=("d@x.org",))).hidden == ("b@x.org", "d@x.org")


@given(data=st.data())
def test_any_bytes_are_a_report_or_none(data: st.DataObject) -> None:
    """Truncated, shuffled or overwritten reports cause no error, and any split report can be restored."""
    raw = bytearray(_report(b"Subject: x\r\n\r\nbody\r\n", b"Sender: a@x.org\r\nTo: b@x.org", b"_b_"))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 30))] = data.draw(
            st.sampled_from(
                [b"", b"\r\n", b"--_b_\r\n", b"--_b_--", b"\0", b"\xff" * 9, b"Content-Type: x", b"boundary=", b'"']
            )
        )
    report = read_report(MemoryMessage(bytes(raw)))
    if report is not None:
        assert report.before + b"".join(report.inner.chunks(64)) + report.after == bytes(raw)


@pytest.mark.parametrize(
    "change",
    [
        (b"X-MS-Journal-Report:", b"X-Other:"),
        (b"message/rfc822", b"text/plain"),
        (b"message/rfc822", b"message/rfc822\r\nContent-Transfer-Encoding: base64"),
        (b"multipart/mixed", b"text/plain"),
        (b"--_b_--", b""),
        (b"boundary=", b"bound="),
    ],
)
def test_what_is_no_report(change: tuple[bytes, bytes]) -> None:
    """A message without the header field, without a nested message, or with an encoded one is not split."""
    raw = _report(b"Subject: x\r\n\r\nbody", b"Sender: a@x.org", b"_b_")
    assert read_report(MemoryMessage(raw)) is not None
    assert read_report(MemoryMessage(raw.replace(*change))) is None


@given(st.binary(max_size=100), st.integers(0, 120), st.integers(0, 120), st.integers(1, 50))
def test_slices(data: bytes, start: int, size: int, step: int) -> None:
    """A slice of a message reads like the bytes that it represents."""
    expected = data[start : start + size]
    found = MessageSlice(MemoryMessage(data), start, len(expected))
    assert b"".join(found.chunks(step)) == expected
    assert all(len(chunk) == step for chunk in list(found.chunks(step))[:-1])
    assert found.head(step) == expected[:step]
