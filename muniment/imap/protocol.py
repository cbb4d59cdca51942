"""The connection: aioimaplib's protocol class with a receive path, a clock and an end of our own.

The library keeps tags, states and the table of commands. What arrives goes through `Receiver`
(the library formats every byte for a debug line, recurses per line and keeps whole answers), and
every failure ends in one place, `fail`, which leaves nobody waiting.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterator, Sequence

from aioimaplib.aioimaplib import AUTH, CONNECTED, NONAUTH, Cmd, Commands, Exec, IMAP4ClientProtocol

from muniment import metrics
from muniment.errors import Conflict, LoginUnsupported, MunimentError, ProtocolViolation, ServerUnavailable
from muniment.imap import tokens, wire
from muniment.imap.command import OnData, Reply, WireCommand
from muniment.imap.receiver import Receiver, release
from muniment.imap.refusal import Status, farewell_error, is_throttle, is_too_many, suggested_seconds
from muniment.imap.tokens import Part
from muniment.imap.translate import translated
from muniment.mailserver.gate import ConnectionSlot, FreeSlot
from muniment.mailserver.limits import Limits
from muniment.mailserver.patience import Patience
from muniment.mailserver.redaction import HIDDEN, NOTHING_SECRET
from muniment.mailserver.server_text import shown

_TAGGED = re.compile(rb"([A-Z]+[0-9]+) (OK|NO|BAD)(?: |$)", re.IGNORECASE)
# Capabilities that we act upon: a password that is one of these words stays secret all the same.
_UNDERSTOOD = {
    b"IMAP4REV1",
    b"LITERAL+",
    b"LITERAL-",
    b"ESEARCH",
    b"LIST-STATUS",
    b"CONDSTORE",
    b"NAMESPACE",
    b"SPECIAL-USE",
    b"UIDPLUS",
}
_MAX_CAPABILITY_BYTES = 16 * 1024
# The logins of Kerio and Sun are not in the library's table.
for _name, _state in (("X-MASTERAUTH", NONAUTH), ("X-SETUSER", NONAUTH), ("PROXYAUTH", AUTH)):
    Commands[_name] = Cmd(_name, (_state,), Exec.is_sync)
_CHEAP = {"EXAMINE"}  # once per folder, and next to no work for a server
_ATOM = re.compile(rb"[\x21-\x7e]+")
_STATUS_WORDS = {b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"}


class ImapProtocol(IMAP4ClientProtocol):  # type: ignore[misc]  # the library has no types
    """One connection to a mail server.

    `timeout_seconds` bounds the silence of a server that owes an answer, as `Patience` says; the
    time in which we do not read ourselves (`pause`) does not count. `redactor` hides what the login
    has made secret, in everything that the server says from then on.
    """

    pending_sync_command: WireCommand | None
    pending_async_commands: dict[str, WireCommand]
    transport: asyncio.Transport | None

    def __init__(self, peer: str, timeout_seconds: float, limits: Limits, slot: ConnectionSlot | None = None) -> None:
        super().__init__(asyncio.get_running_loop())
        self.peer = peer
        self.slot = slot or FreeSlot()
        self.commands = 0
        self.capabilities: frozenset[str] = frozenset()
        self.exists = 0  # messages in the selected folder
        self.redactor = NOTHING_SECRET
        self._limits = limits
        self._timeout_seconds = timeout_seconds
        self._receiver = Receiver(limits, self._deliver)
        self._greeted = asyncio.Event()
        self._lost = asyncio.Event()
        self._failure: MunimentError | None = None
        self._leaving = False
        self._parted = False  # the server has said BYE to our LOGOUT
        self._paused = False
        self._now = self.loop.time()  # when the last bytes came
        self._patience = Patience(timeout_seconds, self._now)
        self._timer: asyncio.TimerHandle | None = None

    # -- commands ---------------------------------------------------------------------------------

    async def greeting(self) -> None:
        """Wait for the server's first line."""
        self._start_clock()
        await self._greeted.wait()
        self._raise_failure()

    async def run(
        self,
        name: str,
        words: Sequence[bytes] = (),
        *,
        uid: bool = False,
        on_data: OnData | None = None,
        pipelined: bool = False,
        replies: Sequence[Reply] = (),
    ) -> Status:
        """Send one command and return its tagged answer, whatever it is.

        `on_data` sees every untagged data response until then; `replies` answer the server's
        continuation requests. Cancelling ends the connection: there is no way to unsay a command.
        """
        if not self._leaving:
            await self.slot.spend(commands=1)
        self._raise_failure()
        if not pipelined and next(self._pending(), None) is not None:
            raise Conflict(f"{self._doing()} is not finished, and {name} cannot start before")
        if self.state not in Commands[name].valid_states:
            raise Conflict(f"{name} cannot be sent in state {self.state}")
        pieces = wire.pieces(words, self.capabilities)
        command = WireCommand(name, self.new_tag(), pieces, uid=uid, on_data=on_data, replies=replies)
        began = self.loop.time()
        try:
            await self.execute(command)
        except MunimentError:
            self._raise_failure()
            raise
        except Exception as error:
            raise self._failed(error) from error
        except BaseException:
            self.abort()
            raise
        status = command.status
        seconds = self.loop.time() - began
        metrics.COMMANDS.labels(name).observe(seconds)
        if name in _CHEAP and not pipelined:
            self.slot.answered(seconds)
        if not status.ok:
            self._heed(status)
        if status.ok and status.code == "CAPABILITY":
            self._learn(status.argument)
        return status

    async def start_tls(self, context: ssl.SSLContext, host: str) -> Status:
        """STARTTLS and the handshake; whatever the server sent in clear after its OK is thrown away."""
        status = await self.run("STARTTLS")
        if status.ok:
            self.transport = await self.loop.start_tls(
                self.transport, self, context, server_hostname=host, ssl_handshake_timeout=self._timeout_seconds
            )
            self._receiver = Receiver(self._limits, self._deliver)
            self.capabilities = frozenset()
        return status

    def leave(self) -> None:
        """From now on BYE and a closed connection are what we asked for."""
        self._leaving = True

    def abort(self) -> None:
        """Drop the connection at once; whoever still waits gets ServerUnavailable."""
        self.fail(ServerUnavailable(f"the connection to {self.peer} was dropped by us"))

    def fail(self, error: MunimentError) -> None:
        """End the connection with `error` for everybody who waits or comes later; the first one counts."""
        if self._failure is not None:
            return
        self._failure = error
        self._receiver.stop()
        if self._timer is not None:
            self._timer.cancel()
        if self.transport is not None:
            self.transport.abort()
        self._greeted.set()
        for command in list(self._pending()):
            command.fail(error)
        self.pending_sync_command = None
        self.pending_async_commands.clear()

    @property
    def is_cut(self) -> bool:
        """Whether there is no connection (any more)."""
        return self.transport is None or self._failure is not None

    async def wait_closed(self) -> None:
        """Wait until the transport is gone, after `abort`."""
        await self._lost.wait()

    def pause(self) -> None:
        """Stop reading: somebody here is slower than the server."""
        self._paused = True
        self._connected.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused:
            self._paused = False
            self._patience.progress(self.loop.time())
            self._connected.resume_reading()

    # -- called by asyncio ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(transport)
        metrics.CONNECTIONS.inc()

    def data_received(self, data: bytes) -> None:
        """Take what came from the socket."""
        self._now = self.loop.time()
        receiver = self._receiver
        before = receiver.trickled
        try:
            receiver.feed(data)
        except Exception as error:  # noqa: BLE001 - whatever a server makes us stumble over ends this connection only
            self.fail(self._named(error))
        if receiver.trickled > before:
            self._patience.trickle(self._now, receiver.trickled - before)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell everybody that nothing will come any more."""
        metrics.CONNECTIONS.dec()
        self.slot.release(clean=self._parted or self._failure is None)
        self.fail(translated(error or EOFError(), self.peer, self._doing()))
        self._lost.set()

    # -- called by the library --------------------------------------------------------------------

    def send(self, line: str, scrub: str | None = None) -> None:  # noqa: ARG002 - the library's signature
        """Write the command that `execute` has just registered; its `line` would show no arguments."""
        command = self.pending_sync_command or next(reversed(self.pending_async_commands.values()))
        self.commands += 1
        self._start_clock()
        self._connected.write(command.next_piece())

    def _continuation(self, line: bytes) -> None:
        """Write the rest of a command, that the server asks for."""
        command = next((c for c in self._pending() if c.has_more), None)
        if command is not None:
            self._patience.progress(self._now)
            self._connected.write(command.next_piece(line[1:].strip()))
            return
        self._patience.keep_alive(self._now)
        if self.pending_sync_command is not None and self.pending_sync_command.name == "AUTHENTICATE":
            self._connected.write(b"*\r\n")  # one question more than the mechanism has answers

    # -- responses --------------------------------------------------------------------------------

    def _deliver(self, parts: list[Part]) -> None:
        try:
            self._dispatch(parts)
        finally:
            release(parts)  # who keeps the body of a message has taken it out

    def _dispatch(self, parts: list[Part]) -> None:
        first = parts[0]
        assert isinstance(first, bytes)
        if not first and self._greeted.is_set():
            return  # a line end too many between two responses; no sign of life
        if first[:2] == b"* ":
            self._untagged(first, parts)
        elif first[:1] == b"+" and self._greeted.is_set():
            self._continuation(first)
        else:
            self._tagged(first)

    def _tagged(self, line: bytes) -> None:
        match = _TAGGED.match(line)
        if match is None or not self._greeted.is_set():
            raise ProtocolViolation(f"not an answer of an IMAP server: {self._shown(line)!r}")
        command = next((c for c in self._pending() if c.tag.encode() == match[1]), None)
        if command is None:
            raise ProtocolViolation(f"an answer to no command: {self._shown(line)!r}")
        self._patience.progress(self._now)
        # The library's own way from here logs the line, and a server may repeat a password in it.
        if command is self.pending_sync_command:
            self.pending_sync_command = None
        else:
            del self.pending_async_commands[command.untagged_resp_name]
        command.finish(Status.parse(match[2].decode().upper(), line[match.end() :], self.redactor))
        if command.name == "STARTTLS" and match[2].upper() == b"OK":
            self._receiver.stop()

    def _untagged(self, first: bytes, parts: list[Part]) -> None:
        words = first.split(b" ", 3)
        keyword = words[1].upper()
        if keyword.isdigit() and len(words) > 2:
            count, keyword = tokens.number(keyword), words[2].upper()
            if keyword == b"EXISTS":
                self.exists = count
            elif keyword == b"EXPUNGE":
                self.exists = max(0, self.exists - 1)
        elif keyword in _STATUS_WORDS:
            status = Status.parse(keyword.decode(), first[len(words[1]) + 3 :], self.redactor)
            self._status(status)
        elif keyword == b"CAPABILITY":
            self._learn(first[len(b"* CAPABILITY ") :])
        if not self._greeted.is_set():
            raise ProtocolViolation(f"not the greeting of an IMAP server: {self._shown(first)!r}")
        if self._hand_on(keyword, parts):
            self._patience.progress(self._now)
        else:
            self._patience.keep_alive(self._now)

    def _hand_on(self, keyword: bytes, parts: list[Part]) -> bool:
        for command in self._pending():
            if command.on_data is not None:
                return command.on_data(keyword, parts)
        return False  # unasked

    def _status(self, status: Status) -> None:
        if status.result == "BYE":
            if not self._leaving:
                self._heed(status)
                raise farewell_error(status, self._doing(), self.peer)
            self._parted = True
            return
        if status.code == "CAPABILITY":
            self._learn(status.argument)
        if not self._greeted.is_set():
            if status.result in {"NO", "BAD"}:
                self._heed(status)
                raise farewell_error(status, self._doing(), self.peer)
            if status.result == "PREAUTH":
                raise LoginUnsupported(
                    f"{self.peer} greets with {status}: it has logged somebody in without asking who",
                    hint="Muniment must know whose mailbox it reads; use a port that asks for a login.",
                )
            self.state = NONAUTH
            self._greeted.set()

    def _heed(self, status: Status) -> None:
        """Pass on that the server asks for less."""
        if is_throttle(status):
            reason = f"{self.peer} said {status}"
            self.slot.complained(reason, too_many=is_too_many(status), seconds=suggested_seconds(status))

    # -- the clock --------------------------------------------------------------------------------

    def _start_clock(self) -> None:
        self._patience.progress(self.loop.time())
        if self._timer is None and self._failure is None:
            self._timer = self.loop.call_at(self._patience.deadline, self._check_clock)

    def _check_clock(self) -> None:
        self._timer = None
        if self.state != CONNECTED and next(self._pending(), None) is None:
            return  # the server owes nothing; the next command starts the clock again
        now = self.loop.time()
        if self._paused:
            self._patience.progress(now)
        complaint = self._patience.complaint(now)
        if complaint is not None:
            self.fail(ServerUnavailable(f"{self.peer} {complaint} while {self._doing()}"))
            return
        self._timer = self.loop.call_at(self._patience.deadline, self._check_clock)

    # -- helpers ----------------------------------------------------------------------------------

    @property
    def _connected(self) -> asyncio.Transport:
        assert self.transport is not None
        return self.transport

    def _pending(self) -> Iterator[WireCommand]:
        if self.pending_sync_command is not None:
            yield self.pending_sync_command
        yield from self.pending_async_commands.values()

    def _doing(self) -> str:
        command = next(self._pending(), None)
        if command is not None:
            return f"answering {command.label}"
        return "idle" if self._greeted.is_set() else "waiting for the greeting"

    def _failed(self, error: Exception) -> MunimentError:
        self.fail(translated(error, self.peer, self._doing()))
        assert self._failure is not None
        return self._failure

    def _named(self, error: Exception) -> MunimentError:
        """Put the server's name in front of what the parser says, and hide what it repeats of secret words."""
        if isinstance(error, MunimentError) and str(error).startswith(self.peer):
            return error  # made of a Status, which holds no secret
        ours = translated(error, self.peer, self._doing())
        text = self.redactor.hide_text(str(ours))
        return type(ours)(text if ours is not error else f"{self.peer}, {self._doing()}: {text}", hint=ours.hint)

    def _shown(self, line: bytes) -> str:
        return shown(self.redactor.hide(line))

    def _learn(self, capabilities: bytes) -> None:
        """Note what the server can do. These words are shown to people: none that holds a secret or controls is kept."""
        understood = _UNDERSTOOD & set(capabilities[:_MAX_CAPABILITY_BYTES].upper().split())
        words = self.redactor.hide(capabilities)[:_MAX_CAPABILITY_BYTES].upper().split()
        harmless = {word for word in words if HIDDEN not in word and _ATOM.fullmatch(word)}
        self.capabilities = frozenset(word.decode("ascii") for word in understood | harmless)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            # A fresh one for each: a raised exception gathers the traceback of whoever raised it.
            raise type(self._failure)(str(self._failure), hint=self._failure.hint) from self._failure
