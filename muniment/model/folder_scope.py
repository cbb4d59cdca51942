"""Which folders of a mailbox a profile archives: MailStore's three lists, and whose folders they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from muniment.errors import Misconfigured
from muniment.model.expressions import check_expression, expression, is_found

_WHAT = "folder pattern"
_ALONE = "/."

#: The folder of sent mail in an archive, as MailStore calls it.
SENT_ITEMS = "Sent Items"


class FolderRole(StrEnum):
    """What a folder is for, where nobody would miss it in an archive; MailStore's default exclusions."""

    DELETED = "deleted"
    DRAFTS = "drafts"
    JUNK = "junk"
    OUTBOX = "outbox"


class Namespace(StrEnum):
    """Whose folders they are (RFC 2342)."""

    PERSONAL = "personal"
    OTHER_USERS = "other-users"
    SHARED = "shared"


@dataclass(frozen=True)
class FolderPattern:
    """An entry of an include or exclude list; `/` separates folders, whatever the server uses.

    `Private`: this folder and its subfolders. `Private/.`: this folder alone. `||text`: a regular expression that is
    searched for anywhere in the path. `|i|text`: the same, and case does not matter.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> FolderPattern:
        """Return the pattern; Misconfigured when it is empty or no regular expression."""
        if not text.strip("/"):
            raise Misconfigured("a folder pattern is empty", hint="Write a folder's path, like Projects/2024.")
        check_expression(text, _WHAT)
        return cls(text)

    def matches(self, path: str) -> bool:
        """Tell whether it fits a path; Misconfigured when a regular expression takes too long for that."""
        if expression(self.text) is not None:
            return is_found(self.text, path, _WHAT)
        if self.text.endswith(_ALONE):
            return path == _plain(self.text.removesuffix(_ALONE))
        plain = _plain(self.text)
        return path == plain or path.startswith(f"{plain}/")


@dataclass(frozen=True)
class FolderScope:
    """Which folders are archived. Without `include` all are; what is excluded in any way is out.

    `always_exclude`: folders with these roles and all below them. `namespaces`: whose folders are archived at all.
    `sent`: paths of folders for sent mail (MDaemon's special folder), which are filed as *Sent Items*.
    """

    include: tuple[FolderPattern, ...] = ()
    exclude: tuple[FolderPattern, ...] = ()
    always_exclude: frozenset[FolderRole] = frozenset(FolderRole)
    namespaces: frozenset[Namespace] = frozenset({Namespace.PERSONAL})
    sent: tuple[str, ...] = ()

    def filed(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """Return where a folder stands in the archive."""
        for name in self.sent:
            names = tuple(name.strip("/").split("/"))
            if path[: len(names)] == names:
                return (SENT_ITEMS, *path[len(names) :])
        return path

    def lists(self) -> dict[str, list[str]]:
        """Return it as lists of texts, each in full: defaults may change, what was stored does not."""
        return {
            "include": [pattern.text for pattern in self.include],
            "exclude": [pattern.text for pattern in self.exclude],
            "always_exclude": sorted(self.always_exclude),
            "namespaces": sorted(self.namespaces),
            "sent": list(self.sent),
        }

    @classmethod
    def of_lists(cls, lists: Mapping[str, Sequence[str]]) -> FolderScope:
        """Return what `lists` was made of; Misconfigured when an entry is no pattern."""
        return cls(
            include=tuple(map(FolderPattern.parse, lists["include"])),
            exclude=tuple(map(FolderPattern.parse, lists["exclude"])),
            always_exclude=frozenset(map(FolderRole, lists["always_exclude"])),
            namespaces=frozenset(map(Namespace, lists["namespaces"])),
            sent=tuple(lists.get("sent", ())),
        )


#: What a profile gets that names none.
USUAL = FolderScope()

#: Every folder that the server shows.
EVERYTHING = FolderScope(always_exclude=frozenset(), namespaces=frozenset(Namespace))


def _plain(text: str) -> str:
    """Return the path of a plain pattern. INBOX is the one name that every server takes in any case (RFC 9051 §5.1)."""
    path = text.strip("/")
    first, slash, rest = path.partition("/")
    return f"INBOX{slash}{rest}" if first.upper() == "INBOX" else path
