"""What a mail server wants a person to know reaches a person."""

from __future__ import annotations

from muniment.model.finding import Verdict
from muniment.services.doctor.probe_profile import probe_profile
from tests.support.harness import Harness
from tests.support.imap_server import running_imap_server
from tests.support.principal import ADMIN
from tests.support.scripted import archive, mailbox, neighbourhood

ALERT = "Your mailbox moves on Sunday"


async def test_an_alert_is_a_warning_of_the_run_and_of_the_doctor(harness: Harness) -> None:
    """RFC 9051 §7.1: the text must be presented to the user. The mailbox is archived all the same."""
    script = neighbourhood(mailbox("target"), [])
    script.greeting = f"* OK [ALERT] {ALERT}"
    with running_imap_server(script) as server:
        report = await archive(harness, server)
        probe = await probe_profile(ADMIN, harness.resources, "all")

    assert report.run.mailboxes.done == 1
    assert any(ALERT in warning for notice in report.notices for warning in notice.warnings)
    (finding,) = [one for one in probe.findings if one.step == "alert"]
    assert (finding.verdict, finding.found) == (Verdict.WARNING, ALERT)
