"""Which folders are archived, and why."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from muniment.model.folder import ServerFolder
from muniment.model.folder_names import role_of_name
from muniment.model.folder_scope import EVERYTHING, USUAL, FolderRole, FolderScope, Namespace
from muniment.model.server_kind import GENERIC, ServerKind
from muniment.services.mailboxes.effective_folders import effective_folders, unused_patterns


def folder(
    path: str,
    *attributes: str,
    namespace: Namespace = Namespace.PERSONAL,
    root: tuple[str, ...] = (),
) -> ServerFolder:
    """Return a folder as listed by a server."""
    return ServerFolder(path.encode(), tuple(path.split("/")), frozenset(attributes), None, namespace, root)


def archived(listed: Sequence[ServerFolder | str], scope: FolderScope = USUAL, kind: ServerKind = GENERIC) -> list[str]:
    """Return the paths of the archived folders."""
    folders = [one if isinstance(one, ServerFolder) else folder(one) for one in listed]
    return ["/".join(one.folder.path) for one in effective_folders(folders, scope, kind) if one.is_archived]


@pytest.mark.parametrize(
    "names",
    [
        ["Deleted Items", "Drafts", "Junk E-mail", "Outbox"],
        ["Papierkorb", "Entwürfe", "Spamverdacht", "Postausgang"],
        ["Corbeille", "Brouillons", "Courrier indésirable", "Boîte d'envoi"],
        ["Papelera", "Borradores", "Correo no deseado", "Bandeja de salida"],
        ["Posta eliminata", "Bozze", "Posta indesiderata", "Posta in uscita"],
        ["Verwijderde items", "Concepten", "Ongewenste e-mail", "Postvak UIT"],
        ["Itens excluídos", "Rascunhos", "Lixo eletrônico", "Caixa de saída"],
        ["Elementy usunięte", "Szkice", "Wiadomości-śmieci", "Skrzynka nadawcza"],
        ["Odstraněná pošta", "Koncepty", "Nevyžádaná pošta", "Pošta k odeslání"],
        ["Borttaget", "Utkast", "Skräppost", "Utkorgen"],
        ["Slettet post", "Kladder", "Uønsket mail", "Udbakke"],
        ["Roskakori", "Luonnokset", "Roskaposti", "Lähtevät"],
        ["Удаленные", "Черновики", "Нежелательная почта", "Исходящие"],
        ["Törölt elemek", "Piszkozatok", "Levélszemét", "Postázandó üzenetek"],
        ["ごみ箱", "下書き", "迷惑メール", "送信トレイ"],
        ["已删除邮件", "草稿", "垃圾邮件", "发件箱"],
    ],
    ids=lambda names: names[0],
)
def test_names_tell_roles_in_many_languages(names: list[str]) -> None:
    """Without SPECIAL-USE, folders have the names that mail programs use; Courier has them below INBOX."""
    roles = [FolderRole.DELETED, FolderRole.DRAFTS, FolderRole.JUNK, FolderRole.OUTBOX]

    assert [role_of_name(name) for name in names] == roles
    assert archived(["INBOX", *names]) == ["INBOX"]
    assert archived(["INBOX", *(f"INBOX/{name}/2023" for name in names), *(f"INBOX/{name}" for name in names)]) == [
        "INBOX"
    ]


def test_the_servers_word_counts_more_than_names() -> None:
    """If the server marks a folder (RFC 6154), another folder with a matching name is an ordinary one."""
    listed = [folder("INBOX"), folder("Müll", "\\Trash"), folder("Müll/alt"), folder("Trash"), folder("Drafts")]

    assert archived(listed) == ["INBOX", "Trash"]
    reasons = {"/".join(one.folder.path): one.reason for one in effective_folders(listed, USUAL, GENERIC)}
    assert reasons["Müll"] == "deleted (the server marks it \\Trash)"
    assert reasons["Müll/alt"] == "deleted (the server marks it \\Trash), below Müll"
    assert reasons["Drafts"] == "drafts (by its name)"


def test_deep_names_are_the_users_own() -> None:
    """A folder named Trash within a project has no special role."""
    assert archived(["INBOX", "Projects/Trash", "Archive/Drafts"]) == ["INBOX", "Projects/Trash", "Archive/Drafts"]


def test_names_count_below_the_prefix_of_a_namespace() -> None:
    """Some servers keep all personal folders below one root folder."""
    assert archived([folder("Mail/Trash", root=("Mail",)), folder("Mail/Work", root=("Mail",))]) == ["Mail/Work"]


def test_roles_can_be_archived() -> None:
    """The list of roles to exclude may have any length, including zero."""
    listed = ["INBOX", "Trash", "Drafts"]

    assert archived(listed, FolderScope(always_exclude=frozenset({FolderRole.DRAFTS}))) == ["INBOX", "Trash"]
    assert archived(listed, EVERYTHING) == listed
    [trash] = effective_folders([folder("Trash")], EVERYTHING, GENERIC)
    assert trash.reason == "deleted (by its name), which is archived"


def test_exclusion_beats_inclusion() -> None:
    """An include list restricts the folders, an exclude list restricts them further; excluded roles stay excluded."""
    listed = ["INBOX", "Projects", "Projects/A", "Projects/B", "Trash", "Other"]
    scope = FolderScope(include=("Projects", "Trash"), exclude=("Projects/B",))

    assert archived(listed, scope) == ["Projects", "Projects/A"]
    reasons = {
        "/".join(f.folder.path): f.reason for f in effective_folders([folder(p) for p in listed], scope, GENERIC)
    }
    assert reasons["Projects/A"] == "included by Projects"
    assert reasons["Projects/B"] == "excluded by Projects/B"
    assert reasons["Other"] == "nothing includes it"


def test_other_peoples_mail_is_left_out_unless_wanted() -> None:
    """Folders that a user may read elsewhere are not archived by default: they would be copies, and perhaps a leak."""
    listed = [
        folder("INBOX"),
        folder("Other Users/bob", namespace=Namespace.OTHER_USERS, root=("Other Users",)),
        folder("Public/News", namespace=Namespace.SHARED, root=("Public",)),
    ]

    assert archived(listed) == ["INBOX"]
    assert archived(listed, FolderScope(namespaces=frozenset({Namespace.SHARED}))) == ["Public/News"]
    assert archived(listed, EVERYTHING) == ["INBOX", "Other Users/bob", "Public/News"]


def test_a_kind_of_server_knows_its_roots() -> None:
    """MDaemon lists them among the user's folders."""
    listed = ["INBOX", "Public Folders/News", "Shared Folders/bob"]

    assert archived(listed, kind=ServerKind.parse("mdaemon")) == ["INBOX"]
    assert archived(listed) == listed


def test_patterns_that_fit_nothing_are_told() -> None:
    """A pattern that matches nothing is probably a typing error."""
    scope = FolderScope(include=("Projekts",), exclude=("Projects/B",))

    unused = unused_patterns([folder("Projects"), folder("Projects/B")], scope)

    assert [pattern.text for pattern in unused] == ["Projekts"]


def test_views_of_gmail_are_left_out_with_the_reason() -> None:
    """Starred and Important show what All Mail shows; without All Mail, they are the only place of some messages."""
    gmail = ServerKind.parse("gmail")
    listed = [
        folder("INBOX"),
        folder("[Gmail]/All Mail", "\\All"),
        folder("[Gmail]/Starred", "\\Flagged"),
        folder("[Gmail]/Important", "\\Important"),
        folder("Work"),
    ]

    assert archived(listed, kind=gmail) == ["INBOX", "[Gmail]/All Mail", "Work"]
    reasons = {"/".join(one.folder.path): one.reason for one in effective_folders(listed, USUAL, gmail)}
    assert reasons["[Gmail]/Starred"] == "a view: its messages are archived with [Gmail]/All Mail"
    without = FolderScope(exclude=("[Gmail]/All Mail",))
    assert archived(listed, without, gmail) == ["INBOX", "[Gmail]/Starred", "[Gmail]/Important", "Work"]
    assert archived(listed) == [one.wire_name.decode() for one in listed]
