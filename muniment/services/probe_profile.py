"""Try a profile on one mailbox without archiving anything."""

from __future__ import annotations

from dataclasses import dataclass

from muniment.errors import Permanent
from muniment.services.check_mailbox import EMPTY, EMPTY_MAILBOX, fingerprint, fingerprint_of, is_same_mailbox
from muniment.services.doors import Doors
from muniment.services.try_mailbox import tried_mailbox


@dataclass(frozen=True)
class Probe:
    """What the server showed; `messages` is None when it does not say without opening each folder."""

    mailbox: str
    login: str
    folders: int
    messages: int | None
    capabilities: list[str]
    warnings: list[str]


async def probe_profile(doors: Doors, name: str, mailbox: str | None = None) -> Probe:
    """Log in to one mailbox of the profile (the first, unless named) and look at its folders.

    Raises what `muniment.imap` raises; NotFound when profile or mailbox do not exist.
    """
    async with tried_mailbox(doors, name, mailbox) as tried:
        profile, session, listed = tried.profile, tried.session, tried.listed
        print_ = await fingerprint(session, listed)
    master = tried.logins.of_master()
    warnings = list(profile.warnings)
    if print_ == EMPTY:
        warnings.append(EMPTY_MAILBOX)
    elif master is not None:
        try:
            own = await fingerprint_of(doors, profile.server, master)
        except Permanent:
            own = EMPTY  # he cannot log in as himself, or see anything then: nothing to mix up
        if is_same_mailbox(print_, own):
            warnings.append("the server opened the privileged user's own mailbox")
    counts = [folder.status.messages for folder in listed if folder.status and folder.status.messages is not None]
    return Probe(
        mailbox=tried.address,
        login=next((str(method) for method in profile.logins if method.kind is session.login_kind), session.login_kind),
        folders=len(listed),
        messages=sum(counts) if len(counts) == len(listed) else None,
        capabilities=sorted(session.capabilities),
        warnings=warnings,
    )
