"""Kinds of mail servers and what is known about each, as data; docs/reference/servers.md is generated from it.

`source` tells how reliable an entry is: *tested* on that server, *documented* by its vendor, *reported* by its users,
or a *guess*. A guess is only a default, which the settings of a profile override.
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
    """Properties of a mail server product that a profile does not specify.

    `logins`: methods of a privileged login, in order of preference; the first that the server offers is used.
    `identity`: how such a login names a mailbox. `may_open_own`: if the server misinterprets a privileged login, it may
    open the privileged user's own mailbox; therefore that mailbox is inspected first, to recognise it. `searches_well`:
    SEARCH is reliable for flags, sizes and dates. `names_owners`: the folders of a collecting mailbox name the owner of
    the messages, as domain and account. `has_label_views`: folders are views of *All Mail*, one for each label.
    `shared_roots`, `other_users_roots`: top-level folders with shared mail and
    with mail of other users, if the server does not announce them with NAMESPACE (RFC 2342).
    """

    name: str
    title: str
    source: str
    logins: tuple[LoginMethod, ...] = (_PLAIN,)
    identity: Identity = Identity.ADDRESS
    may_open_own: bool = True
    searches_well: bool = True
    names_owners: bool = False
    has_label_views: bool = False
    shared_roots: tuple[str, ...] = ()
    other_users_roots: tuple[str, ...] = ()

    @classmethod
    def parse(cls, name: str) -> ServerKind:
        """Return the kind of this name; Misconfigured otherwise."""
        try:
            return _BY_NAME[name]
        except KeyError:
            raise Misconfigured(
                f"unknown server kind {name!r}", hint=f"Supported kinds: {', '.join(_BY_NAME)}."
            ) from None


SERVER_KINDS = (
    ServerKind("generic", "any IMAP server", "SASL PLAIN is the only standard for privileged logins (RFC 4616)."),
    ServerKind(
        "dovecot",
        "Dovecot",
        "Tested on 2.3.19. Logins to unknown mailboxes, and by users without the right, are refused.",
        logins=(_PLAIN, _template("{user}*{master}")),
        may_open_own=False,
    ),
    ServerKind(
        "cyrus",
        "Cyrus IMAP",
        "Tested on 3.6.1, with `proxyservers`. An unknown address is not an error: with autocreate, Cyrus creates an "
        "empty mailbox.",
        may_open_own=False,
    ),
    ServerKind(
        "mdaemon",
        "MDaemon",
        "The login is a guess; the folder roots are documented in the manual.",
        shared_roots=("Public Folders",),
        other_users_roots=("Shared Folders",),
    ),
    ServerKind(
        "icewarp",
        "IceWarp",
        "Reported. Without administrator rights, the login succeeds but opens the user's own mailbox. SEARCH is not "
        "reliable.",
        searches_well=False,
        names_owners=True,
    ),
    ServerKind(
        "kerio",
        "Kerio Connect",
        "Documented by the vendor: a master password without a user; `--user` is not needed.",
        logins=(LoginMethod(LoginKind.X_MASTERAUTH),),
        may_open_own=False,
    ),
    ServerKind(
        "gmail",
        "Gmail, Google Workspace",
        "Documented by the vendor; tested with a scripted server only. Starred and Important are views of All Mail and "
        "are left out; from All Mail, only messages that no other archived folder shows are fetched.",
        has_label_views=True,
    ),
    ServerKind("zimbra", "Zimbra", "Reported, with an administrator account."),
    ServerKind(
        "exchange",
        "Microsoft Exchange 2007 to 2019",
        "Reported: mailboxes are named by alias. The privileged user needs full access and a mailbox of its own; "
        "specify it as DOMAIN\\user.",
        logins=(_PLAIN, _template("{master}\\{user}")),
        identity=Identity.LOCAL_PART,
    ),
    ServerKind(
        "stalwart",
        "Stalwart",
        "Documented by the vendor, with the permission `impersonate`.",
        logins=(_template("{user}%{master}"),),
    ),
    ServerKind(
        "hmailserver",
        "hMailServer 5.7",
        "According to the source code; requires the settings for a master user and SASL PLAIN.",
    ),
    ServerKind(
        "james",
        "Apache James",
        "Reported, with `administratorId`. Older versions open the administrator's own mailbox.",
    ),
    ServerKind(
        "sun",
        "Sun, Oracle and Netscape Messaging Server",
        "Reported.",
        logins=(LoginMethod(LoginKind.PROXYAUTH),),
    ),
)

_BY_NAME = {kind.name: kind for kind in SERVER_KINDS}

#: The kind of a profile that specifies none.
GENERIC = SERVER_KINDS[0]
