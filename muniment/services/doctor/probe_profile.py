"""Try a profile on one mailbox, step by step, without archiving anything."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from muniment.db import profiles
from muniment.db.profiles import ProfileMailbox
from muniment.errors import BrokerUnavailable, MunimentError, Permanent, ServerBusy, WrongMailbox
from muniment.mailserver import MailSession
from muniment.model.finding import Finding, Verdict, failed, fine, warning
from muniment.model.folder import ServerFolder, messages_in
from muniment.model.login import Credentials
from muniment.model.profile import Server
from muniment.services.access.audit import Action, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.doctor.diagnose_mailbox import diagnose_mailbox
from muniment.services.mailboxes.check_mailbox import EMPTY, fingerprint, fingerprint_of, is_same_mailbox
from muniment.services.mailboxes.credentials import Logins, MailboxLogin, open_logins
from muniment.services.mailboxes.open_session import open_session
from muniment.services.resources import Resources


@dataclass
class Probe:
    """The findings of each step, up to the first failure that makes the next steps impossible.

    `messages`: None if the server reports no counts without opening each folder. `error`: why a run would archive
    nothing.
    """

    mailbox: str
    login: str = ""
    folders: int = 0
    messages: int | None = None
    capabilities: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    error: MunimentError | None = None

    @property
    def warnings(self) -> list[str]:
        """Findings that are not OK."""
        return [f"{finding.step}: {finding.found}" for finding in self.findings if finding.verdict is not Verdict.OK]


@audited(Action.PROFILE_TESTED, "name", details=("mailbox",), ahead=True)
async def probe_profile(principal: Principal, resources: Resources, name: str, mailbox: str | None = None) -> Probe:
    """Try one mailbox of the profile (by default the first) and return what works and what to change.

    Problems with the server are part of the result. Raises NotFound if the profile or mailbox does not exist, and
    Misconfigured if a password cannot be decrypted.
    """
    principal.require(Right.ARCHIVE, Right.MODIFY_PROFILES)
    async with resources.database.session() as db:
        profile = await profiles.find(db, name)
        found = await profiles.test_mailbox(db, profile, mailbox)
        stored = await profiles.get(db, profile.id)
    logins = await open_logins(resources, stored)
    probe = Probe(found.address)
    login = logins.of_mailbox(found)
    if not await _way_is_open(resources, login.server, probe):
        # Try all the same, to report the error that a run would report.
        probe.error = await _error_of_login(resources, login)
        return probe
    session = await _log_in(resources, logins, found, login, probe)
    if session is not None:
        await _look(resources, logins, session, probe)
    return probe


async def _way_is_open(resources: Resources, server: Server, probe: Probe) -> bool:
    """Check name, TCP and TLS of the server; False if it cannot be reached."""
    async for finding in resources.connector.diagnose(server, resources.limits):
        probe.findings.append(finding)
    return all(finding.verdict is not Verdict.FAILED for finding in probe.findings)


async def _error_of_login(resources: Resources, login: MailboxLogin) -> MunimentError | None:
    try:
        session = await open_session(resources, login.server, login.credentials, 0)
    except MunimentError as error:
        return error
    await session.logout()
    return None


async def _log_in(
    resources: Resources, logins: Logins, mailbox: ProfileMailbox, login: MailboxLogin, probe: Probe
) -> MailSession | None:
    """Try every login method that the profile allows; return a session by the one that a run would use."""
    first: MunimentError | None = None
    session: MailSession | None = None
    way: Credentials | None = login.credentials
    methods = {method.kind: str(method) for method in logins.profile.logins}
    while way is not None:
        name = methods.get(way.kind, way.kind.value)
        try:
            opened = await open_session(resources, login.server, replace(way, instead=None), mailbox.mailbox_id)
        except (ServerBusy, BrokerUnavailable) as error:
            if session is not None:
                break  # the server allows one connection, and the method that works holds it
            probe.error = error
            return None
        except MunimentError as error:
            first = first or error
            if session is None:
                probe.findings.append(failed(f"login {name}", str(error), error.hint))
        else:
            if session is None:
                session, probe.login = opened, name
                probe.findings.append(fine(f"login {name}", f"{probe.mailbox} is open"))
            else:
                probe.findings.append(fine(f"login {name}", "also works"))
                await opened.logout()
        way = way.instead
    if session is None:
        probe.error = first
    return session


async def _look(resources: Resources, logins: Logins, session: MailSession, probe: Probe) -> None:
    try:
        listed = await session.list_folders()
        probe.capabilities = sorted(session.capabilities)
        probe.folders = len(listed)
        probe.messages = messages_in(listed)
        print_ = await fingerprint(session, listed) if logins.profile.is_privileged else EMPTY
        async for finding in diagnose_mailbox(session, listed, logins.profile.server, logins.profile):
            probe.findings.append(finding)
        await session.logout()
    except MunimentError as error:
        probe.findings.append(failed("reading", str(error), error.hint))
        probe.error = error
        return
    finally:
        session.abort()
    await _is_right(resources, logins, print_, listed, probe)


async def _is_right(
    resources: Resources, logins: Logins, print_: bytes, listed: list[ServerFolder], probe: Probe
) -> None:
    """Compare the mailbox with the privileged user's own: OK to a login does not prove that the right one opened."""
    master = logins.of_master()
    if master is None or print_ == EMPTY or not listed:
        return
    try:
        own = await fingerprint_of(resources, logins.profile.server, master)
    except Permanent:
        own = EMPTY  # the privileged user has no mailbox that could be opened by mistake
    except MunimentError as error:
        told = f"{master.user}'s own mailbox cannot be looked at: {error}"
        probe.findings.append(warning("right mailbox", told, error.hint))
        return
    if is_same_mailbox(print_, own):
        probe.error = WrongMailbox(f"the server opened the privileged user's own mailbox instead of {probe.mailbox}")
        probe.findings.append(failed("right mailbox", str(probe.error), probe.error.hint))
    else:
        probe.findings.append(fine("right mailbox", f"it is not {master.user}'s own"))
