"""Which archived messages are deleted on the mail server."""

from __future__ import annotations

from datetime import datetime

import msgspec

from muniment.errors import Misconfigured
from muniment.model.mail_filter import MailFilter, MessageFacts
from muniment.model.period import Period

NEVER = "never"
AT_ONCE = "at once"

#: What an administrator has to write who wants deletion on a server without UIDPLUS.
ACCEPTED = "others may be expunged too"

_FLAGGED = "\\flagged"


class DeletionRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """When archived messages are deleted on the mail server, and which are kept in any case.

    `after`: `never`, `at once`, or a period like `3 months` since the server received the message (with POP3, which does
    not tell that: since it was archived). `flagged`: also
    messages with the flag `\\Flagged`. `without_uidplus`: the words of ACCEPTED, where the server can only expunge
    everything that is marked as deleted (RFC 3501 §6.4.3), whoever marked it.
    """

    after: str = NEVER
    flagged: bool = False
    without_uidplus: str = ""

    def __post_init__(self) -> None:
        if self.after not in {NEVER, AT_ONCE}:
            try:
                Period.parse(self.after)
            except Misconfigured as error:
                raise Misconfigured(
                    f"{self.after!r} is no time for deletion", hint="Write never, at once, or a period like 3 months."
                ) from error
        if self.without_uidplus not in {"", ACCEPTED}:
            raise Misconfigured(
                "deletion without UIDPLUS has to be accepted in words", hint=f"Write exactly: {ACCEPTED}"
            )

    def __bool__(self) -> bool:
        return self.after != NEVER

    def keeps(self, facts: MessageFacts, filter_: MailFilter, now: datetime) -> str:
        """Return why a message is not deleted by a run that began at `now`, empty when it is.

        What the server does not tell of a message keeps it: here, other than in a filter, the doubt is for keeping.
        """
        if facts.flags is None or facts.size is None:
            return "the server does not tell its flags and size"
        if self.after != AT_ONCE and facts.received is None:
            return "the server does not tell when it received it"
        if not self.flagged and facts.has_flag(_FLAGGED):
            return "it is flagged"
        if self.after != AT_ONCE and facts.received and facts.received >= Period.parse(self.after).before(now):
            return f"it is not older than {self.after}"
        if not filter_.lets_through(facts, now):
            return "the filter leaves it out"
        return ""


#: The default.
NO_DELETION = DeletionRule()
