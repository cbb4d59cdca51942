"""How the messages of a multidrop mailbox, which collects the mail of many users, are assigned to their owners."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from muniment.errors import Misconfigured

#: Headers in which mail servers record the envelope recipient.
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

#: Special name among the recipient headers: the `for` clause of the topmost Received field, which is present only if
#: the message has a single recipient.
RECEIVED = "Received"


class Unknown(StrEnum):
    """What happens to a message that matches no known user."""

    CATCH_ALL = "catch-all"  # archived for the catch-all user
    LEAVE = "leave"  # not archived, and therefore never deleted


class Multidrop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How the owners of a multidrop mailbox's messages are determined, and where the messages are archived.

    `recipients`, `senders`: the trusted header fields; other fields are ignored because anyone can write any header.
    `Received` among the recipients means the `for` clause of the topmost such field. `journal`: unwrap Microsoft
    Exchange journal reports. `inbox`, `sent`: folders for messages that a user received and sent; `/` separates names,
    which are case-sensitive. `catch_all`, `catch_all_folder`: user and folder for messages that match no known user.
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
            raise Misconfigured("multidrop.recipients is empty", hint="Omit it to use the default headers.")
        for path in (self.inbox, self.sent, self.catch_all_folder):
            if not all(path.split("/")):
                raise Misconfigured(f"{path!r} is not a valid folder path", hint="Separate folder names with /.")
        if not self.catch_all.strip():
            raise Misconfigured("multidrop.catch_all is empty", hint="Omit it to use the default user.")


#: The default distribution.
USUAL_MULTIDROP = Multidrop()
