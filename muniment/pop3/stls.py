"""What POP3 says before TLS: the greeting and STLS (RFC 2595 §4)."""

from __future__ import annotations

from muniment.errors import CommandRefused, LoginUnsupported
from muniment.mailserver.server_text import shown
from muniment.mailserver.starttls import Plaintext
from muniment.pop3.connection import refusal


async def negotiate_stls(plain: Plaintext) -> None:
    """Read the greeting and make the server begin TLS; nothing that it says here is used afterwards.

    Raises LoginUnsupported if the server does not offer STLS, and what refusals raise.
    """
    greeting = await plain.line()
    if not greeting.startswith(b"+OK"):
        raise refusal(greeting, "its greeting", plain.peer, plain.slot, is_login=True)
    plain.check_silence()  # nothing answers a command before it is sent
    await plain.send(b"STLS\r\n", "answering STLS")
    answer = await plain.line()
    if answer.startswith(b"+OK"):
        return
    error = refusal(answer, "STLS", plain.peer, plain.slot)
    if isinstance(error, CommandRefused):
        raise LoginUnsupported(
            f"{plain.peer} does not offer STLS: {shown(answer, 400)}",
            hint="Use --access pop3-ssl. If the server offered it until now, something alters the connection.",
        )
    raise error
