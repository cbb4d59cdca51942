"""A small POP3 server for behaviour that real ones cannot be made to show: no UIDL, equal ids, partial lists."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Self

from tests.support.raw_server import end_connections


@dataclass
class Pop3Script:
    """A mailbox and the server's faults."""

    messages: list[bytes] = field(default_factory=list)
    uidls: list[str] | None = None  # by default derived from the content; an empty list disables UIDL
    password: str = "secret"
    capabilities: str = "USER\r\nUIDL\r\nTOP"
    refused: dict[int, str] = field(default_factory=dict)  # answers to RETR by message number (from 1)
    refused_dele: set[int] = field(default_factory=set)
    cut_after: dict[str, int] = field(default_factory=dict)  # command → bytes of its answer, once
    greeting: str = "+OK ready"
    pass_answer: str = ""  # instead of the correct one
    quit_answer: str = "+OK bye"
    pass_answers: list[str] = field(default_factory=list)  # the same
    quits: bool = True  # otherwise the connection breaks before QUIT
    uidl_answers: list[str] = field(default_factory=list)  # to the next commands, instead of the correct ones
    claimed_size: int | None = None
    # Servers that show a part of the mailbox in each session:
    cap: int | None = None  # that many messages, the oldest first
    hides: bool = False  # what was read, once QUIT was sent, as Gmail does
    drops: bool = False  # what was read, once QUIT was sent, is deleted (EXPIRE 0)
    subsets: Random | None = None  # a random half of them
    counts_all: bool = False  # in STAT
    changing_ids: bool = False
    hidden: set[str] = field(default_factory=set)
    sessions: int = 0

    def uidl(self, number: int) -> str:
        """Return the id of a message, counted from 0."""
        if self.uidls:
            return self.uidls[number]
        return f"id-{hash(self.messages[number]) & 0xFFFFFFFF:08x}"


class Pop3Server:
    """The server; `lines` contains the commands received."""

    host = "127.0.0.1"

    def __init__(self, script: Pop3Script, *, tls: ssl.SSLContext | None = None, implicit_tls: bool = False) -> None:
        self.script = script
        self.tls = tls
        self._implicit_tls = implicit_tls
        self.port = 0
        self.lines: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        context = self.tls if self._implicit_tls else None
        self._listener = await asyncio.start_server(self._serve, self.host, 0, ssl=context)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listener is not None
        self._listener.close()
        await end_connections(self._tasks)
        await self._listener.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self.script
        session = _Session(script)
        writer.write(script.greeting.encode() + b"\r\n")
        while True:
            await writer.drain()
            line = (await reader.readuntil(b"\r\n")).decode().strip()
            self.lines.append(line)
            command, _, argument = line.partition(" ")
            command = command.upper()
            if command == "STLS" and self.tls is not None:
                writer.write(b"+OK begin\r\n")
                await writer.start_tls(self.tls)
                continue
            if command == "QUIT" and not script.quits:
                return
            answer = session.answer(command, argument)
            if (cut := script.cut_after.pop(command, None)) is not None:
                if command == "QUIT":
                    session.quit()
                writer.write(answer[:cut])
                await writer.drain()
                return
            if command == "QUIT" and answer.startswith(b"+OK"):
                session.quit()
            writer.write(answer)
            if command == "QUIT":
                await writer.drain()
                return


class _Session:
    """What one session shows: UIDL and bytes of each message, numbered from 1."""

    def __init__(self, script: Pop3Script) -> None:
        self._script = script
        self._shown: list[tuple[str, bytes]] = []
        self._read: set[int] = set()
        self._deleted: set[int] = set()

    def _log_in(self) -> None:
        script = self._script
        script.sessions += 1
        shown = [(script.uidl(number), raw) for number, raw in enumerate(script.messages)]
        shown = [message for message in shown if message[0] not in script.hidden]
        if script.subsets is not None:
            size = min((len(shown) + 1) // 2, script.cap or len(shown))
            chosen = sorted(script.subsets.sample(range(len(shown)), size))
            shown = [shown[number] for number in chosen]
        if script.changing_ids:
            shown = [(f"{script.sessions}-{number}", raw) for number, (_, raw) in enumerate(shown)]
        self._shown = shown[: script.cap]

    def answer(self, command: str, argument: str) -> bytes:
        """Return the answer to a command."""
        script = self._script
        if command in {"RETR", "DELE"}:
            number = int(argument)
            return self._retrieve(number) if command == "RETR" else self._delete(number)
        right = "+OK" if argument == script.password else "-ERR [AUTH] wrong"
        if command == "PASS":
            self._log_in()
        if command == "PASS" and script.pass_answers:
            return script.pass_answers.pop(0).encode() + b"\r\n"
        if command == "UIDL" and script.uidl_answers:
            return script.uidl_answers.pop(0).encode() + b"\r\n"
        sizes = [script.claimed_size or len(raw) for _, raw in self._shown]
        counted = len(script.messages) if script.counts_all else len(sizes)
        answers: dict[str, Callable[[], str]] = {
            "CAPA": lambda: f"+OK\r\n{self._capabilities()}\r\n.",
            "USER": lambda: "+OK",
            "PASS": lambda: script.pass_answer or right,
            "STAT": lambda: f"+OK {counted} {sum(sizes)}",
            "LIST": lambda: _listing(f"{number} {size}" for number, size in enumerate(sizes, 1)),
            "UIDL": lambda: (
                "-ERR unknown command"
                if script.uidls == []
                else _listing(f"{number} {uidl}" for number, (uidl, _) in enumerate(self._shown, 1))
            ),
            "QUIT": lambda: script.quit_answer,
        }
        answer = answers.get(command, lambda: "-ERR unknown command")
        return answer().encode() + b"\r\n"

    def _capabilities(self) -> str:
        words = self._script.capabilities.split("\r\n")
        return "\r\n".join(word for word in words if word != "UIDL" or self._script.uidls != [])

    def _retrieve(self, number: int) -> bytes:
        if number in self._script.refused:
            return self._script.refused[number].encode() + b"\r\n"
        self._read.add(number)
        return b"+OK\r\n" + stuffed(self._shown[number - 1][1]) + b".\r\n"

    def _delete(self, number: int) -> bytes:
        if number in self._script.refused_dele:
            return b"-ERR you may not\r\n"
        self._deleted.add(number)
        return b"+OK\r\n"

    def quit(self) -> None:
        """Delete what was marked, and what was read if the server does that; or hide it."""
        script = self._script
        read = {self._shown[number - 1][0] for number in self._read}
        gone = Counter(self._shown[number - 1] for number in self._deleted | (self._read if script.drops else set()))
        script.hidden |= read if script.hides else set()
        kept: list[int] = []
        for number, raw in enumerate(script.messages):
            message = (script.uidl(number), raw)
            if gone[message]:
                gone[message] -= 1
            else:
                kept.append(number)
        uidls = script.uidls
        script.uidls = [uidls[number] for number in kept] or None if uidls else uidls
        script.messages = [script.messages[number] for number in kept]


def _listing(lines: Iterable[str]) -> str:
    return "\r\n".join(["+OK", *lines, "."])


def stuffed(raw: bytes) -> bytes:
    """Return a message as sent: lines that begin with a dot get another one (RFC 1939 §3)."""
    lines = raw.split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines)
