"""A correct server, which uses every form that IMAP allows and some that are merely seen in practice."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.fuzz.choices import Choices
from tests.fuzz.mailbox import MailFolder, Message

_ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
_QUOTABLE = re.compile(rb"[^\x00\r\n\x80-\xff]*")
_CAPABILITIES = [b"ESEARCH", b"LIST-STATUS", b"CONDSTORE", b"LITERAL+", b"SASL-IR", b"LITERAL-", b"X-Y", b"UIDPLUS"]
_OTHERS = [
    b"* OK Still here\r\n", b"* 1 RECENT\r\n", b"* FLAGS (\\Seen)\r\n", b"* OK [ALERT] {5}\r\n", b"* NO hm\r\n",
    b"* 9 FETCH (FLAGS (\\Seen))\r\n", b'* XTRA (a "b(" {3}\r\n)\r\n NIL)\r\n', b"*  OK wide\r\n", b"\r\n",
    b"* ok x\r\n", b"* 9 FETCH (UID 4294967295 FLAGS ())\r\n", b"* CAPABILITY_X y\r\n", b"* BAD {9}\r\n",
]  # fmt: skip
_EXTRAS = [
    b"MODSEQ (12345)", b'ENVELOPE ("d" "sad :(" NIL ((NIL NIL "a" "b")) NIL)', b'X-GM-LABELS ("\\\\Inbox" {4}\r\n(a)")',
    b"X-GM-MSGID 1278455344230334865", b'BODY[HEADER.FIELDS (SUBJECT)] "x"', b'BODYSTRUCTURE ("a" ("b" "c") NIL)',
    b"EMAILID (M1)", b"X NIL",
]  # fmt: skip


class TrueServer:
    """Answers command lines; every answer is a list of complete responses, the tagged one last.

    `odd`: in how many of 256 cases a rarer form is used.
    """

    def __init__(self, c: Choices, folders: list[MailFolder]) -> None:
        self.folders = folders
        self.selected: MailFolder | None = None
        self._c = c
        self._odd = c.pick([0, 8, 24, 64])
        self.offers = [name for name in _CAPABILITIES if c.chance(128)]
        self.delimiter = c.pick([b'"/"', b'"."', b"NIL"])

    # -- answers ----------------------------------------------------------------------------------

    def greeting(self) -> bytes:
        """Return the greeting."""
        return b"* OK [CAPABILITY %b] hello\r\n" % self._capabilities() if self._c.chance(128) else b"* OK hello\r\n"

    def answer(self, tag: bytes, name: bytes, words: bytes) -> list[bytes]:
        """Return the responses to a command; `name` is in upper case, with its UID prefix."""
        responses = [*self._untagged(name, words)]
        if self._odd:
            for _ in range(self._c.below(3)):
                responses.insert(self._c.below(len(responses) + 1), self._c.pick(_OTHERS))
        return [*responses, self._tagged(tag, name)]

    def _untagged(self, name: bytes, words: bytes) -> Iterator[bytes]:
        if name == b"CAPABILITY":
            yield b"* CAPABILITY %b\r\n" % self._capabilities()
        elif name == b"LOGOUT":
            yield b"* BYE see you\r\n"
        elif name == b"LIST":
            yield from self._list(with_status=b"RETURN" in words)
        elif name == b"STATUS":
            yield self._status(self._named(words), modseq=b"HIGHESTMODSEQ" in words)
        elif name == b"EXAMINE":
            self.selected = self._named(words)
            yield from self._examine(self.selected)
        elif name == b"UID SEARCH":
            yield from self._search(words)
        elif name.endswith(b"FETCH"):
            yield from self._fetch(words, by_uid=name.startswith(b"UID"))

    def _tagged(self, tag: bytes, name: bytes) -> bytes:
        if name in {b"LOGIN", b"AUTHENTICATE"} and self._c.chance(128):
            return b"%b OK [CAPABILITY %b] in\r\n" % (tag, self._capabilities())
        return tag + self._c.pick([b" OK done\r\n", b" OK [READ-ONLY] x\r\n", b" ok done {5}\r\n", b" OK\r\n"])

    def _capabilities(self) -> bytes:
        return b" ".join([b"IMAP4rev1", b"AUTH=PLAIN", *self.offers])

    # -- folders ----------------------------------------------------------------------------------

    def _list(self, *, with_status: bool) -> Iterator[bytes]:
        responses = []
        for folder in self.folders:
            attributes = self._c.pick([b"\\HasNoChildren", b"", b"\\Marked \\HasChildren", b"\\Sent"])
            responses.append(b"* LIST (%b) %b %b\r\n" % (attributes, self.delimiter, self._astring(folder.name)))
            if with_status:
                responses.append(self._status(folder, modseq=b"CONDSTORE" in self.offers))
        if self._odd:
            self._c.shuffle(responses)
        yield from responses
        if self._strange():
            yield b'* LIST (\\Noselect) "/" "not a folder"\r\n'

    def _status(self, folder: MailFolder, *, modseq: bool) -> bytes:
        items = [
            b"UIDVALIDITY %d" % folder.uidvalidity,
            b"UIDNEXT %d" % folder.uidnext,
            b"MESSAGES %d" % len(folder.messages),
        ]
        if modseq:
            items.append(b"HIGHESTMODSEQ 77")
        if self._odd:
            self._c.shuffle(items)
        return b"* STATUS %b (%b)\r\n" % (self._astring(folder.name), b" ".join(items))

    def _examine(self, folder: MailFolder) -> Iterator[bytes]:
        responses = [
            b"* %d EXISTS\r\n" % len(folder.messages),
            b"* OK [UIDVALIDITY %d] fixed\r\n" % folder.uidvalidity,
            b"* OK [UIDNEXT %d] next\r\n" % folder.uidnext,
        ]
        if self._odd:
            self._c.shuffle(responses)
        yield from responses

    def _named(self, words: bytes) -> MailFolder:
        word = words
        if words.startswith(b'"'):
            word = re.sub(rb"\\(.)", rb"\1", words[1 : re.match(rb'"(?:[^"\\]|\\.)*', words, re.DOTALL).end()])  # type: ignore[union-attr]
        elif words.startswith(b"{"):
            size, _, rest = words[1:].partition(b"}\r\n")
            word = rest[: int(size.rstrip(b"+"))]
        else:
            word = words.split(b" ")[0]
        # A client that was lied to may request what does not exist.
        return next((folder for folder in self.folders if folder.name == word), self.folders[0])

    # -- messages ---------------------------------------------------------------------------------

    def _search(self, words: bytes) -> Iterator[bytes]:
        assert self.selected is not None
        wanted = words.removeprefix(b"RETURN (ALL) ")
        uids = [m.uid for m in self.selected.messages]
        if wanted.startswith(b"UID "):
            uids = [m.uid for _, m in self._in_set(wanted[4:], by_uid=True)]
        if words.startswith(b"RETURN") and not self._strange():
            tail = b" ALL " + self._set(uids) if uids else b""
            yield self._c.pick([b'* ESEARCH (TAG "x") UID%b\r\n', b"* ESEARCH UID COUNT 3%b\r\n"]) % tail
        elif self._strange():
            self._c.shuffle(uids)
            half = self._c.below(len(uids) + 1)
            yield b"* SEARCH%b\r\n" % b"".join(b" %d" % uid for uid in uids[:half])
            yield b"* SEARCH%b (MODSEQ 9)\r\n" % b"".join(b" %d" % uid for uid in uids[half:])
        else:
            yield b"* SEARCH%b\r\n" % b"".join(b" %d" % uid for uid in uids)

    def _set(self, uids: list[int]) -> bytes:
        ranges: list[list[int]] = []
        for uid in uids:
            if ranges and uid == ranges[-1][1] + 1:
                ranges[-1][1] = uid
            else:
                ranges.append([uid, uid])
        if self._odd:
            self._c.shuffle(ranges)
        forms = [b"%d" % a if a == b else b"%d:%d" % ((b, a) if self._strange() else (a, b)) for a, b in ranges]
        return b",".join(forms)

    def _fetch(self, words: bytes, *, by_uid: bool) -> Iterator[bytes]:
        sequence_set, _, items = words.partition(b" ")
        messages = self._in_set(sequence_set, by_uid=by_uid)
        if self._strange():
            self._c.shuffle(messages)
        for number, message in messages:
            if items == b"(UID)":
                yield b"* %d FETCH (UID %d)\r\n" % (number, message.uid)
            elif items == b"(RFC822.SIZE)":
                yield self._response(number, [b"UID %d" % message.uid, b"RFC822.SIZE %d" % len(message.content)])
            elif items.startswith(b"(FLAGS)"):
                yield self._response(number, self._flags(message))
            elif b"HEADER.FIELDS" in items:
                yield self._response(number, self._header(message))
            elif b"<0.1>" in items:
                first = self._string(message.content[:1])
                yield self._response(number, [b"UID %d" % message.uid, b"BODY[]<0> " + first])
            else:
                yield from self._whole(number, message)

    def _flags(self, message: Message) -> list[bytes]:
        items = [b"UID %d" % message.uid, b"FLAGS (%b)" % b" ".join(message.flags)]
        if b"CONDSTORE" in self.offers or self._strange():
            items.append(b"MODSEQ (77)")
        if self._strange():
            self._c.shuffle(items)
        return items

    def _header(self, message: Message) -> list[bytes]:
        line, end, _ = message.content.partition(b"\r\n")
        return [
            b"UID %d" % message.uid,
            b'INTERNALDATE "%b"' % message.date,
            b"BODY[HEADER.FIELDS (MESSAGE-ID)] " + self._string(line + end),
        ]

    def _whole(self, number: int, message: Message) -> Iterator[bytes]:
        uid = b"UID %d" % message.uid
        facts = [
            b"FLAGS (%b)" % b" ".join(message.flags),
            b'INTERNALDATE "%b"' % message.date,
            b"RFC822.SIZE %d" % len(message.content),
        ]
        early: list[bytes] = []
        if self._strange():
            early, facts = facts, []
            yield self._response(number, [uid, *early])
        items = [uid, *facts, b"BODY[] " + self._string(message.content)]
        if self._strange():
            items.insert(self._c.below(len(items) + 1), self._c.pick(_EXTRAS))
        if self._strange():
            self._c.shuffle(items)
        yield self._response(number, items)
        if self._strange():
            yield b"* %d FETCH (UID %d FLAGS (later))\r\n" % (number, message.uid)
        if self._strange():
            yield b"* %d FETCH (UID %d BODY[] {5}\r\nagain)\r\n" % (number, message.uid)

    def _response(self, number: int, items: list[bytes]) -> bytes:
        if not self._odd:
            return b"* %d FETCH (%b)\r\n" % (number, b" ".join(items))
        gap = b"  " if self._strange() else b" "
        start = self._c.pick([b"* ", b"* ", b"*  "]) if self._strange() else b"* "
        word = b"fetch" if self._strange() else b"FETCH"
        end = b" )\r\n" if self._strange() else b")\r\n"
        if items[-1].endswith(b"\r\n"):
            end = b")\r\n"
        return b"%b%d %b (%b%b" % (start, number, word, gap.join(items), end)

    def _in_set(self, text: bytes, *, by_uid: bool) -> list[tuple[int, Message]]:
        assert self.selected is not None
        found = list(enumerate(self.selected.messages, 1))
        ranges = []
        top = found[-1][1].uid if by_uid and found else len(found)
        for part in text.split(b","):
            low, _, high = part.partition(b":")
            first, last = (top if end == b"*" else int(end) for end in (low, high or low))
            ranges.append((min(first, last), max(first, last)))
        return [(n, m) for n, m in found if any(a <= (m.uid if by_uid else n) <= b for a, b in ranges)]

    # -- words ------------------------------------------------------------------------------------

    def _strange(self) -> bool:
        return self._odd > 0 and self._c.chance(self._odd)

    def _astring(self, value: bytes) -> bytes:
        if _ATOM.fullmatch(value) and self._strange():
            return value
        return self._string(value, quotes=True)

    def _string(self, value: bytes, *, quotes: bool = False) -> bytes:
        """Write a string as a literal in one of its forms, or quoted."""
        if quotes != self._strange() and _QUOTABLE.fullmatch(value):
            return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
        if not self._strange():
            return b"{%d}\r\n%b" % (len(value), value)
        form = self._c.pick([b"~{%d}\r\n%b", b"{%d+}\r\n%b", b"{%05d}\r\n%b", b"{%d}\r\n%b\r\n"])
        # An extra empty line is only skipped after a literal of a FETCH.
        return (form if not quotes else b"~{%d}\r\n%b") % (len(value), value)
