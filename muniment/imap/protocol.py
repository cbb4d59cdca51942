"""The connection: aioimaplib's protocol class with our own receive path, timeouts and error handling.

The library manages tags, states and the command table. Received data goes through `Receiver`
(the library formats every byte for a debug line, recurses per line and buffers whole responses).
Every failure ends in `fail`, which completes all pending commands.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence

from aioimaplib.aioimaplib import AUTH, CONNECTED, NONAUTH, Cmd, Commands, Exec, IMAP4ClientProtocol

from muniment import metrics
from muniment.errors import Conflict, MunimentError, ProtocolViolation, ServerUnavailable
from muniment.imap import tokens, wire
from muniment.imap.command import OnData, Reply, WireCommand
from muniment.imap.receiver import Receiver, release
from muniment.imap.refusal import Status, bye_error, preauth_error, report_throttling
from muniment.imap.tokens import Part
from muniment.imap.translate import translated
from muniment.mailserver.gate import ConnectionSlot, UnlimitedSlot
from muniment.mailserver.limits import Limits
from muniment.mailserver.patience import Patience
from muniment.mailserver.redaction import HIDDEN, NOTHING_SECRET
from muniment.mailserver.server_text import shown

_TAGGED = re.compile(rb"([A-Z]+[0-9]+) (OK|NO|BAD)(?: |$)", re.IGNORECASE)
# Capabilities that change what we send. Redaction does not hide them, even if the password is such a word.
_UNDERSTOOD = set(
    b"IMAP4REV1 LITERAL+ LITERAL- ESEARCH LIST-STATUS CONDSTORE NAMESPACE SPECIAL-USE UIDPLUS UTF8=ONLY".split()
)
_MAX_CAPABILITY_BYTES = 16 * 1024
_MAX_ALERTS = 5
# The login commands of Kerio and Sun are not in the library's table.
for _name, _state in (("X-MASTERAUTH", NONAUTH), ("X-SETUSER", NONAUTH), ("PROXYAUTH", AUTH)):
    Commands[_name] = Cmd(_name, (_state,), Exec.is_sync)
_CHEAP = {"EXAMINE"}  # sent once per folder, and almost no work for a server
_ATOM = re.compile(rb"[\x21-\x7e]+")
_STATUS_WORDS = {b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"}


class ImapProtocol(IMAP4ClientProtocol):  # type: ignore[misc]  # the library has no types
    """One connection to a mail server.

    `timeout_seconds` limits how long a response may take, as described in `Patience`; time during which
    we do not read (`pause`) does not count. From the login on, `redactor` hides the credentials in all
    text from the server. `is_greeted`: the greeting came before TLS (STARTTLS), so none follows.
    """

    pending_sync_command: WireCommand | None
    pending_async_commands: dict[str, WireCommand]
    transport: asyncio.Transport | None

    def __init__(
        self,
        peer: str,
        timeout_seconds: float,
        limits: Limits,
        slot: ConnectionSlot | None = None,
        *,
        is_greeted: bool = False,
    ) -> None:
        super().__init__(asyncio.get_running_loop())
        self.peer = peer
        self.slot = slot or UnlimitedSlot()
        self.commands = 0
        self.capabilities: frozenset[str] = frozenset()
        self.exists = 0  # messages in the selected folder
        self.alerts: list[str] = []
        self.redactor = NOTHING_SECRET
        self._limits = limits
        self._timeout_seconds = timeout_seconds
        self._receiver = Receiver(limits, self._deliver)
        self._greeted = asyncio.Event()
        if is_greeted:
            self._greeted.set()
        self._lost = asyncio.Event()
        self._failure: MunimentError | None = None
        self._leaving = False
        self._bye_received = False  # in answer to our LOGOUT
        self._paused = False
        self._now = self.loop.time()  # when the last bytes arrived
        self._patience = Patience(timeout_seconds, self._now)
        self._timer: asyncio.TimerHandle | None = None

    # -- commands ---------------------------------------------------------------------------------

    async def greeting(self) -> None:
        """Wait for the server's greeting."""
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
        """Send one command and return its tagged response, whatever the result.

        `on_data` receives every untagged data response until then; `replies` answer the server's
        continuation requests. Cancelling closes the connection: IMAP cannot cancel a command.
        """
        if not self._leaving:
            await self.slot.spend(commands=1)
        self._raise_failure()
        if not pipelined and next(self._pending(), None) is not None:
            raise Conflict(f"{name} cannot start: the server is still {self._doing()}")
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
            self.slot.report_latency(seconds)
        if not status.ok:
            self._report_throttling(status)
        if status.ok and status.code == "CAPABILITY":
            self._set_capabilities(status.argument)
        return status

    def expect_bye(self) -> None:
        """Treat BYE and a closed connection as normal from now on, because LOGOUT follows."""
        self._leaving = True

    def abort(self) -> None:
        """Drop the connection at once; pending commands raise ServerUnavailable."""
        self.fail(ServerUnavailable(f"Muniment dropped the connection to {self.peer}"))

    def fail(self, error: MunimentError) -> None:
        """Close the connection and raise `error` in pending and later commands; only the first call counts."""
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
    def is_closed(self) -> bool:
        """Whether the connection is closed, or was never opened."""
        return self.transport is None or self._failure is not None

    async def wait_closed(self) -> None:
        """Wait until the transport is closed, after `abort`."""
        await self._lost.wait()

    def pause(self) -> None:
        """Stop reading, because the consumer is slower than the server."""
        self._paused = True
        self._connected.pause_reading()

    def resume(self) -> None:
        """Continue to read."""
        if self._paused:
            self._paused = False
            self._patience.progress(self.loop.time())
            self._connected.resume_reading()

    # -- called by asyncio ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the transport and count the connection."""
        super().connection_made(transport)
        if self._greeted.is_set():
            self.state = NONAUTH
        metrics.CONNECTIONS.inc()

    def data_received(self, data: bytes) -> None:
        """Process bytes from the socket."""
        self._now = self.loop.time()
        receiver = self._receiver
        before = receiver.trickled
        try:
            receiver.feed(data)
        except Exception as error:  # noqa: BLE001 - a server that triggers a bug may break only this connection
            self.fail(self._with_context(error))
        if receiver.trickled > before:
            self._patience.trickle(self._now, receiver.trickled - before)

    def connection_lost(self, error: Exception | None) -> None:
        """Release the slot and fail pending commands."""
        metrics.CONNECTIONS.dec()
        self.slot.release(clean=self._bye_received or self._failure is None)
        self.fail(translated(error or EOFError(), self.peer, self._doing()))
        self._lost.set()

    # -- called by the library --------------------------------------------------------------------

    def send(self, line: str, scrub: str | None = None) -> None:  # noqa: ARG002 - the library's signature
        """Write the command that `execute` has just registered; the library's `line` lacks the arguments."""
        command = self.pending_sync_command or next(reversed(self.pending_async_commands.values()))
        self.commands += 1
        self._start_clock()
        self._connected.write(command.next_piece())

    def _continuation(self, line: bytes) -> None:
        """Write the next piece of a command after the server's continuation request."""
        command = next((c for c in self._pending() if c.has_more), None)
        if command is not None:
            self._patience.progress(self._now)
            self._connected.write(command.next_piece(line[1:].strip()))
            return
        self._patience.keep_alive(self._now)
        if self.pending_sync_command is not None and self.pending_sync_command.name == "AUTHENTICATE":
            self._connected.write(b"*\r\n")  # cancel: the mechanism has no further response

    # -- responses --------------------------------------------------------------------------------

    def _deliver(self, parts: list[Part]) -> None:
        try:
            self._dispatch(parts)
        finally:
            release(parts)  # a callback that keeps a body has removed it

    def _dispatch(self, parts: list[Part]) -> None:
        first = parts[0]
        assert isinstance(first, bytes)
        if not first and self._greeted.is_set():
            return  # a stray empty line between two responses; it does not count as a keep-alive
        if first[:2] == b"* ":
            self._untagged(first, parts)
        elif first[:1] == b"+" and self._greeted.is_set():
            self._continuation(first)
        else:
            self._tagged(first)

    def _tagged(self, line: bytes) -> None:
        match = _TAGGED.match(line)
        if match is None or not self._greeted.is_set():
            raise ProtocolViolation(f"not an IMAP response: {self._shown(line)!r}")
        command = next((c for c in self._pending() if c.tag.encode() == match[1]), None)
        if command is None:
            raise ProtocolViolation(f"a response with an unknown tag: {self._shown(line)!r}")
        self._patience.progress(self._now)
        # Bypass the library's own handling: it logs the line, in which a server may echo a password.
        if command is self.pending_sync_command:
            self.pending_sync_command = None
        else:
            del self.pending_async_commands[command.untagged_resp_name]
        status = Status.parse(match[2].decode().upper(), line[match.end() :], self.redactor)
        self._note_alert(status)
        command.finish(status)

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
            self._set_capabilities(first[len(b"* CAPABILITY ") :])
        if not self._greeted.is_set():
            raise ProtocolViolation(f"not an IMAP greeting: {self._shown(first)!r}")
        if self._pass_to_command(keyword, parts):
            self._patience.progress(self._now)
        else:
            self._patience.keep_alive(self._now)

    def _pass_to_command(self, keyword: bytes, parts: list[Part]) -> bool:
        for command in self._pending():
            if command.on_data is not None:
                return command.on_data(keyword, parts)
        return False  # unsolicited

    def _note_alert(self, status: Status) -> None:
        if status.alert and status.alert not in self.alerts and len(self.alerts) < _MAX_ALERTS:
            self.alerts.append(status.alert)

    def _status(self, status: Status) -> None:
        self._note_alert(status)
        if status.result == "BYE":
            if not self._leaving:
                self._report_throttling(status)
                raise bye_error(status, self._doing(), self.peer)
            self._bye_received = True
            return
        if status.code == "CAPABILITY":
            self._set_capabilities(status.argument)
        if not self._greeted.is_set():
            if status.result in {"NO", "BAD"}:
                self._report_throttling(status)
                raise bye_error(status, self._doing(), self.peer)
            if status.result == "PREAUTH":
                raise preauth_error(status, self.peer)
            self.state = NONAUTH
            self._greeted.set()

    def _report_throttling(self, status: Status) -> None:
        report_throttling(status, self.peer, self.slot)

    # -- the clock --------------------------------------------------------------------------------

    def _start_clock(self) -> None:
        self._patience.progress(self.loop.time())
        if self._timer is None and self._failure is None:
            self._timer = self.loop.call_at(self._patience.deadline, self._check_clock)

    def _check_clock(self) -> None:
        self._timer = None
        if self.state != CONNECTED and next(self._pending(), None) is None:
            return  # no response is pending; the next command restarts the clock
        now = self.loop.time()
        if self._paused:
            self._patience.progress(now)
        reason = self._patience.timeout_reason(now)
        if reason is not None:
            self.fail(ServerUnavailable(f"{self.peer} {reason} while {self._doing()}"))
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

    def _with_context(self, error: Exception) -> MunimentError:
        """Return the parser's error with the server's name in front and secrets redacted."""
        if isinstance(error, MunimentError) and str(error).startswith(self.peer):
            return error  # built from a Status, which is already redacted
        ours = translated(error, self.peer, self._doing())
        text = self.redactor.hide_text(str(ours))
        return type(ours)(text if ours is not error else f"{self.peer}, {self._doing()}: {text}", hint=ours.hint)

    def _shown(self, line: bytes) -> str:
        return shown(self.redactor.hide(line))

    def _set_capabilities(self, capabilities: bytes) -> None:
        """Store the capabilities. They are displayed, so words with a secret or control characters are dropped."""
        understood = _UNDERSTOOD & set(capabilities[:_MAX_CAPABILITY_BYTES].upper().split())
        words = self.redactor.hide(capabilities)[:_MAX_CAPABILITY_BYTES].upper().split()
        harmless = {word for word in words if HIDDEN not in word and _ATOM.fullmatch(word)}
        self.capabilities = frozenset(word.decode("ascii") for word in understood | harmless)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            # A new instance per raise: each raise adds its traceback to the exception.
            raise type(self._failure)(str(self._failure), hint=self._failure.hint) from self._failure
