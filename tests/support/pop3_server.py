"""A small POP3 server for behaviour that real ones cannot be made to show: no UIDL, equal ids, truncated answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
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
    claimed_size: int | None = None

    def uidl(self, number: int) -> str:
        """Return the id of a message, counted from 0."""
        if self.uidls is not None:
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
        messages = list(enumerate(script.messages))
        deleted: set[int] = set()
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
            answer = self._answer(command, argument, messages, deleted)
            if (cut := script.cut_after.pop(command, None)) is not None:
                writer.write(answer[:cut])
                await writer.drain()
                return
            if command == "QUIT" and answer.startswith(b"+OK"):
                script.messages = [raw for number, raw in messages if number not in deleted]
                if script.uidls:
                    script.uidls = [uidl for number, uidl in enumerate(script.uidls) if number not in deleted]
            writer.write(answer)
            if command == "QUIT":
                await writer.drain()
                return

    def _answer(self, command: str, argument: str, messages: list[tuple[int, bytes]], deleted: set[int]) -> bytes:
        script = self.script
        if command in {"RETR", "DELE"}:
            number = int(argument)
            return self._retrieve(number, messages) if command == "RETR" else self._delete(number, deleted)
        right = "+OK" if argument == script.password else "-ERR [AUTH] wrong"
        sizes = [script.claimed_size or len(raw) for _, raw in messages]
        answers: dict[str, Callable[[], str]] = {
            "CAPA": lambda: f"+OK\r\n{script.capabilities}\r\n.",
            "USER": lambda: "+OK",
            "PASS": lambda: script.pass_answer or right,
            "LIST": lambda: _listing(f"{number} {size}" for number, size in enumerate(sizes, 1)),
            "UIDL": lambda: (
                "-ERR unknown command"
                if script.uidls == []
                else _listing(f"{number + 1} {script.uidl(number)}" for number, _ in messages)
            ),
            "QUIT": lambda: script.quit_answer,
        }
        answer = answers.get(command, lambda: "-ERR unknown command")
        return answer().encode() + b"\r\n"

    def _retrieve(self, number: int, messages: list[tuple[int, bytes]]) -> bytes:
        if number in self.script.refused:
            return self.script.refused[number].encode() + b"\r\n"
        return b"+OK\r\n" + stuffed(messages[number - 1][1]) + b".\r\n"

    def _delete(self, number: int, deleted: set[int]) -> bytes:
        if number in self.script.refused_dele:
            return b"-ERR you may not\r\n"
        deleted.add(number - 1)
        return b"+OK\r\n"


def _listing(lines: Iterable[str]) -> str:
    return "\r\n".join(["+OK", *lines, "."])


def stuffed(raw: bytes) -> bytes:
    """Return a message as sent: lines that begin with a dot get another one (RFC 1939 §3)."""
    lines = raw.split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines)
