"""How the messages of a mailbox that collects everybody's mail are given to their owners."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from muniment.errors import Misconfigured

#: Headers in which mail servers write for whom a message came, by envelope; then those of the sender.
ENVELOPE_FIELDS = (
    "X-Envelope-To",
    "Envelope-To",
    "X-Original-To",
    "Delivered-To",
    "X-Rcpt-To",
    "X-MDRcpt-To",
    "X-Deliver-To",
    "X-Apparently-To",
    "Apparently-To",
)
ADDRESS_FIELDS = ("To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc")
SENDER_FIELDS = ("X-Envelope-From", "Return-Path", "From", "Sender", "Resent-From")

#: In an `X-Header: <address> for …` these would be anybody's; this one names a recipient only when there is one.
RECEIVED = "Received"


class Unknown(StrEnum):
    """What becomes of a message that belongs to nobody."""

    CATCH_ALL = "catch-all"  # archived for a user of its own
    LEAVE = "leave"  # not archived, and so never deleted


class Multidrop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where a collecting mailbox's messages say whose they are, and where they go then.

    `recipients`, `senders`: header fields that are trusted, since anybody can write any header. `Received` among the
    recipients': the `for` of the topmost such field. `journal`: reports of Microsoft Exchange are unwrapped. `inbox`,
    `sent`: names of the folders for what a user received and sent; `/` separates, and case matters. `catch_all`,
    `catch_all_folder`: user and folder for messages of nobody.
    """

    recipients: tuple[str, ...] = ENVELOPE_FIELDS + ADDRESS_FIELDS
    senders: tuple[str, ...] = SENDER_FIELDS
    journal: bool = True
    inbox: str = "INBOX"
    sent: str = "Sent Items"
    unknown: Unknown = Unknown.CATCH_ALL
    catch_all: str = "@catchall"
    catch_all_folder: str = "Unknown E-mail Addresses"

    def __post_init__(self) -> None:
        if not self.recipients:
            raise Misconfigured("multidrop.recipients names no header", hint="Leave it out for the usual headers.")
        for path in (self.inbox, self.sent, self.catch_all_folder):
            if not all(path.split("/")):
                raise Misconfigured(f"{path!r} is no folder", hint="Write names with / between them.")
        if not self.catch_all.strip():
            raise Misconfigured("multidrop.catch_all names no user")


#: The usual ways.
USUAL_MULTIDROP = Multidrop()
