"""Find the owners of messages from a collecting mailbox, and file the messages in their archives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from muniment.db import blind_recipients, folders, messages, profiles, users
from muniment.db.blind_recipients import BlindRecipient
from muniment.db.database import Session
from muniment.db.messages import Copy
from muniment.mail.addresses import forms_of
from muniment.mail.envelope import Envelope, read_envelope
from muniment.mail.journal import read_report
from muniment.model.message import RawMessage
from muniment.model.multidrop import Multidrop, Unknown
from muniment.services.archiving.batch import Distribution

#: Headers are read from this many bytes at the start of a message.
HEAD_BYTES = 256 * 1024


@dataclass(frozen=True)
class CollectedMessage:
    """A message from a collecting mailbox: its bytes, its envelope, and the bytes around it in a journal report."""

    raw: RawMessage
    envelope: Envelope
    begin: bytes = b""
    end: bytes = b""


@dataclass(frozen=True)
class Destination:
    """A folder in a user's archive; `addresses`: the user's addresses that the message's header does not show."""

    user_id: int
    root: str
    path: tuple[str, ...]
    addresses: tuple[str, ...] = ()


def read_collected(raw: RawMessage, head: bytes, distribution: Distribution) -> CollectedMessage:
    """Read the envelope of a message; unwrap the original if the message is a journal report."""
    rule = distribution.rule
    found = read_envelope(head, senders=rule.senders, recipients=rule.recipients).joined(distribution.hint)
    report = read_report(raw) if rule.journal else None
    if report is None:
        # A report that cannot be split is filed whole. Its recipients do not get it: it names those in Bcc.
        return CollectedMessage(raw, _without(found.seen_beside(head), distribution.own))
    # Include the recipients of the report itself: anybody can write a message that looks like a report.
    envelope = report.envelope.joined(Envelope((), found.recipients)).seen_beside(report.inner.head(HEAD_BYTES))
    return CollectedMessage(report.inner, _without(envelope, distribution.own), report.before, report.after)


def _without(envelope: Envelope, own: frozenset[str]) -> Envelope:
    return Envelope(
        tuple(address for address in envelope.senders if address not in own),
        tuple(address for address in envelope.recipients if address not in own),
        tuple(address for address in envelope.hidden if address not in own),
    )


async def find_destinations(
    session: Session, envelopes: Sequence[Envelope], rule: Multidrop
) -> list[list[Destination]]:
    """Return the destinations for each envelope; none if it matches no user and the rule keeps it on the server."""
    every = {address for envelope in envelopes for address in (*envelope.senders, *envelope.recipients)}
    forms = {address: forms_of(address) for address in every}
    owners = await users.owners(session, sorted({form for found in forms.values() for form in found}))
    whose = {
        address: next((owners[form] for form in found if form in owners), None) for address, found in forms.items()
    }
    roots = await users.primary_addresses(session, sorted(set(owners.values())))
    sent, inbox = tuple(rule.sent.split("/")), tuple(rule.inbox.split("/"))
    found: list[list[Destination]] = []
    for envelope in envelopes:
        pairs = [(whose[address], sent) for address in envelope.senders]
        pairs += [(whose[address], inbox) for address in envelope.recipients]
        hidden: dict[int | None, list[str]] = {}
        for address in envelope.hidden:
            hidden.setdefault(whose[address], []).append(address)
        found.append(
            [
                Destination(user, roots[user], path, tuple(hidden.get(user, ())))
                for user, path in dict.fromkeys(pairs)
                if user is not None
            ]
        )
    if rule.unknown is Unknown.CATCH_ALL and not all(found):
        ids = await users.ensure(session, [rule.catch_all])
        nobody = Destination(ids[rule.catch_all], rule.catch_all, tuple(rule.catch_all_folder.split("/")))
        found = [
            destinations or [replace(nobody, addresses=envelope.hidden)]
            for destinations, envelope in zip(found, envelopes, strict=True)
        ]
    return found


async def file_for_owners(session: Session, store_id: int, filed: Sequence[tuple[Copy, Sequence[Destination]]]) -> None:
    """File messages (`Copy` rows without a folder) in their owners' archives, in the transaction that stores them."""
    places = [destination for _, destinations in filed for destination in destinations]
    if not places:
        return
    mailboxes = await profiles.ensure_mailboxes(session, [(place.user_id, place.root) for place in places])
    targets = [(mailboxes[place.user_id, place.root], place.path) for place in places]
    ids = await folders.ensure_distributed(session, targets)
    copies = [
        copy._replace(folder_id=ids[mailboxes[place.user_id, place.root], place.path])
        for copy, destinations in filed
        for place in destinations
    ]
    await messages.file_copies(session, store_id, copies)
    blind = [
        BlindRecipient(copy.message_id, place.user_id, address)
        for copy, destinations in filed
        for place in destinations
        for address in place.addresses
    ]
    await blind_recipients.add(session, store_id, blind)
