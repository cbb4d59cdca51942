"""The main job on real mail: the whole corpus, distributed over two dozen mailboxes of a real server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from muniment.demo.dovecot import Dovecot
from muniment.demo.mail import GeneratedMessage, generate_mailbox
from muniment.demo.maildir import served_bytes
from muniment.model.run import RunState
from muniment.secrecy import Secret
from muniment.services.reading.verify_archive import verify_archive
from tests.support.corpus import corpus_archive, corpus_mailboxes
from tests.support.dovecot import MASTER_PASSWORD
from tests.support.harness import Contents, Harness, hashes
from tests.support.principal import ADMIN

MAILBOXES = 24

Mailboxes = dict[str, dict[tuple[str, ...], list[GeneratedMessage]]]


def real_mailboxes(addresses: list[str]) -> Mailboxes:
    """Return real mail with nested and awkward folders; without a corpus, generated mail."""
    if corpus_archive() is not None:
        return corpus_mailboxes(addresses)
    return {address: generate_mailbox(seed, 150, owner=address) for seed, address in enumerate(addresses)}


def source(mailbox: dict[tuple[str, ...], list[GeneratedMessage]]) -> Contents:
    """Return a mailbox as Dovecot serves it."""
    return {path: hashes([served_bytes(mail.raw) for mail in mails]) for path, mails in mailbox.items() if mails}


@pytest.mark.proof
async def test_every_real_message_comes_back(
    harness: Harness, dovecot: Dovecot, new_address: Callable[[], str]
) -> None:
    """Each exported folder equals the source, verify finds no damage, and a second run archives nothing."""
    mailboxes = real_mailboxes([new_address() for _ in range(MAILBOXES)])
    for address, mailbox in mailboxes.items():
        dovecot.add_user(address, "unused")
        dovecot.load(address, mailbox)
    count = sum(len(mails) for mailbox in mailboxes.values() for mails in mailbox.values())
    everyday = harness.with_settings(batch_messages=500)
    await everyday.submit(
        "all", dovecot.host, dovecot.port, mailboxes=list(mailboxes), password=Secret(MASTER_PASSWORD)
    )

    first = await everyday.archive("all")
    second = await everyday.archive("all")
    verified = await verify_archive(ADMIN, harness.resources)

    assert (RunState.SUCCEEDED, count) == (first.run.state, first.run.messages.archived)
    assert (second.run.state, second.run.messages.seen) == (RunState.SUCCEEDED, 0)
    assert verified.damage == []
    for address, mailbox in mailboxes.items():
        assert source(mailbox) == await harness.exported(address), address
