"""The main job on real servers: a profile's mailboxes are archived byte for byte."""

from __future__ import annotations

from collections.abc import Callable

from muniment.demo.dovecot import Dovecot
from muniment.demo.mail import generate_mailbox
from muniment.demo.maildir import served_bytes
from muniment.model.run import RunState
from muniment.secrecy import Secret
from tests.support.dovecot import MASTER_PASSWORD
from tests.support.harness import Contents, Harness, hashes


def load(dovecot: Dovecot, address: str, seed: int, messages: int) -> Contents:
    """Fill a mailbox and return what Dovecot will serve."""
    mailbox = generate_mailbox(seed, messages)
    dovecot.add_user(address, "unused")
    dovecot.load(address, mailbox)
    return {path: hashes([served_bytes(m.raw) for m in mails]) for path, mails in mailbox.items() if mails}


async def test_export_equals_source(harness: Harness, dovecot: Dovecot, new_address: Callable[[], str]) -> None:
    """After a run of a master profile, each exported folder equals the folder on the server."""
    addresses = [new_address() for _ in range(4)]
    source = {address: load(dovecot, address, seed, 60) for seed, address in enumerate(addresses)}
    await harness.submit("all", dovecot.host, dovecot.port, mailboxes=addresses, password=Secret(MASTER_PASSWORD))

    report = await harness.archive("all")

    assert report.run.state == RunState.SUCCEEDED
    assert source == {address: await harness.exported(address) for address in addresses}


async def test_second_run_fetches_nothing(harness: Harness, dovecot: Dovecot, new_address: Callable[[], str]) -> None:
    """A second run of an unchanged mailbox fetches no messages."""
    address = new_address()
    load(dovecot, address, 7, 40)
    await harness.submit("one", dovecot.host, dovecot.port, mailboxes=[address], password=Secret(MASTER_PASSWORD))
    first = await harness.archive("one")

    second = await harness.archive("one")

    assert first.run.messages.archived == 40
    assert (second.run.messages.seen, second.run.messages.archived) == (0, 0)
