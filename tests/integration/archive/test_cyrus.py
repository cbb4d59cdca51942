"""Cyrus, where a successful proxied login proves nothing."""

from __future__ import annotations

import imaplib
from collections.abc import Callable

from muniment.demo.mail import generate_mailbox
from muniment.model.run import RunState
from muniment.secrecy import Secret
from tests.support.cyrus import PROXY, PROXY_PASSWORD, Cyrus
from tests.support.harness import Harness
from tests.support.mailgen import append, digests
from tests.support.scripted import proven


async def test_typo_ends_with_a_warning(harness: Harness, cyrus: Cyrus, new_address: Callable[[], str]) -> None:
    """A mistyped address, for which Cyrus creates a mailbox, gives a warning and no proof; the correct one is exact."""
    address, typo = new_address(), "typo-" + new_address()
    cyrus.add_user(address, "secret")
    connection = imaplib.IMAP4(cyrus.host, cyrus.port)
    connection.login(address, "secret")
    mailbox = generate_mailbox(3, 30)
    refused = append(connection, mailbox)
    connection.logout()
    await harness.submit(
        "all", cyrus.host, cyrus.port, mailboxes=[address, typo], user=PROXY, password=Secret(PROXY_PASSWORD)
    )

    report = await harness.archive("all")
    again = await harness.archive("all")

    expected = {
        path: counter
        for path, counter in digests(
            {path: [m for m in mails if m not in refused.get(path, [])] for path, mails in mailbox.items()}
        ).items()
        if counter
    }
    for each in (report, again):
        assert each.run.state == RunState.SUCCEEDED
        [notice] = each.notices
        assert notice.mailbox == typo
        assert "mistyped address" in notice.warnings[0]
    assert again.run.messages.seen == 0
    assert (await proven(harness, address), await proven(harness, typo)) == (True, False)
    assert expected == await harness.exported(address)
    assert await harness.exported(typo) == {}
