"""Substitutes: what servers deliver in place of messages is recognised, and mail that quotes it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from muniment.errors import Misconfigured
from muniment.mail.headers import read_headers
from muniment.mail.substitutes import load_patterns

SUBJECT = "Retrieval using the IMAP4 protocol failed for the following message: 205"
TEXT = (
    'The server couldn\'t retrieve the following message:\r\n\r\nSubject: "Minutes"\r\nFrom: "Anna"\r\n\r\n'
    "The message hasn't been deleted. You might be able to view it using either Outlook or Outlook Web App.\r\n"
)
SENT = "Received: from a by b; Wed, 17 Jul 2024 02:44:25 -0700\r\nMessage-ID: <1@example.com>\r\n"


def _mail(sender: str, subject: str, body: str, more: str = "") -> bytes:
    return f"{more}MIME-Version: 1.0\r\nFrom: {sender}\r\nSubject: {subject}\r\n\r\n{body}".encode()


def _found(raw: bytes, path: Path | None = None) -> bool | None:
    """Return whether a message certainly is a substitute; None: it is ordinary."""
    found = load_patterns(path).find(raw, read_headers(raw))
    return None if found is None else found.is_certain


CERTAIN = {
    "of today": _mail("Microsoft Exchange Server", SUBJECT, TEXT),
    "of 2010, folded": _mail("Microsoft Exchange Server 2010", SUBJECT.replace("following", "following\r\n"), TEXT),
    "POP3": _mail("Microsoft Exchange Server", SUBJECT.replace("IMAP4", "POP3"), TEXT),
    "with an address": _mail('"Microsoft Exchange Server" <exchange@example.com>', SUBJECT, TEXT, SENT),
    "without a body": _mail("Microsoft Exchange Server", SUBJECT, ""),
    "another subject": _mail("Microsoft Exchange Server", "A problem", TEXT),
    "another sender": _mail("Le serveur", SUBJECT, TEXT),
    "in German": _mail(
        "Microsoft Exchange Server", "Fehler beim Abruf mit dem IMAP4-Protokoll: 7", "Der Server konnte nicht\r\n"
    ),
    "encoded words": _mail(
        "=?utf-8?q?Microsoft_Exchange_Server?=",
        "=?utf-8?q?Retrieval_using_the_IMAP4_protocol_failed_for_the?= =?utf-8?q?_following_message=3A_5?=",
        "",
    ),
    "a typographic apostrophe": _mail("Microsoft Exchange Server", "?", TEXT.replace("'", "\u2019")),
    "HTML": b"Content-Type: text/html; charset=utf-8\r\n"
    + _mail("Microsoft Exchange", "?", f"<html><head><style>p {{}}</style></head><p>{TEXT}</p></html>"),
    "multipart": b'Content-Type: multipart/alternative; boundary="b"\r\n'
    + _mail("Microsoft Exchange", "?", f"--b\r\nContent-Type: text/plain\r\n\r\n{TEXT}\r\n--b--\r\n"),
    "quoted-printable": b"Content-Transfer-Encoding: quoted-printable\r\n"
    + _mail("Microsoft Exchange", "?", "The server couldn=27t retrieve the fol=\r\nlowing message:\r\n"),
}  # fmt: skip

DOUBTFUL = {
    "redirected": _mail("Anna <anna@example.com>", SUBJECT, TEXT, SENT),
    "a copy without a body": _mail("Anna <anna@example.com>", SUBJECT, ""),
    "Enterprise Vault": _mail("a@example.com", "Minutes", "…", "X-MS-Class: IPM.Note.EnterpriseVault.Shortcut\r\n"),
    "UW IMAP": _mail(
        "Mail System Internal Data <MAILER-DAEMON@example.com>",
        "DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA",
        "This text is part of the internal format of your mail folder.",
    ),
}

ORDINARY = {
    "a reply": _mail("Anna <anna@example.com>", f"Re: {SUBJECT}", f"> {TEXT}", SENT),
    "forwarded": _mail("Anna <anna@example.com>", f"Fwd: {SUBJECT}", f"What is this?\r\n{TEXT}", SENT),
    "the same subject": _mail("Anna <anna@example.com>", SUBJECT, "Hello, what does the subject mean?", SENT),
    "about it": _mail("Anna <anna@example.com>", "Trouble", TEXT, SENT),
    "a report of Exchange": _mail("Microsoft Exchange <x@example.com>", "Undeliverable: hello", "It failed.", SENT),
    "about the product": _mail("Microsoft Exchange Server Team <x@example.com>", "IMAP4 is news", "Read on.", SENT),
    "about shortcuts": _mail("a@example.com", "IPM.Note.EnterpriseVault.Shortcut", "?", SENT),
}


@pytest.mark.parametrize("case", CERTAIN)
def test_a_substitute(case: str) -> None:
    """What the server wrote itself is recognised, whatever its version and form."""
    assert _found(CERTAIN[case]) is True


@pytest.mark.parametrize("case", DOUBTFUL)
def test_what_may_be_one(case: str) -> None:
    """What may be a substitute, or all that there is, is told apart from those that stand for another message."""
    assert _found(DOUBTFUL[case]) is False


@pytest.mark.parametrize("case", ORDINARY)
def test_ordinary_mail(case: str) -> None:
    """Mail that quotes a substitute or speaks about one is ordinary."""
    assert _found(ORDINARY[case]) is None


def test_patterns_of_a_file(tmp_path: Path) -> None:
    """An administrator adds patterns, with alternatives and wildcards; the shipped ones stay."""
    path = tmp_path / "substitutes.toml"
    path.write_text(
        '[[substitute]]\nname = "gateway"\nsender = ["Old Gateway*", "New Gateway*"]\n'
        'body = "*not * available*"\nheader = "X-Gateway: error*"\n'
    )
    raw = _mail(
        "New  GATEWAY 7 <g@example.com>", "x", "Sorry, it is not at all\r\navailable now", "X-GATEWAY: Error 5\r\n"
    )

    assert _found(raw, path) is True
    assert _found(raw.replace(b"Error 5", b"fine"), path) is None
    assert _found(raw.replace(b"available", b"here"), path) is None
    assert _found(CERTAIN["of today"], path) is True


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[substitute]]\nname = 'x'\nbody = 'hello'", "needs a sender, a subject or a header"),
        ("[[substitute]]\nsubject = 'x'", "has no name"),
        ("[[substitute]]\nname = 'x'\nsubject = '*'", "not only \\*"),
        ("[[substitute]]\nname = 'x'\nsubjct = 'hello'", "subjct is not one of"),
        ("[[substitute]]\nname = 'x'\nsubject = 'a'\ncertain = 'no'", "true or false"),
        ("[substitute]\nname = 'x'", "a list of"),
        ("nonsense", "not a list of patterns"),
    ],
)
def test_a_file_that_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    """The error names what is wrong with a file."""
    path = tmp_path / "substitutes.toml"
    path.write_text(text)

    with pytest.raises(Misconfigured, match=says):
        load_patterns(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A file that cannot be read is an error: without its patterns, originals could be deleted."""
    with pytest.raises(Misconfigured, match="cannot be read"):
        load_patterns(tmp_path / "missing.toml")
