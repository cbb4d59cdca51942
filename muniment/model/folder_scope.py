"""Which folders of a mailbox a profile archives: MailStore's three lists, and the namespaces."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from unicodedata import normalize

import msgspec

from muniment.errors import Misconfigured
from muniment.model.expressions import check_expression, expression, is_found

_WHAT = "folder pattern"
_ALONE = "/."

#: The folder for sent mail in an archive; MailStore uses the same name.
SENT_ITEMS = "Sent Items"


class FolderRole(StrEnum):
    """The role of a folder that is excluded by default; MailStore has the same default exclusions."""

    DELETED = "deleted"
    DRAFTS = "drafts"
    JUNK = "junk"
    OUTBOX = "outbox"


class Namespace(StrEnum):
    """The owner of a folder (RFC 2342)."""

    PERSONAL = "personal"
    OTHER_USERS = "other-users"
    SHARED = "shared"


@dataclass(frozen=True)
class FolderPattern:
    """An entry of an include or exclude list; `/` separates folder names, regardless of the server's delimiter.

    `Private`: this folder and its subfolders. `Private/.`: this folder without subfolders. `||text`: a regular
    expression that matches anywhere in the path. `|i|text`: the same, case-insensitive.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> FolderPattern:
        """Return the pattern; Misconfigured if it is empty or an invalid regular expression."""
        if not text.strip("/"):
            raise Misconfigured("a folder pattern is empty", hint="Write the path of a folder, such as Projects/2024.")
        check_expression(text, _WHAT)
        return cls(text)

    def matches(self, path: str) -> bool:
        """Return whether the pattern matches a path; Misconfigured if a regular expression takes too long.

        Composed and decomposed letters match each other: macOS sends folder names in NFD.
        """
        text, path = normalize("NFC", self.text), normalize("NFC", path)
        if expression(text) is not None:
            return is_found(text, path, _WHAT)
        if text.endswith(_ALONE):
            return path == _plain(text.removesuffix(_ALONE))
        plain = _plain(text)
        return path == plain or path.startswith(f"{plain}/")


class FolderScope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which folders are archived. Without `include`, all are; any exclusion takes precedence.

    `include`, `exclude`: the texts of folder patterns. `always_exclude`: exclude folders with these roles, and their
    subfolders. `namespaces`: archive only folders in these namespaces. `sent`: paths of folders for sent mail
    (MDaemon's special folder), archived as *Sent Items*.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    always_exclude: frozenset[FolderRole] = frozenset(FolderRole)
    namespaces: frozenset[Namespace] = frozenset({Namespace.PERSONAL})
    sent: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for text in (*self.include, *self.exclude):
            FolderPattern.parse(text)

    @property
    def included(self) -> tuple[FolderPattern, ...]:
        """The patterns of `include`."""
        return tuple(map(FolderPattern, self.include))

    @property
    def excluded(self) -> tuple[FolderPattern, ...]:
        """The patterns of `exclude`."""
        return tuple(map(FolderPattern, self.exclude))

    def filed(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """Return the path of a folder in the archive."""
        for name in self.sent:
            names = tuple(name.strip("/").split("/"))
            if [normalize("NFC", part) for part in path[: len(names)]] == [normalize("NFC", part) for part in names]:
                return (SENT_ITEMS, *path[len(names) :])
        return path


#: The scope of a profile that specifies none.
USUAL = FolderScope()

#: Every folder that the server lists.
EVERYTHING = FolderScope(always_exclude=frozenset(), namespaces=frozenset(Namespace))


def _plain(text: str) -> str:
    """Return the path of a plain pattern. Only the name INBOX is case-insensitive on every server (RFC 9051 §5.1)."""
    path = text.strip("/")
    first, slash, rest = path.partition("/")
    return f"INBOX{slash}{rest}" if first.upper() == "INBOX" else path
