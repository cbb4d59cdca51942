"""Profiles as documents: changing, exporting and importing them, and the audit log."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from muniment.db import profiles
from muniment.errors import Conflict, Misconfigured
from muniment.model.folder_scope import FolderScope, Namespace
from muniment.model.login import Credentials, Identity, LoginMethod
from muniment.model.profile import Access, ProfileDocument, ProfileKind, Server
from muniment.model.server_kind import ServerKind
from muniment.secrecy import Secret
from muniment.services.access.audit import show_audit
from muniment.services.access.principal import Principal
from muniment.services.mailboxes.access_token import token_command
from muniment.services.mailboxes.credentials import open_logins
from muniment.services.profiles.edit_profile import edit_profile, export_profile, import_profile
from muniment.services.profiles.profile_document import from_toml, to_builtins, to_toml, with_change
from muniment.services.profiles.submit_profile import ProfileSummary, remove_profile, summarize_profile
from tests.support.harness import Harness
from tests.support.principal import ADMIN

EVE = Principal.administrator("eve@host")

CSV = b"login;password;address;user\nann;pw1;ann@example.com;Ann\nben;pw2;ben@example.com;Ben\n"


async def submit(harness: Harness, **changes: Any) -> ProfileSummary:
    """Add a profile in which no field has its default."""
    rich = {
        "server": Server("mail.example.com", 1143, Access.IMAP_TLS, accept_all_certificates=True, timeout_seconds=7.5),
        "server_kind": ServerKind.parse("exchange"),
        "login": LoginMethod.parse("template:{master}\\{user}"),
        "identity": Identity.USER,
        "mailboxes": ["ann@example.com", "ben@example.com"],
        "max_jobs": 3,
        "allow_same_mailbox": True,
        "no_master_mailbox": True,
        "folders": FolderScope(
            include=("|i|^inbox",),
            exclude=("A/B", "C/."),
            always_exclude=frozenset(),
            namespaces=frozenset(Namespace),
        ),
    }
    return await harness.submit("office", "", 0, **{**rich, **changes})


async def password(harness: Harness, name: str = "office") -> bytes:
    """Return the sealed password."""
    async with harness.database.session() as session:
        profile = await profiles.find(session, name)
        return (await profiles.get(session, profile.id)).sealed_password


async def login(harness: Harness) -> Credentials:
    """Return what a worker would send for the first mailbox."""
    async with harness.database.session() as session:
        stored = await profiles.get(session, (await profiles.find(session, "office")).id)
        mailbox = await profiles.test_mailbox(session, stored.profile, None)
    return (await open_logins(harness.resources, stored)).of_mailbox(mailbox).credentials


async def edit(harness: Harness, *changes: tuple[str, str], **given: Any) -> ProfileSummary:
    """Change fields of the profile."""
    old = new = await export_profile(ADMIN, harness.resources, "office")
    for key, value in changes:
        new = with_change(new, key, value)
    options = {"password": Secret(""), "csv": None, **given}
    return await edit_profile(EVE, harness.resources, old, new, **options)


async def test_a_profile_survives_the_way_through_a_file(harness: Harness) -> None:
    """A profile exported and imported under another name is identical; only the password must be entered again."""
    await submit(harness)
    text = to_toml(await export_profile(ADMIN, harness.resources, "office"))
    document = replace(from_toml(text), name="copy")
    secret = Secret("another")
    await import_profile(ADMIN, harness.resources, document, password=secret, csv=None)

    one, other = [(await summarize_profile(ADMIN, harness.resources, name)).profile for name in ("office", "copy")]
    assert replace(one, id=0, name="") == replace(other, id=0, name="")
    copy = await export_profile(ADMIN, harness.resources, "copy")
    assert copy.mailboxes.addresses == ("ann@example.com", "ben@example.com")
    assert "master" not in text.replace("{master}", "").replace('kind = "master"', "").replace("no_master_mailbox", "")
    with pytest.raises(Conflict):
        await import_profile(ADMIN, harness.resources, document, password=secret, csv=None)


@pytest.mark.parametrize(
    ("key", "value", "attribute", "expected"),
    [
        ("server.timeout_seconds", "9.5", "server.timeout_seconds", 9.5),
        ("server.kind", "cyrus", "server.kind", "cyrus"),
        ("login.user", "somebody", "login.user", "somebody"),
        ("login.method", "plain-authzid", "login.method", "plain-authzid"),
        ("login.method", "", "login.method", ""),
        ("login.identity", "local-part", "login.identity", Identity.LOCAL_PART),
        ("max_jobs", "50", "max_jobs", 50),
        ("folders.exclude", '["X", "Y"]', "folders.exclude", ("X", "Y")),
        ("folders.namespaces", '["shared"]', "folders.namespaces", frozenset({Namespace.SHARED})),
        ("allow_same_mailbox", "false", "allow_same_mailbox", False),
    ],
)
async def test_single_fields_change(harness: Harness, key: str, value: str, attribute: str, expected: object) -> None:
    """Changing one field changes only that field; the rest, including the password, stays."""
    before = (await submit(harness)).profile
    sealed = await password(harness)
    after = (await edit(harness, (key, value))).profile

    found: object = after
    for name in attribute.split("."):
        found = getattr(found, name)
    assert found == expected
    changed = {name for name in before.__struct_fields__ if getattr(before, name) != getattr(after, name)}
    assert changed == {attribute.split(".", maxsplit=1)[0]}
    assert await password(harness) == sealed
    assert (await export_profile(ADMIN, harness.resources, "office")).mailboxes.addresses == (
        "ann@example.com",
        "ben@example.com",
    )


MOVES = [
    ("server.host", "mail2.example.com"),
    ("server.port", "993"),
    ("server.access", "imap-ssl"),
    ("server.access", "imap"),
    ("server.accept_all_certificates", "false"),
]


@pytest.mark.parametrize(("key", "value"), MOVES)
async def test_a_move_asks_for_the_password_again(harness: Harness, key: str, value: str) -> None:
    """The password of a profile goes only to the server, port and protection that it was entered for."""
    await submit(harness)
    before = await export_profile(ADMIN, harness.resources, "office")
    with pytest.raises(Misconfigured, match="only for the server") as caught:
        await edit(harness, (key, value))
    assert "--password-file" in (caught.value.hint or "")
    assert await export_profile(ADMIN, harness.resources, "office") == before

    await edit(harness, (key, value), password=Secret("again"))

    assert (await login(harness)).password == Secret("again")


@pytest.mark.parametrize(("key", "value"), MOVES)
async def test_a_move_asks_for_the_csv_file_again(harness: Harness, key: str, value: str) -> None:
    """The same for the passwords in the rows of a csv profile."""
    await submit(harness, kind=ProfileKind.CSV, login=None, user="", csv=CSV, identity=None, mailboxes=None)
    with pytest.raises(Misconfigured, match="only for the server") as caught:
        await edit(harness, (key, value))
    assert "--csv" in (caught.value.hint or "")

    await edit(harness, (key, value), csv=CSV)

    assert (await login(harness)).password == Secret("pw1")


async def test_an_edit_on_top_of_another_is_compared_with_what_is_stored(harness: Harness) -> None:
    """Somebody edited the profile in the meantime: a late edit does not take the new password back to the old host."""
    await submit(harness)
    old = await export_profile(ADMIN, harness.resources, "office")
    await edit(harness, ("server.host", "mail2.example.com"), password=Secret("again"))
    late = replace(old, max_jobs=9)
    with pytest.raises(Misconfigured, match="only for the server"):
        await edit_profile(EVE, harness.resources, old, late, password=Secret(""), csv=None)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("server.hots", "x", "unknown field `hots`"),
        ("nothing", "x", "unknown field `nothing`"),
        ("max_jobs.deep", "1", "there is no field"),
        ("max_jobs", "many", "Expected `int`, got `str`"),
        ("max_jobs", "0", "above 0"),
        ("server.access", "nntp", "Invalid enum value 'nntp'"),
        ("server.kind", "lotus", "unknown server kind 'lotus'"),
        ("login.method", "kerberos", "unknown login method"),
        ("login.method", "login", "does not fit a master profile"),
        ("folders.include", '["||("]', "not a valid regular expression"),
        ("kind", "csv", "keeps its name and its kind"),
        ("name", "other", "keeps its name and its kind"),
    ],
)
async def test_bad_changes_are_refused(harness: Harness, key: str, value: str, sentence: str) -> None:
    """An invalid change changes nothing, and the error names the field."""
    await submit(harness)
    before = await export_profile(ADMIN, harness.resources, "office")
    with pytest.raises(Misconfigured, match=sentence):
        await edit(harness, (key, value))

    assert await export_profile(ADMIN, harness.resources, "office") == before


async def test_rows_of_a_csv_profile_stay_unless_a_file_replaces_them(harness: Harness) -> None:
    """Any other change keeps the rows and passwords of a csv profile, although no document contains the passwords."""
    await submit(harness, kind=ProfileKind.CSV, login=None, user="", csv=CSV, identity=None, mailboxes=None)
    await edit(harness, ("max_jobs", "9"))
    async with harness.database.session() as session:
        kept = await session.values("SELECT password IS NOT NULL FROM profile_mailboxes")
    with pytest.raises(Misconfigured, match="come from its file"):
        await edit(harness, ("mailboxes.csv", "[]"))
    await edit(harness, csv=CSV.replace(b"ben;pw2;ben@example.com;Ben\n", b""))

    assert kept == [True, True]
    assert [row.address for row in (await export_profile(ADMIN, harness.resources, "office")).mailboxes.csv] == [
        "ann@example.com"
    ]


async def test_a_token_does_not_become_a_password(harness: Harness) -> None:
    """A change between a password and a token source requires a new secret."""
    await submit(harness, kind=ProfileKind.SINGLE, login=None, identity=None, mailboxes=None)
    with pytest.raises(Misconfigured, match="no access token"):
        await edit(harness, ("login.method", "xoauth2"))
    with pytest.raises(Misconfigured, match="comes from a file or a command"):
        await edit(harness, ("login.method", "xoauth2"), password=Secret("ya29.token"))
    with pytest.raises(Misconfigured, match="comes from a file or a command"):
        await edit(harness, password=token_command("token"))
    await edit(harness, ("login.method", "xoauth2"), password=token_command("token"))


async def test_a_csv_file_is_for_csv_profiles(harness: Harness) -> None:
    """A CSV file for another kind of profile is refused, not ignored."""
    await submit(harness)
    with pytest.raises(Misconfigured, match="a master profile takes no CSV file"):
        await edit(harness, csv=CSV)


async def test_every_change_is_written_down(harness: Harness) -> None:
    """The audit log records who changed what, before and after, without secrets."""
    await submit(harness)
    await edit(harness, ("max_jobs", "9"), password=Secret("brand new"))
    await remove_profile(Principal.administrator("mallory@host"), harness.resources, "office")
    removed, changed, added = await show_audit(ADMIN, harness.resources, "OFFICE", 10)

    assert [entry.action for entry in (added, changed, removed)] == [
        "profile added",
        "profile changed",
        "profile removed",
    ]
    assert (changed.who, removed.who) == ("eve@host", "mallory@host")
    assert changed.before is not None
    assert changed.after is not None
    assert added.before is removed.after is None
    assert (changed.before["max_jobs"], changed.after["max_jobs"]) == (3, 9)
    assert removed.before == changed.after
    assert "brand new" not in str([removed, changed, added])


@given(
    st.lists(st.text(min_size=1).filter(lambda t: t.strip("/") and not t.startswith("|")), max_size=3),
    st.text(min_size=1, max_size=20).filter(str.isprintable),
)
def test_any_text_survives_toml(patterns: list[str], user: str) -> None:
    """Folder names with any characters survive export and import."""
    document = from_toml('name="a"\nkind="single"\n[server]\nhost="h"\n[login]\n')
    folders, login = replace(document.folders, exclude=tuple(patterns)), replace(document.login, user=user)
    document = replace(document, folders=folders, login=login)

    again: ProfileDocument = from_toml(to_toml(document))

    assert to_builtins(again) == to_builtins(document)
