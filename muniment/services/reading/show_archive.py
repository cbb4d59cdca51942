"""Show what archives hold, and since when that is known to be complete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from muniment.db import archives, users
from muniment.model.proof import ArchivedFolder, ArchivedMailbox, MailboxProof
from muniment.services.access.audit import Action, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources


@dataclass(frozen=True)
class ArchiveView:
    """Mailboxes out of `count` in all, and their folders if the view is of one user's archive."""

    mailboxes: list[ArchivedMailbox]
    count: int
    folders: list[ArchivedFolder] = field(default_factory=list)


async def list_archives(principal: Principal, resources: Resources, limit: int | None) -> ArchiveView:
    """Return up to `limit` mailboxes (None: all) with what is archived of each; numbers, and no names of folders."""
    principal.require(Right.OPERATE)
    async with resources.database.transaction(snapshot=True) as session:
        return ArchiveView(await archives.mailboxes(session, limit), await archives.count_mailboxes(session))


@audited(Action.ARCHIVE_SHOWN, "user", own=False)
async def show_archive(principal: Principal, resources: Resources, user: str) -> ArchiveView:
    """Return the mailboxes and folders of a user's archive, with what is archived in each; NotFound: no such user.

    Users may see their own archive. Names of folders tell about a person, so a look at somebody else's is recorded.
    """
    principal.require_access_to(user)
    async with resources.database.transaction() as session:
        owner = await users.find(session, user)
        proofs = await archives.proofs_of(session, owner.id)
        folders = await archives.folders_of(session, owner.id)
    found = [_sum(proof, [one for one in folders if one.address == proof.address]) for proof in proofs]
    return ArchiveView(found, len(found), folders)


def _sum(proof: MailboxProof, folders: Sequence[ArchivedFolder]) -> ArchivedMailbox:
    """Add up the folders of a mailbox; those that the server does not list any more do not count there."""
    there = [one for one in folders if one.vanished is None]
    return ArchivedMailbox(
        user_name=proof.user_name,
        address=proof.address,
        folders=len(folders),
        messages=sum(one.messages for one in folders),
        gone=sum(one.gone for one in folders),
        oldest=min((one.oldest for one in folders if one.oldest), default=None),
        newest=max((one.newest for one in folders if one.newest), default=None),
        on_server=sum(one.on_server for one in there),
        filtered=sum(one.filtered for one in there),
        missing=sum(one.missing for one in there),
        proven=proof.proven,
        visited=proof.visited,
    )
