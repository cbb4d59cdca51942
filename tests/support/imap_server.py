"""A small IMAP server for behaviour that real servers cannot be made to show.

async with ImapServer(script) as server: ...          # on the test's event loop
with running_imap_server(script) as server: ...       # in a thread, for tests of whole processes
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from tests.support.eventually import eventually
from tests.support.imap_script import Folder, HugeContent, Mail, Script, compressed, header_fields, position
from tests.support.raw_server import end_connections

_FLUSH_BYTES = 64 * 1024
_FOLDER_COMMANDS = {"LIST", "STATUS", "EXAMINE", "SELECT"}
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"|\x00(\d+)\x00|(\((?:[^()]|\([^()]*\))*\))|([^ "]+)')


class _Gone(Exception):
    """The connection ends here."""


class ImapServer:
    """The server; `lines` contains every command line received, without tags.

    `connections`: number of open ones. `max_connections`: their peak, including the `refused` ones.
    """

    def __init__(
        self, script: Script, *, tls: ssl.SSLContext | None = None, implicit_tls: bool = False, host: str = "127.0.0.1"
    ) -> None:
        self.script = script
        self.tls = tls
        self.host = host
        self.port = 0
        self.lines: list[str] = []
        self.connections = 0
        self.max_connections = 0
        self.refused = 0
        self._implicit_tls = implicit_tls
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

    def sent(self, start: str) -> list[str]:
        """Return the command lines that begin with `start`."""
        return [line for line in self.lines if line.startswith(start)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.max_connections = max(self.max_connections, self.connections)
        try:
            await _Connection(self, reader, writer).talk()
        except (_Gone, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # cancelled because the server stops; asyncio's streams would log it as a crash
        finally:
            self.connections -= 1
            self._tasks.discard(task)
            writer.transport.abort()


@contextmanager
def running_imap_server(
    script: Script, *, tls: ssl.SSLContext | None = None, implicit_tls: bool = False
) -> Iterator[ImapServer]:
    """Run the server in a thread with its own event loop."""
    server = ImapServer(script, tls=tls, implicit_tls=implicit_tls)
    ready = threading.Event()
    stop: list[Callable[[], object]] = []

    async def run() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(stopping.set))
        async with server:
            ready.set()
            await stopping.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="imap-server")
    thread.start()
    assert ready.wait(60), "the IMAP server did not start"
    try:
        yield server
    finally:
        stop[0]()
        thread.join(60)


@dataclass
class _Line:
    """A command: its tag, its name including UID, and its arguments."""

    tag: bytes
    name: str
    words: list[bytes]


class _Connection:
    """A connection of one client."""

    def __init__(self, server: ImapServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._script = server.script
        self._reader = reader
        self._writer = writer
        self._encrypted = writer.get_extra_info("sslcontext") is not None
        self._folders: dict[bytes, Folder] = {}
        self._folder = Folder()
        self._mailbox = ""  # requested by the client
        self._is_master = False
        self._speaks_utf8 = False
        self._may_delete = False  # in the open folder
        self._left: int | None = None  # remaining bytes until the connection is cut
        self._out = bytearray()

    async def talk(self) -> None:
        """Greet the client and answer its commands until either side hangs up."""
        await self._strike("GREETING", "", b"")
        if self._script.allows is not None and self._server.connections > self._script.allows:
            self._server.refused += 1
            await self._send(self._script.too_many.encode() + b"\r\n")
            await self._flush()
            return
        await self._send(self._script.greeting.encode() + b"\r\n")
        while True:
            await self._flush()
            line = await self._read_line()
            if line.name == "LOGOUT":
                await self._send(b"* BYE see you\r\n" + line.tag + b" OK bye\r\n")
                await self._flush()
                return
            await self._answer(line)

    async def _enable(self, line: _Line) -> None:
        self._speaks_utf8 = self._speaks_utf8 or b"UTF8=ACCEPT" in line.words
        await self._send(b"* ENABLED %b\r\n%b OK enabled\r\n" % (b" ".join(line.words), line.tag))

    async def _answer(self, line: _Line) -> None:
        shown = " ".join([line.name, *(w.decode("utf-8", "replace") for w in line.words)])
        self._server.lines.append(shown)
        if await self._strike(line.name, shown, line.tag):
            return
        handler = {
            "CAPABILITY": self._capability,
            "STARTTLS": self._starttls,
            "AUTHENTICATE": self._authenticate,
            "LOGIN": self._login,
            "X-MASTERAUTH": self._x_masterauth,
            "X-SETUSER": self._x_setuser,
            "PROXYAUTH": self._proxyauth,
            "ENABLE": self._enable,
            "LIST": self._list,
            "NAMESPACE": self._namespace,
            "STATUS": self._status,
            "EXAMINE": self._examine,
            "SELECT": self._select,
            "UID STORE": self._store,
            "EXPUNGE": self._expunge,
            "UID EXPUNGE": self._expunge,
            "UID SEARCH": self._search,
            "FETCH": self._fetch,
            "UID FETCH": self._fetch,
        }.get(line.name)
        if "UTF8=ONLY" in self._script.capabilities and line.name in _FOLDER_COMMANDS and not self._speaks_utf8:
            await self._send(line.tag + b" NO enable UTF8=ACCEPT first\r\n")
        elif handler is None:
            await self._send(line.tag + b" BAD unknown command\r\n")
        else:
            await handler(line)

    async def _strike(self, command: str, shown: str, tag: bytes) -> bool:
        for fault in self._script.faults:
            if not fault.strikes(command, shown, self._mailbox):
                continue
            if fault.until is not None:
                await eventually(fault.until.is_set, "the test to let the server go on")
                return False
            if fault.cut_after is not None:
                self._left = fault.cut_after
                return False
            if fault.reply:
                reply = fault.reply.encode()
                await self._send((reply if reply.startswith(b"*") else tag + b" " + reply) + b"\r\n")
                if reply.upper().startswith(b"* BYE"):
                    await self._flush()
                    raise _Gone
                return True
            await self._send(fault.raw)
            await self._flush()
            if fault.close:
                raise _Gone
            while await self._reader.read(_FLUSH_BYTES):
                pass
            raise _Gone
        return False

    # -- reading and writing ----------------------------------------------------------------------

    async def _read_line(self) -> _Line:
        literals: list[bytes] = []
        text = b""
        while True:
            text += (await self._reader.readuntil(b"\r\n"))[:-2]
            match = re.search(rb"\{(\d+)(\+?)\}$", text)
            if match is None:
                break
            if not match[2]:
                await self._send(b"+ go on\r\n")
                await self._flush()
            literals.append(await self._reader.readexactly(int(match[1])))
            text = text[: match.start()] + b"\x00%d\x00" % (len(literals) - 1)
        tag, _, rest = text.partition(b" ")
        words = [_word(m, literals) for m in _WORD.finditer(rest)]
        name = words.pop(0).decode().upper()
        if name == "UID":
            name += " " + words.pop(0).decode().upper()
        return _Line(tag, name, words)

    async def _send(self, data: bytes) -> None:
        self._out += data
        if len(self._out) >= _FLUSH_BYTES:
            await self._flush()

    async def _flush(self) -> None:
        data, self._out = bytes(self._out), bytearray()
        if self._left is not None:
            cut = len(data) >= self._left
            data, self._left = data[: self._left], self._left - len(data)
            if cut:
                self._writer.write(data)
                await self._writer.drain()
                self._writer.close()
                raise _Gone
        self._writer.write(data)
        await self._writer.drain()

    # -- commands ---------------------------------------------------------------------------------

    def _capabilities(self) -> str:
        offered = self._script.capabilities
        return offered.replace(" STARTTLS", "") if self._encrypted else offered

    async def _capability(self, line: _Line) -> None:
        await self._send(b"* CAPABILITY %b\r\n%b OK done\r\n" % (self._capabilities().encode(), line.tag))

    async def _starttls(self, line: _Line) -> None:
        await self._send(line.tag + b" OK go\r\n")
        await self._flush()
        assert self._server.tls is not None
        await self._writer.start_tls(self._server.tls)
        self._encrypted = True

    async def _authenticate(self, line: _Line) -> None:
        encoded = line.words[1] if len(line.words) == 2 else await self._ask(b"")
        response = base64.b64decode(encoded).decode()
        if line.words[0] == b"XOAUTH2":
            user, token = response.removeprefix("user=").removesuffix("\1\1").split("\1auth=Bearer ")
            if self._script.passwords.get(user) != token:
                # As Google and Microsoft do: send the reason as a challenge; the client answers it with an empty line.
                assert not await self._ask(base64.b64encode(b'{"status":"invalid_request"}'))
            await self._open(line.tag, user, token, user)
            return
        authorize, user, password = response.split("\0")
        await self._open(line.tag, user, password, authorize or user)

    async def _ask(self, challenge: bytes) -> bytes:
        await self._send(b"+ " + challenge + b"\r\n")
        await self._flush()
        return (await self._reader.readuntil(b"\r\n"))[:-2]

    async def _x_masterauth(self, line: _Line) -> None:
        """Kerio's master authentication, as described in MailKit's issue 1460 and in imapsync."""
        if not self._script.master_password:
            await self._send(line.tag + b" BAD Unknown authentication method\r\n")
            return
        challenge = b"<1896.697170952@mail.example.com>"
        digest = hashlib.md5(challenge + self._script.master_password.encode()).hexdigest().encode()  # noqa: S324 - Kerio's
        self._is_master = await self._ask(challenge) == digest
        told = b" OK X-MASTERAUTH completed" if self._is_master else b" NO X-MASTERAUTH failed"
        await self._send(line.tag + told + b"\r\n")

    async def _x_setuser(self, line: _Line) -> None:
        if self._is_master:
            user = line.words[0].decode()
            await self._open(line.tag, user, self._script.passwords.get(user, ""), user)
        else:
            await self._send(line.tag + b" BAD no master authentication\r\n")

    async def _proxyauth(self, line: _Line) -> None:
        """The command of Sun, Oracle and Netscape after the LOGIN of an administrator."""
        if self._mailbox in self._script.may_proxy:
            user = line.words[0].decode()
            await self._open(line.tag, user, self._script.passwords.get(user, ""), user)
        else:
            await self._send(line.tag + b" NO you may not\r\n")

    async def _login(self, line: _Line) -> None:
        user, password = (word.decode() for word in line.words)
        await self._open(line.tag, user, password, user)

    async def _open(self, tag: bytes, user: str, password: str, mailbox: str) -> None:
        script = self._script
        self._mailbox = mailbox
        folders = script.folders_of(mailbox)
        if folders is None or (script.passwords and script.passwords.get(user) != password):
            await self._send(tag + b" NO [AUTHENTICATIONFAILED] wrong name or password\r\n")
            return
        self._folders = folders
        code = f"[CAPABILITY {self._capabilities()}] " if script.capabilities_in_login_answer else ""
        await self._send(tag + b" OK " + code.encode() + b"logged in\r\n")

    async def _namespace(self, line: _Line) -> None:
        answer = f"* NAMESPACE {self._script.namespace}\r\n"
        await self._send(answer.encode() + line.tag + b" OK told\r\n")

    async def _list(self, line: _Line) -> None:
        for name, folder in self._folders.items():
            attributes = folder.attributes.encode()
            await self._send(b"* LIST (%b) %b %b\r\n" % (attributes, self._script.delimiter.encode(), self._name(name)))
            if b"STATUS" in line.words[-1] and "\\noselect" not in folder.attributes.lower():
                await self._send(self._status_line(name, folder, line.words[-1]))
        await self._send(line.tag + b" OK listed\r\n")

    async def _status(self, line: _Line) -> None:
        name = line.words[0]
        if name not in self._folders:
            await self._send(line.tag + b" NO [NONEXISTENT] no such folder\r\n")
            return
        await self._send(self._status_line(name, self._folders[name], line.words[1]) + line.tag + b" OK done\r\n")

    def _status_line(self, name: bytes, folder: Folder, asked: bytes) -> bytes:
        if folder.odd_status:
            return folder.odd_status + b"\r\n"
        items = b"MESSAGES %d UIDNEXT %d" % (len(folder.messages), folder.uidnext)
        if folder.uidvalidity is not None:
            items += b" UIDVALIDITY %d" % folder.uidvalidity
        if b"HIGHESTMODSEQ" in asked:
            items += b" HIGHESTMODSEQ %d" % folder.highestmodseq
        return b"* STATUS %b (%b)\r\n" % (self._name(name), items)

    def _name(self, name: bytes) -> bytes:
        if self._script.name_form == "literal":
            return b"{%d}\r\n" % len(name) + name
        return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'

    async def _examine(self, line: _Line) -> None:
        await self._open_folder(line, b"READ-ONLY")

    async def _select(self, line: _Line) -> None:
        folder = self._folders.get(line.words[0], Folder())
        await self._open_folder(line, b"READ-ONLY" if folder.read_only else b"READ-WRITE", folder.uidvalidity_to_delete)

    async def _open_folder(self, line: _Line, mode: bytes, instead: int | None = None) -> None:
        folder = self._folders.get(line.words[0])
        if folder is None:
            await self._send(line.tag + b" NO [NONEXISTENT] no such folder\r\n")
            return
        self._folder = folder
        await self._send(b"* FLAGS (\\Seen)\r\n* %d EXISTS\r\n* 0 RECENT\r\n" % len(folder.messages))
        if folder.uidvalidity is not None:
            await self._send(b"* OK [UIDVALIDITY %d] valid\r\n" % (instead or folder.uidvalidity))
        await self._send(b"* OK [UIDNEXT %d] next\r\n" % folder.uidnext)
        if len(line.words) > 1:
            await self._send(b"* OK [HIGHESTMODSEQ %d] highest\r\n" % folder.highestmodseq)
        self._may_delete = mode == b"READ-WRITE"
        await self._send(line.tag + b" OK [%b] opened\r\n" % mode)

    async def _store(self, line: _Line) -> None:
        assert line.words[1:] == [b"+FLAGS.SILENT", b"(\\Deleted)"], "nothing else is ever stored"
        if not self._may_delete:
            await self._send(line.tag + b" NO read-only\r\n")
            return
        marked = {mail.uid for mail in self._chosen(line.words[0], by_uid=True)}
        messages = self._folder.messages
        self._folder.messages = [
            mail._replace(flags=(*mail.flags, "\\Deleted"))
            if mail.uid in marked and "\\Deleted" not in mail.flags
            else mail
            for mail in messages
        ]
        await self._send(line.tag + b" OK stored\r\n")

    async def _expunge(self, line: _Line) -> None:
        if line.words and "UIDPLUS" not in self._script.capabilities:
            await self._send(line.tag + b" BAD unknown command\r\n")
            return
        meant = self._chosen(line.words[0], by_uid=True) if line.words else self._folder.messages
        gone = {mail.uid for mail in meant if "\\Deleted" in mail.flags}
        self._folder.messages = [mail for mail in self._folder.messages if mail.uid not in gone]
        self._folder.highestmodseq += 1
        await self._send(line.tag + b" OK expunged\r\n")

    async def _search(self, line: _Line) -> None:
        if self._folder.search_refused:
            await self._send(b"%b %b not in this folder\r\n" % (line.tag, self._folder.search_refused.encode()))
            return
        extended = line.words[0].upper() == b"RETURN"
        criteria = line.words[2:] if extended else line.words
        messages: Sequence[Mail] = self._folder.messages
        if criteria[0].upper() == b"UID":
            messages = self._chosen(criteria[1], by_uid=True)
        if criteria[0].upper() == b"DELETED":
            messages = [mail for mail in messages if "\\Deleted" in mail.flags]
        uids = [m.uid for m in messages if m.uid not in self._folder.hidden][: self._script.search_cap]
        if self._folder.indexed is not None and criteria[0].upper() == b"ALL":
            uids = list(self._folder.indexed)
        if not extended:
            found = b"".join(b" %d" % uid for uid in uids)
            await self._send(b"* SEARCH%b\r\n" % found)
        elif uids:
            await self._send(b'* ESEARCH (TAG "%b") UID ALL %b\r\n' % (line.tag, compressed(uids)))
        else:
            await self._send(b'* ESEARCH (TAG "%b") UID\r\n' % line.tag)
        await self._send(line.tag + b" OK searched\r\n")

    async def _fetch(self, line: _Line) -> None:
        folder, items = self._folder, line.words[1].upper()
        chosen = self._chosen(line.words[0], by_uid=line.name == "UID FETCH")
        if folder.refused and b"BODY" in items and any(m.uid in folder.refused for m in chosen):
            await self._send(b"%b %b\r\n" % (line.tag, folder.refusal.encode()))
            return
        if self._script.refuses_attributes and b"FLAGS" in items and b"BODY" not in items:
            await self._send(line.tag + b" NO not today\r\n")
            return
        for mail in reversed(chosen) if self._script.unsorted else chosen:
            if mail.uid not in folder.vanished | folder.hidden:
                await self._send(self._script.unsolicited)
                await self._deliver(mail, items, by_uid=line.name == "UID FETCH")
        await self._send(line.tag + b" OK fetched\r\n")

    async def _deliver(self, mail: Mail, items: bytes, *, by_uid: bool) -> None:
        number = position(self._folder.messages, mail.uid) + 1
        size = mail.content.size if isinstance(mail.content, HugeContent) else len(mail.content)
        told = [b"UID %d" % mail.uid] if by_uid or b"UID" in items else []
        if b"FLAGS" in items:
            told.append(b"FLAGS (%b)" % " ".join(mail.flags).encode())
        if b"X-GM-LABELS" in items and mail.labels is not None:
            quoted = (b'"%b"' % label.replace(b"\\", b"\\\\") for label in mail.labels)
            told.append(b"X-GM-LABELS (%b)" % b" ".join(quoted))
        if b"INTERNALDATE" in items:
            told.append(b'INTERNALDATE "%b"' % mail.date.encode())
        if b"RFC822.SIZE" in items:
            told.append(b"RFC822.SIZE %d" % self._folder.claimed_sizes.get(mail.uid, size))
        if b"HEADER.FIELDS" in items:
            section = items[items.index(b"HEADER.FIELDS") : items.index(b"]")]
            header = header_fields(mail, section) + b"\r\n"
            told.append(b"BODY[%b] {%d}\r\n" % (section, len(header)) + header)
        if b"BODY.PEEK[HEADER]" in items and not isinstance(mail.content, HugeContent):
            head, blank, _ = mail.content.partition(b"\r\n\r\n")
            told.append(b"BODY[HEADER] {%d}\r\n" % len(head + blank) + head + blank)
        before, after = b" ".join(told), b""
        if self._script.body_first and b"[]" in items:
            before, after = b"", b" " + before
        await self._send(b"* %d FETCH (" % number + before)
        if b"BODY.PEEK[]<0.1>" in items:
            await self._send(b' BODY[]<0> "%b"' % (b"x" if size else b""))
        elif b"BODY.PEEK[]" in items:
            await self._body(mail, size, b" " if before else b"")
        await self._send(after + b")\r\n")

    async def _body(self, mail: Mail, size: int, blank: bytes) -> None:
        if mail.uid in self._folder.nil_bodies:
            await self._send(blank + b"BODY[] NIL")
            return
        await self._send(blank + b"BODY[] {%d}\r\n" % size)
        if mail.uid in self._folder.deadly:
            await self._flush()
            raise _Gone
        for chunk in mail.content.chunks() if isinstance(mail.content, HugeContent) else [mail.content]:
            await self._send(chunk)

    def _chosen(self, text: bytes, *, by_uid: bool) -> Sequence[Mail]:
        messages = self._folder.messages
        if not messages:
            return []
        chosen: list[Mail] = []
        star = messages[-1].uid if by_uid else len(messages)
        for part in text.split(b","):
            first, _, last = part.partition(b":")
            low, high = sorted(star if n == b"*" else int(n) for n in (first, last or first))
            if by_uid:
                chosen.extend(messages[position(messages, low) : position(messages, high + 1)])
            else:
                chosen.extend(messages[low - 1 : high])
        return chosen


def _word(match: re.Match[bytes], literals: Sequence[bytes]) -> bytes:
    if match[1] is not None:
        return re.sub(rb"\\(.)", rb"\1", match[1])
    return literals[int(match[2])] if match[2] is not None else match[0]
