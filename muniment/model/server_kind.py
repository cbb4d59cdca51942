"""Kinds of mail servers: what is known of each, as data; docs/reference/servers.md shows it.

How sure each line is stands in `source`: *tried* on that server, *documented* by its maker, *reported* by people who
use it so, or a *guess*. A guess is a default that a profile's own settings replace.
"""

from __future__ import annotations

from dataclasses import dataclass

from muniment.errors import Misconfigured
from muniment.model.login import Identity, LoginKind, LoginMethod

_PLAIN = LoginMethod(LoginKind.PLAIN_AUTHZID)


def _template(text: str) -> LoginMethod:
    return LoginMethod(LoginKind.TEMPLATE, text)


@dataclass(frozen=True)
class ServerKind:
    """What a kind of mail server needs, beyond what its profile says.

    `logins`: of a privileged user, in the order of preference; the first that the server offers is used.
    `identity`: what such a login calls a mailbox. `may_open_own`: a privileged login that the server does not
    understand may end in the privileged user's own mailbox, so that one is looked at first, to tell others from it.
    `searches_well`: what its SEARCH says of flags, sizes and dates can be relied on.
    `names_owners`: the folders of a mailbox that collects everybody's mail say whose it is, as domain and account.
    `shared_roots`, `other_users_roots`: top-level folders of everybody's and of other people's mail, where the server's
    NAMESPACE (RFC 2342) does not tell them.
    """

    name: str
    title: str
    source: str
    logins: tuple[LoginMethod, ...] = (_PLAIN,)
    identity: Identity = Identity.ADDRESS
    may_open_own: bool = True
    searches_well: bool = True
    names_owners: bool = False
    shared_roots: tuple[str, ...] = ()
    other_users_roots: tuple[str, ...] = ()

    @classmethod
    def parse(cls, name: str) -> ServerKind:
        """Return the kind of this name; Misconfigured otherwise."""
        try:
            return _BY_NAME[name]
        except KeyError:
            raise Misconfigured(f"unknown kind of server {name!r}", hint=f"Known: {', '.join(_BY_NAME)}.") from None


SERVER_KINDS = (
    ServerKind("generic", "any IMAP server", "SASL PLAIN (RFC 4616) is the only standard way."),
    ServerKind(
        "dovecot",
        "Dovecot",
        "Tried on 2.3.19: it refuses an unknown mailbox, and a user who is no master user.",
        logins=(_PLAIN, _template("{user}*{master}")),
        may_open_own=False,
    ),
    ServerKind(
        "cyrus",
        "Cyrus IMAP",
        "Tried on 3.6.1, with `proxyservers`. It accepts an unknown address: with autocreate, it creates an empty "
        "mailbox.",
        may_open_own=False,
    ),
    ServerKind(
        "mdaemon",
        "MDaemon",
        "The login is a guess; the root folders are those in its manual.",
        shared_roots=("Public Folders",),
        other_users_roots=("Shared Folders",),
    ),
    ServerKind(
        "icewarp",
        "IceWarp",
        "Reported. Without administrator rights, the login succeeds but opens the user's own mailbox. Its SEARCH is not "
        "reliable.",
        searches_well=False,
        names_owners=True,
    ),
    ServerKind(
        "kerio",
        "Kerio Connect",
        "Documented by its vendor: a master password, which belongs to no user; `--user` is not needed.",
        logins=(LoginMethod(LoginKind.X_MASTERAUTH),),
        may_open_own=False,
    ),
    ServerKind("zimbra", "Zimbra", "Reported, with an administrator account."),
    ServerKind(
        "exchange",
        "Microsoft Exchange 2007 to 2019",
        "Reported: mailboxes by alias, and full access for a user with a mailbox of its own; write it as DOMAIN\\user.",
        logins=(_PLAIN, _template("{master}\\{user}")),
        identity=Identity.LOCAL_PART,
    ),
    ServerKind(
        "stalwart",
        "Stalwart",
        "Documented by its vendor, with the permission `impersonate`.",
        logins=(_template("{user}%{master}"),),
    ),
    ServerKind(
        "hmailserver",
        "hMailServer 5.7",
        "Read in its source: requires the settings for a master user and for SASL PLAIN.",
    ),
    ServerKind(
        "james",
        "Apache James",
        "Reported, with `administratorId`. Older versions open the administrator's own mailbox instead.",
    ),
    ServerKind(
        "sun",
        "Sun, Oracle and Netscape Messaging Server",
        "Reported.",
        logins=(LoginMethod(LoginKind.PROXYAUTH),),
    ),
)

_BY_NAME = {kind.name: kind for kind in SERVER_KINDS}

#: What a profile gets that names no other.
GENERIC = SERVER_KINDS[0]
