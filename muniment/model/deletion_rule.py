"""Which archived messages are deleted on the mail server."""

from __future__ import annotations

from datetime import datetime

import msgspec

from muniment.errors import Misconfigured
from muniment.model.mail_filter import MailFilter, MessageFacts
from muniment.model.period import Period

NEVER = "never"
AT_ONCE = "at once"

#: The words with which an administrator accepts deletion on a server without UIDPLUS.
ACCEPTED = "others may be expunged too"

_FLAGGED = "\\flagged"


class DeletionRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """When archived messages are deleted on the mail server, and which are always kept.

    `after`: `never`, `at once`, or a period such as `3 months` since the server received the message. POP3 does not
    report that time; there, the period starts when the message was archived. `flagged`: also delete messages with the
    flag `\\Flagged`. `without_uidplus`: the words of ACCEPTED if the server can only expunge all messages marked as
    deleted (RFC 3501 §6.4.3), including those marked by other clients. `despite_size`: also delete messages of which
    the server delivered another number of bytes than it announced.
    """

    after: str = NEVER
    flagged: bool = False
    without_uidplus: str = ""
    despite_size: bool = False

    def __post_init__(self) -> None:
        if self.after not in {NEVER, AT_ONCE}:
            try:
                Period.parse(self.after)
            except Misconfigured as error:
                raise Misconfigured(
                    f"{self.after!r} is not a valid time for deletion",
                    hint="Write never, at once, or a period such as 3 months.",
                ) from error
        if self.without_uidplus not in {"", ACCEPTED}:
            raise Misconfigured(
                "deletion without UIDPLUS must be accepted explicitly", hint=f"Write exactly: {ACCEPTED}"
            )

    def __bool__(self) -> bool:
        return self.after != NEVER

    def keeps(self, facts: MessageFacts, filter_: MailFilter, now: datetime) -> str:
        """Return why a run that began at `now` keeps a message on the server; empty if it deletes the message.

        Missing facts keep the message: unlike in a filter, the safe choice here is to keep.
        """
        if facts.flags is None or facts.size is None:
            return "the server does not report its flags and size"
        if self.after != AT_ONCE and facts.received is None:
            return "the server does not report when it received it"
        if not self.flagged and facts.has_flag(_FLAGGED):
            return "it is flagged"
        if self.after != AT_ONCE and facts.received and facts.received >= Period.parse(self.after).before(now):
            return f"it is not older than {self.after}"
        if not filter_.lets_through(facts, now):
            return "the filter excludes it"
        return ""


#: The default: delete nothing.
NO_DELETION = DeletionRule()
