"""Generates realistic mailboxes: threads, newsletters, attachments, many charsets, broken mail, odd folder names.

The same seed produces the same bytes with the same Python version. Messages are assembled as text, because Python's
e-mail package refuses to write much of what occurs in real mail.
"""

from __future__ import annotations

import base64
import quopri
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from random import Random

from muniment.demo import texts
from muniment.demo.attachments import Attachment, generate_attachment

_FIRST_DAY = datetime(2016, 1, 4, 8, tzinfo=UTC)
_SPAN_SECONDS = 9 * 365 * 86_400
_ZONES = (-8, -5, 0, 0, 1, 1, 1, 2, 2, 5.5, 9)
_ANNOUNCEMENT_COUNT = 60  # messages that are the same in many mailboxes
_REMEMBERED_THREADS = 30
_OUTGOING = {"Sent", "Drafts"}


@dataclass(frozen=True)
class GeneratedMessage:
    """A message to store: its bytes, IMAP flags and keywords, and INTERNALDATE (in whole seconds)."""

    raw: bytes
    flags: tuple[str, ...]
    date: datetime


@dataclass(frozen=True)
class _Person:
    name: str
    address: str


@dataclass(frozen=True)
class _Thread:
    """The last message of a conversation."""

    topic: str
    ids: tuple[str, ...]
    text: str


def generate_addresses(count: int, domain: str = "example.com") -> list[str]:
    """Return `count` distinct mailbox addresses, the same on every call."""
    rng = Random("addresses")
    addresses: dict[str, None] = {}
    while len(addresses) < count:
        address = _person(rng, (domain,)).address
        if address in addresses:
            local, _, _ = address.partition("@")
            address = f"{local}{len(addresses)}@{domain}"
        addresses[address] = None
    return list(addresses)


def generate_mailbox(
    seed: int,
    messages: int,
    *,
    owner: str = "alice@example.com",
    attachments: float = 0.15,
    attachment_bytes: int = 40_000,
) -> dict[tuple[str, ...], list[GeneratedMessage]]:
    """Return a mailbox with exactly `messages` messages, by folder path; one folder is always empty.

    `attachments` is the share of messages with a file, `attachment_bytes` the mean size of a file. Mailboxes with
    different seeds have some identical messages (circulars).
    """
    rng = Random(f"mailbox {seed}")
    name = owner.partition("@")[0].replace(".", " ").title()
    author = _Author(rng, _Person(name, owner), attachments, attachment_bytes)
    paths = [*texts.USUAL_FOLDERS, *rng.sample(texts.ODD_FOLDERS, k=6)]
    folders: dict[tuple[str, ...], list[GeneratedMessage]] = {path: [] for path in paths}
    folders["Empty",] = []
    weights = [12, 6, 1, 2, 6, 6] + [2] * (len(paths) - len(texts.USUAL_FOLDERS))
    earlier: list[GeneratedMessage] = []
    for number in range(messages):
        # Start with one message per folder, so that small mailboxes contain all folders.
        path = paths[number] if number < len(paths) else rng.choices(paths, weights)[0]
        if path[0] in _OUTGOING:
            message = author.send(number / messages)
        elif earlier and rng.random() < 0.03:
            message = rng.choice(earlier)  # the same message in two folders
        else:
            message = author.receive(number / messages)
            earlier.append(message)
        folders[path].append(message)
    return folders


@dataclass
class _Author:
    """Writes the messages of one mailbox."""

    rng: Random
    owner: _Person
    attachments: float
    attachment_bytes: int
    threads: list[_Thread] = field(default_factory=list)

    def send(self, progress: float) -> GeneratedMessage:
        """Return a message from the owner, dated at about `progress` (0 to 1) of the mailbox's lifetime."""
        date = self._date(progress)
        return GeneratedMessage(self._letter(date, self.owner, self._stranger()), ("\\Seen",), date)

    def receive(self, progress: float) -> GeneratedMessage:
        """Return a message to the owner, dated at about `progress` (0 to 1) of the mailbox's lifetime."""
        rng = self.rng
        flags = self._flags()
        if rng.random() < 0.06:
            return _announcement(rng.randrange(_ANNOUNCEMENT_COUNT), flags)
        date = self._date(progress)
        make = rng.choices((self._received_letter, self._newsletter, self._foreign, self._broken), (62, 15, 12, 5))[0]
        return GeneratedMessage(make(date), flags, date + timedelta(seconds=rng.randrange(1, 90)))

    def _date(self, progress: float) -> datetime:
        # Most mail arrives in order of date; some is moved in later with an old date.
        share = progress if self.rng.random() < 0.9 else self.rng.random()
        return _FIRST_DAY + timedelta(seconds=int(share * _SPAN_SECONDS) + self.rng.randrange(86_400))

    def _flags(self) -> tuple[str, ...]:
        chances = {"\\Seen": 0.8, "\\Answered": 0.2, "\\Flagged": 0.05, "$Forwarded": 0.05, "\\Draft": 0.01}
        return tuple(flag for flag, chance in chances.items() if self.rng.random() < chance)

    def _received_letter(self, date: datetime) -> bytes:
        return self._letter(date, self._stranger(), self.owner)

    def _letter(self, date: datetime, sender: _Person, recipient: _Person) -> bytes:
        """Write a personal message: often a reply with a quotation, often with HTML, sometimes with attachments."""
        rng = self.rng
        message_id = _message_id(rng)
        answered = rng.choice(self.threads) if self.threads and rng.random() < 0.5 else None
        topic = answered.topic if answered else rng.choice(texts.TOPICS).format(number=rng.randrange(1000, 9999))
        text = "\n\n".join(rng.sample(texts.SENTENCES, k=rng.randint(1, 6)))
        quoted = "\n\n" + "\n".join(f"> {line}" for line in answered.text.splitlines()) if answered else ""
        self._remember(_Thread(topic, (*(answered.ids if answered else ())[-8:], message_id), text))
        headers = _headers(rng, date, message_id, sender, recipient, f"Re: {topic}" if answered else topic.capitalize())
        if answered:
            headers += [f"In-Reply-To: {answered.ids[-1]}", "References: " + "\r\n ".join(answered.ids)]
        body = f"{text}{quoted}\n\n-- \n{sender.name}\n"
        files = [self._file()] if rng.random() < self.attachments / 0.66 else []
        if files and rng.random() < 0.2:
            files.append(self._file())
        html = _html(topic, text) if rng.random() < 0.4 else None
        return _assemble(rng, headers, body, html, files)

    def _newsletter(self, date: datetime) -> bytes:
        rng = self.rng
        firm = rng.choice(texts.FIRMS)
        sender = _Person(firm, f"news@{rng.choice(texts.DOMAINS)}")
        lines = rng.sample(texts.HEADLINES, k=3)
        headers = _headers(rng, date, _message_id(rng), sender, self.owner, lines[0])
        headers += [f"List-Id: {_encoded_word(firm)} <news.example>", "List-Unsubscribe: <https://news.example/off>"]
        headers += ["Precedence: bulk", f"X-Campaign: {rng.randrange(10**9)}"]
        html = "".join(_html(line, " ".join(rng.choices(texts.SENTENCES, k=12))) for line in lines)
        return _assemble(rng, headers, "\n\n".join(lines) + "\n", html, [])

    def _foreign(self, date: datetime) -> bytes:
        """Write a message in one of many charsets, with the subject as encoded words or as raw 8-bit text."""
        rng = self.rng
        charset, subject, text = rng.choice(texts.FOREIGN)
        head = _lines(_headers(rng, date, _message_id(rng), self._stranger(), self.owner, ""))
        bare = rng.random() < 0.25 and charset != "iso-2022-jp"
        title = subject.encode(charset) if bare else _encoded_word(subject, charset, rng.choice("BQ")).encode()
        head = head.replace(b"Subject: \r\n", b"Subject: " + title + b"\r\n")
        content = (f"{text}\r\n" * rng.randint(1, 12)).encode(charset)
        encoding = rng.choice(("8bit", "base64", "quoted-printable"))
        kind = f'MIME-Version: 1.0\r\nContent-Type: text/plain; charset="{charset}"\r\n'
        return head + f"{kind}Content-Transfer-Encoding: {encoding}\r\n\r\n".encode() + _transfer(content, encoding)

    def _broken(self, date: datetime) -> bytes:
        """Write a message that violates the standards but that servers deliver nevertheless."""
        rng = self.rng
        good = _headers(rng, date, _message_id(rng), self._stranger(), self.owner, "Broken on purpose")
        rest = [line for line in good if not line.startswith("Date:")]
        text = "\n".join(rng.sample(texts.SENTENCES, k=3)).encode()
        flaws = (
            _lines([*rest, "Date: Thu, 32 Foo 2019 25:61:00 +9999"]) + b"\r\n" + text,
            _lines([*rest, "Date: yesterday"]) + b"\r\n" + text,
            _lines(rest) + b"\r\n" + text,  # no date at all
            _lines([*good, "Content-Type: multipart/mixed; boundary=never"]) + b"\r\n--other\r\n\r\n" + text,
            _lines([*good, "Content-Type: multipart/mixed"]) + b"\r\n" + text,
            _lines([*good, "Content-Type: text/plain; charset=no-such-charset"]) + b"\r\n\xff\xfe\x80" + text,
            _lines([*good, "Content-Transfer-Encoding: base64"]) + b"\r\n===not base64===\r\n",
            _lines([*good, "Subject: =?utf-8?B?broken", "Subject: twice"]) + b"\r\n" + text,
            _lines([*good, "To: undisclosed <", 'Cc: "never closed <a@b', "Message-ID: <>"]) + b"\r\n" + text,
            _lines(good).replace(b"\r\n", b"\n") + b"\n" + text,  # LF only
            _lines(good) + b"\r\n" + b"one long line " * 900,
            _lines(good),  # no body, not even the empty line
        )
        return rng.choice(flaws)

    def _stranger(self) -> _Person:
        return _person(self.rng, texts.DOMAINS)

    def _file(self) -> Attachment:
        # Exponential distribution: many small files, few large ones, at most twenty times the mean.
        size = min(self.rng.expovariate(1 / self.attachment_bytes), 20.0 * self.attachment_bytes)
        return generate_attachment(self.rng, int(size) + 200)

    def _remember(self, thread: _Thread) -> None:
        self.threads = [*self.threads[-_REMEMBERED_THREADS:], thread]


def _announcement(number: int, flags: tuple[str, ...]) -> GeneratedMessage:
    """Return a circular, with the same bytes for every recipient."""
    rng = Random(f"announcement {number}")
    date = _FIRST_DAY + timedelta(seconds=rng.randrange(_SPAN_SECONDS))
    sender = _Person("Internal News", "news@example.com")
    everybody = _Person("Everybody", "all@example.com")
    headers = _headers(rng, date, _message_id(rng), sender, everybody, rng.choice(texts.ANNOUNCEMENTS))
    text = "\n\n".join(rng.sample(texts.SENTENCES, k=4))
    return GeneratedMessage(_assemble(rng, headers, text, _html("News", text), []), flags, date)


def _person(rng: Random, domains: tuple[str, ...]) -> _Person:
    first, last = rng.choice(texts.FIRST_NAMES), rng.choice(texts.LAST_NAMES)
    plain = unicodedata.normalize("NFKD", f"{first}.{last}".lower().replace("ß", "ss").replace("ı", "i"))
    local = "".join(c for c in plain.replace("ø", "o") if c.isascii() and c != "'")
    return _Person(f"{first} {last}", f"{local}@{rng.choice(domains)}")


def _message_id(rng: Random) -> str:
    return f"<{rng.getrandbits(80):020x}@mail.example>"


def _headers(
    rng: Random, date: datetime, message_id: str, sender: _Person, recipient: _Person, subject: str
) -> list[str]:
    zone = timezone(timedelta(hours=rng.choice(_ZONES)))
    stamp = format_datetime(date.astimezone(zone))
    arrived = format_datetime(date + timedelta(seconds=rng.randrange(1, 60)))
    hop = f"mx{rng.randrange(1, 5)}.example.com"
    return [
        f"Return-Path: <{sender.address}>",
        f"Received: from relay.example ([192.0.2.{rng.randrange(1, 255)}])\r\n"
        f"\tby {hop} with ESMTPS id {rng.getrandbits(48):012x}\r\n\tfor <{recipient.address}>; {arrived}",
        f"From: {_encoded_word(sender.name)} <{sender.address}>",
        f"To: {_encoded_word(recipient.name)} <{recipient.address}>",
        f"Subject: {_encoded_word(subject)}",
        f"Date: {stamp}",
        f"Message-ID: {message_id}",
    ]


def _encoded_word(text: str, charset: str = "utf-8", encoding: str = "B") -> str:
    """Return `text` as folded RFC 2047 encoded words of at most 75 characters; plain ASCII unchanged."""
    if text.isascii():
        return text
    words = []
    for start in range(0, len(text), 10):
        data = text[start : start + 10].encode(charset)
        body = base64.b64encode(data).decode() if encoding == "B" else "".join(f"={byte:02X}" for byte in data)
        words.append(f"=?{charset}?{encoding}?{body}?=")
    return "\r\n ".join(words)


def _html(title: str, text: str) -> str:
    paragraphs = "".join(f"<p>{line}</p>\n" for line in text.splitlines() if line)
    return f"<html><body><h1>{title}</h1>\n{paragraphs}</body></html>\n"


def _assemble(rng: Random, headers: list[str], text: str, html: str | None, files: list[Attachment]) -> bytes:
    """Return a whole message: plain text, or multipart/alternative, within multipart/mixed when files come along."""
    part = _part("text/plain; charset=utf-8", text.replace("\n", "\r\n").encode(), "8bit")
    if html is not None:
        page = _part("text/html; charset=utf-8", html.replace("\n", "\r\n").encode(), "quoted-printable")
        part = _multipart(rng, "alternative", [part, page])
    if files:
        part = _multipart(rng, "mixed", [part, *(_file_part(file) for file in files)])
    return _lines(headers) + b"MIME-Version: 1.0\r\n" + part


def _part(content_type: str, content: bytes, encoding: str, extra: str = "") -> bytes:
    head = f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n{extra}\r\n"
    return head.encode() + _transfer(content, encoding)


def _file_part(file: Attachment) -> bytes:
    name = file.name if file.name.isascii() else _encoded_word(file.name).replace("\r\n ", " ")
    disposition = f'Content-Disposition: attachment; filename="{name}"\r\n'
    return _part(file.media_type, file.content, "base64", disposition)


def _multipart(rng: Random, kind: str, parts: list[bytes]) -> bytes:
    boundary = f"=_{rng.getrandbits(64):016x}"
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    return (
        f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode()
        + body
        + f"--{boundary}--\r\n".encode()
    )


def _transfer(content: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        return base64.encodebytes(content).replace(b"\n", b"\r\n")
    if encoding == "quoted-printable":
        # As text, with LF: quopri would encode a CR.
        return quopri.encodestring(content.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return content


def _lines(headers: list[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in headers).encode()
