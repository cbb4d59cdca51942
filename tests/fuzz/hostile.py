"""A server that lies, repeats, stops and floods: mutations of correct responses."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.fuzz.choices import Choices
from tests.fuzz.virtual import End, Send

_NUMBER = re.compile(rb"\d+")
_UID = re.compile(rb"UID \d+")
_LITERAL = re.compile(rb"\{(\d+)\+?\}\r\n")
_NUMBERS = [
    b"0", b"1", b"2", b"-1", b"4294967295", b"4294967296", b"18446744073709551616", b"9" * 19, b"9" * 20, b"9" * 5000,
    b"0" * 300 + b"1", b"1e9", b"0x10", b"\xb2", b"1.5", b"65536", b"70000",
]  # fmt: skip
_SIZES = [b"0", b"1", b"3", b"10", b"100", b"5000", b"7000", b"20000000", b"1099511627776", b"1099511627777", b"9" * 25]
_PIECES = [
    b"(", b")", b'"', b"\\", b"\0", b"\r", b"\n", b"\r\n", b"{3}\r\n", b"{0}\r\n", b"{99999999999}\r\n", b"\xff", b"[",
    b"]", b"NIL", b" ", b"{", b"}", b"BODY[] ", b"UID 1 ", b"UID 2", b"* ", b"~", b"<0>", b"(" * 70, b"(" * 3000,
    b")" * 70, b'"' * 9, b" " * 2000, b"\\" * 500, b"BODY[" * 40, b"FETCH", b"BODY[] {4}\r\nevil", b"1:4294967295",
    b"1,2,3,", b"\t", b"A" * 3000, b"[x" * 50, b"BODY[] NIL", b'BODY[] "q"', b"BODY[] (a)", b"FLAGS NIL ",
    b"INTERNALDATE NIL ", b"* BYE x",
]  # fmt: skip
_JUNK = [
    b"* BYE [UNAVAILABLE] tired\r\n", b"* BYE\r\n", b"+ go on\r\n", b"+\r\n", b"* PREAUTH hi\r\n", b"* BAD what\r\n",
    b"*\r\n", b"* \r\n", b"\r\n\r\n\r\n", b"\n", b"hello\r\n", b"A1 OK\r\n", b"* 4294967295 EXISTS\r\n",
    b"* 0 EXISTS\r\n", b"* 5 EXPUNGE\r\n", b"* 99999999999999999999999 EXISTS\r\n", b"* -1 EXISTS\r\n",
    b"* 1 FETCH\r\n", b"* 1 FETCH (\r\n", b"* 1 FETCH ()\r\n", b"* 1 FETCH (UID)\r\n",
    b"* 1 FETCH (UID 1 BODY[] NIL)\r\n", b'* 1 FETCH (UID 1 BODY[] "")\r\n', b"* SEARCH x\r\n",
    b"* 1 FETCH (UID 1 BODY[] {4}\r\nevil)\r\n", b"* 2 FETCH (BODY[] {4}\r\nevil UID 2)\r\n", b"* SEARCH 0\r\n",
    b"* SEARCH\r\n", b"* 1 FETCH (UID 1 BODY[] {4}\r\nevil BODY[] {4}\r\nmore)\r\n",
    b"* 1 FETCH (BODY[] {4}\r\nevil)\r\n", b"* ESEARCH\r\n", b"* ESEARCH UID ALL 1:4294967295\r\n",
    b"* ESEARCH UID ALL 1,,2\r\n", b"* ESEARCH UID ALL *\r\n", b"* ESEARCH (\r\n", b"* ESEARCH UID ALL 1:2000000\r\n",
    b"* LIST\r\n", b"* LIST () NIL NIL\r\n", b'* LIST () "" ""\r\n', b"* LIST () / {1}\r\n/\r\n", b"* STATUS\r\n",
    b"* STATUS INBOX (UIDNEXT x)\r\n", b'* LIST () "//" a//b\r\n', b"* LIST (((((()))))) NIL x\r\n",
    b"* STATUS (a) (b)\r\n", b"* OK [UIDVALIDITY 99999999999999999999] x\r\n", b"* OK [UIDNEXT 0] x\r\n",
    b"* CAPABILITY\r\n", b"* CAPABILITY LOGINDISABLED\r\n", b"* OK [CAPABILITY \xff\xfe ESEARCH] x\r\n", b"* OK [\r\n",
    b"* OK " + b"[x" * 300 + b"\r\n", b"* 1 FETCH (UID 1 FLAGS (\0\x07 \\Seen))\r\n",
    b"* 1 FETCH (UID 1 UID 2 BODY[] {4}\r\nevil)\r\n", b'* 1 FETCH (UID "1" BODY[] {4}\r\nevil)\r\n',
    b"* 1 FETCH (UID (1) BODY[] {4}\r\nevil)\r\n", b"* 1 FETCH (UID 01 BODY[] {4}\r\nevil)\r\n",
    b"* 1 FETCH (UID {1}\r\n1 BODY[] {4}\r\nevil)\r\n", b"* 1 FETCH (UID 1 BODY[]<0> {4}\r\nevil)\r\n",
    b"* 1 FETCH (UID 1 RFC822 {4}\r\nevil)\r\n", b'* 1 FETCH (UID 1 X "BODY[] {4}\r\nevil)\r\n',
    b"* 1 FETCH (UID 1 X (BODY[] {4}\r\nevil))\r\n", b"* 1 FETCH (UID 1 BODY[] {1099511627776}\r\n",
    b"* 1 FETCH (UID 1 BODY[] {99999999999999}\r\n", b"* X {20000000}\r\n", b"* LIST BODY[] {3}\r\nabc\r\n",
    b"* SEARCH BODY[] {4}\r\nevil\r\n", b"* STATUS x BODY[] {4000}\r\n" + b"s" * 4000 + b"\r\n", b"* OK BODY[] {3}\r\n",
    b"A1 OK BODY[] {3}\r\n", b"+ {3}\r\n", b"* LIST () NIL {0}\r\n\r\n", b"* 1 2 3 FETCH (UID 1)\r\n",
]  # fmt: skip
_TAGGED = [
    b"NO sorry", b"BAD what", b"NO [LIMIT] slower", b"NO [UNAVAILABLE] try again later", b"NO [SERVERBUG] x",
    b"BAD [INUSE] busy", b"NO [EXPUNGEISSUED] gone", b"NO [AUTHENTICATIONFAILED] no", b"NO [PRIVACYREQUIRED] tls",
    b"NO too many connections", b"OK [CAPABILITY] nothing", b"OK [CAPABILITY LOGINDISABLED AUTH=X] x",
    b"NO [\xff\xfe] \xff", b"OKAY fine", b"", b"PREAUTH x", b"NO" + b" x" * 9000, b"BAD {4}", b"NO [ALERT] rate limit",
    b"NO Temporary failure", b"ok", b"NO [x" * 200,
]  # fmt: skip
_FLOOD = 64 * 1024


class Hostility:
    """Mutates the responses of one dialogue: from the `first` command on, in this many of 256 cases."""

    def __init__(self, c: Choices, secrets: tuple[bytes, ...]) -> None:
        self._c = c
        self._first = c.below(14)
        self._rate = c.pick([32, 96, 200])
        self._secrets = secrets
        self._answers = 0
        self._sent: list[bytes] = []
        #: Whether the client has sent its password.
        self.knows_secret = False
        #: Kinds of mutations, for the report.
        self.done: list[str] = []

    def changed(self, responses: list[bytes], tag: bytes) -> tuple[list[bytes], list[Send | End]]:
        """Return the mutated `responses`, and what follows them."""
        self._answers += 1
        trailing: list[Send | End] = []
        if self._answers > self._first and self._c.chance(self._rate):
            for _ in range(1 + self._c.below(3)):
                kind = self._c.below(len(_MUTATIONS))
                name, mutate = _MUTATIONS[kind]
                self.done.append(name)
                mutate(self, responses, tag)
            if self._c.chance(40):
                self.done.append("end or flood")
                trailing = self._end(responses)
        self._sent += responses[:3]
        return responses, trailing

    def _some(self, responses: list[bytes]) -> int:
        return self._c.below(len(responses)) if responses else 0

    def drop(self, responses: list[bytes], _: bytes) -> None:
        """Drop a response, the tagged one as likely as any other."""
        if responses:
            del responses[self._some(responses)]

    def repeat(self, responses: list[bytes], _: bytes) -> None:
        """Send a response twice."""
        if responses:
            responses.insert(self._some(responses), responses[self._some(responses)])

    def old(self, responses: list[bytes], _: bytes) -> None:
        """Repeat the response to an earlier command, including its tag."""
        if self._sent:
            responses.insert(self._some(responses), self._c.pick(self._sent))

    def junk(self, responses: list[bytes], _: bytes) -> None:
        """Send an unsolicited response."""
        responses.insert(self._c.below(len(responses) + 1), self._c.pick(_JUNK))

    def number(self, responses: list[bytes], _: bytes) -> None:
        """Change a number."""
        self._replace(responses, _NUMBER, lambda _: self._c.pick(_NUMBERS))

    def size(self, responses: list[bytes], _: bytes) -> None:
        """Send a wrong literal length."""

        def lie(match: re.Match[bytes]) -> bytes:
            true = int(match[1])
            size = b"%d" % max(0, true - 3 + self._c.below(7)) if self._c.chance(128) else self._c.pick(_SIZES)
            return b"{%b}\r\n" % size

        self._replace(responses, _LITERAL, lie)

    def uid(self, responses: list[bytes], _: bytes) -> None:
        """Change a UID, or remove it."""
        self._replace(
            responses, _UID, lambda _: self._c.pick([b"UID 1", b"X 1", b"UID 2", b"UID NIL", b"UID", b"UID 0"])
        )

    def piece(self, responses: list[bytes], _: bytes) -> None:
        """Insert bytes in the middle."""
        self._edit(responses, lambda text, at: text[:at] + self._c.pick(_PIECES) + text[at:])

    def cut(self, responses: list[bytes], _: bytes) -> None:
        """Truncate a response."""
        self._edit(responses, lambda text, at: text[:at])

    def hole(self, responses: list[bytes], _: bytes) -> None:
        """Remove some bytes."""
        self._edit(responses, lambda text, at: text[:at] + text[at + 1 + self._c.below(8) :])

    def flip(self, responses: list[bytes], _: bytes) -> None:
        """Change bytes."""
        self._edit(responses, lambda text, at: text[:at] + self._c.octets(1 + self._c.below(3)) + text[at + 1 :])

    def line_end(self, responses: list[bytes], _: bytes) -> None:
        """Change a line ending."""
        end = self._c.pick([b"\n", b"\r", b"\r\r\n", b"\n\r", b"", b"\r\n\r\n", b"\0\r\n"])
        self._edit(responses, lambda text, _: text.removesuffix(b"\r\n") + end)

    def splice(self, responses: list[bytes], _: bytes) -> None:
        """Join the beginning of a response with the end of another."""
        if len(responses) > 1:
            other = self._c.pick(responses)
            self._edit(responses, lambda text, at: text[:at] + other[min(at, len(other)) :])

    def refuse(self, responses: list[bytes], tag: bytes) -> None:
        """Send another result instead of OK."""
        self.drop(responses, tag)
        responses.append(tag + b" " + self._c.pick(_TAGGED) + b"\r\n")

    def early(self, responses: list[bytes], _: bytes) -> None:
        """Send the tagged response before everything else."""
        if responses:
            responses.insert(0, responses.pop())

    def echo(self, responses: list[bytes], _: bytes) -> None:
        """Echo a secret of the login."""
        if not self.knows_secret:
            return
        form = self._c.pick(
            [b"* OK %b\r\n", b"* BYE %b\r\n", b"* NO [%b] x\r\n", b"%b\r\n", b"* LIST %b\r\n", b"* CAPABILITY %b\r\n"]
        )
        responses.insert(self._c.below(len(responses) + 1), form % self._c.pick(self._secrets))

    def _replace(self, responses: list[bytes], what: re.Pattern[bytes], by: Callable[[re.Match[bytes]], bytes]) -> None:
        if not responses:
            return
        at = self._some(responses)
        matches = list(what.finditer(responses[at], 0, 2000))
        if matches:
            match = matches[self._c.below(min(len(matches), 256))]
            responses[at] = responses[at][: match.start()] + by(match) + responses[at][match.end() :]

    def _edit(self, responses: list[bytes], change: Callable[[bytes, int], bytes]) -> None:
        if responses:
            at = self._some(responses)
            text = responses[at]
            responses[at] = change(text, self._c.below(len(text)) if text else 0)

    def _end(self, responses: list[bytes]) -> list[Send | End]:
        """Return what follows the response: a disconnect, silence, an endless trickle, or a flood."""
        kind = self._c.below(256)
        if 130 <= kind < 134:  # not for 0x00 and 0xFF, which a guided fuzzer prefers: this takes long
            return self._flood(responses)
        if kind < 60:
            return [End(self._c.pick([None, ConnectionResetError(104, "reset"), OSError(113, "no route")]))]
        if kind < 110:
            del responses[-1:]  # silence
            return []
        if kind < 200:
            del responses[-1:]
            drip = self._c.pick(
                [b"* OK Still here\r\n", b"x", b"* 5 EXISTS\r\n", b"\r\n", b"* 1 FETCH (FLAGS ())\r\n", b"+ x\r\n"]
            )
            start = self._c.pick([b"", b"* 1 FETCH (UID 1 BODY[] {900000}\r\n", b"* SEARCH ", b"* X {7000}\r\n"])
            return [Send(start or b"* OK\r\n"), Send(drip, self._c.pick([1.0, 3.0, 9.5]), 1_000_000, idle=True)]
        return [Send(b"* OK slow\r\n", self._c.pick([1.0, 9.0, 11.0, 200.0]))]

    def _flood(self, responses: list[bytes]) -> list[Send | End]:
        del responses[-1:]
        start, flood = self._c.pick(_FLOODS)
        # An endless line must reach its limit; complete responses only cost time.
        times = 24 if flood.endswith(b"\n") else 400
        return [*([Send(start)] if start else []), Send(flood * (_FLOOD // len(flood)), 0.001, times)]


_FLOODS = [
    (b"* SEARCH", b" 1234567"),
    (b"* X (", b"(a) "),
    (b"* X ", b'"'),
    (b"", b"* OK more\r\n"),
    (b"", b"* 1 FETCH (UID 1 FLAGS (" + b"abc " * 200 + b"))\r\n"),
    (b"* 1 FETCH (UID 1 BODY[] {999999999}\r\n", b"body"),
    (b"* 1 FETCH (UID 1 BODY[] {5000}\r\n", b"body" * 1250 + b" BODY[] {5000}\r\n"),
    (b"* 1 FETCH (X {15000000}\r\n", b"literal "),
    (b"", b"* LIST () NIL a\r\n"),
    (b"* 1 FETCH (UID 1 ", b"BODY["),
    (b"", b"\r\n"),
    (b"* OK ", b"{3}"),
    (b"* 1 FETCH (UID 1", b" X {0}\r\n\r\n"),
    (b"* CAPABILITY", b" X"),
    (b"+ ", b"x"),
    (b"A", b"1"),
]

_Mutation = Callable[[Hostility, list[bytes], bytes], None]
_MUTATIONS: list[tuple[str, _Mutation]] = [
    (mutate.__name__.replace("_", " "), mutate)
    for mutate in (
        Hostility.junk, Hostility.junk, Hostility.piece, Hostility.piece, Hostility.flip, Hostility.size,
        Hostility.size, Hostility.uid, Hostility.uid, Hostility.number, Hostility.number, Hostility.drop,
        Hostility.repeat, Hostility.old, Hostility.cut, Hostility.hole, Hostility.line_end, Hostility.splice,
        Hostility.refuse, Hostility.early, Hostility.echo,
    )
]  # fmt: skip
