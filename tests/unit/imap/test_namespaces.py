"""Namespaces (RFC 2342) and special use (RFC 6154) of folders."""

from __future__ import annotations

import pytest

from muniment.imap.namespaces import parse_namespaces, prefix_of
from muniment.model.folder_scope import Namespace
from tests.support.imap_script import MODERN_CAPABILITIES, Fault, Folder, Mail, Script
from tests.unit.imap.conftest import ALICE, OpenSession

RICH = f"{MODERN_CAPABILITIES} NAMESPACE SPECIAL-USE"
CYRUS = '(("" "/")) (("Other Users/" "/")) (("Shared Folders/" "/"))'


def box(*names: str) -> dict[bytes, Folder]:
    return {name.encode(): Folder([Mail(1, b"x")]) for name in ("INBOX", *names)}


async def namespaces(opened: OpenSession, script: Script) -> dict[str, str]:
    """Return the namespace of each folder."""
    async with opened(script) as (session, _):
        return {"/".join(folder.path): folder.namespace.value for folder in await session.list_folders()}


async def test_folders_know_whose_they_are(opened: OpenSession) -> None:
    """NAMESPACE costs one more command, but no more round trips."""
    script = Script({ALICE: box("Work", "Other Users/bob", "Shared Folders/News")}, RICH, namespace=CYRUS)

    assert await namespaces(opened, script) == {
        "INBOX": "personal",
        "Work": "personal",
        "Other Users/bob": "other-users",
        "Shared Folders/News": "shared",
    }


async def test_everything_may_be_shared_but_the_inbox(opened: OpenSession) -> None:
    """Cyrus without altnamespace has shared folders at the top level and personal ones below INBOX."""
    namespace = '(("INBOX/" "/")) (("user/" "/")) (("" "/"))'
    script = Script({ALICE: box("INBOX/Work", "user/bob", "News")}, RICH, namespace=namespace)

    assert await namespaces(opened, script) == {
        "INBOX": "personal",
        "INBOX/Work": "personal",
        "user/bob": "other-users",
        "News": "shared",
    }


@pytest.mark.parametrize("reply", ["NO not now", "BAD what?"])
async def test_a_server_that_does_not_tell(opened: OpenSession, reply: str) -> None:
    """If NAMESPACE is refused, all folders are personal."""
    faults = [Fault("NAMESPACE", reply=reply)]
    script = Script({ALICE: box("Other Users/bob")}, RICH, namespace=CYRUS, faults=faults)

    assert set((await namespaces(opened, script)).values()) == {"personal"}


async def test_what_folders_are_for_is_asked_where_it_is_offered(opened: OpenSession) -> None:
    """LIST requests SPECIAL-USE; a server that does not understand it is asked again without it."""
    folders = box("Papierkorb")
    folders[b"Papierkorb"].attributes = "\\HasNoChildren \\Trash"
    async with opened(Script({ALICE: folders}, RICH)) as (session, server):
        (_, trash) = await session.list_folders()
        assert "\\Trash" in trash.attributes
        assert "SPECIAL-USE STATUS" in server.sent("LIST")[0]
    faults = [Fault("LIST", containing="SPECIAL-USE", reply="BAD no such thing")]
    async with opened(Script({ALICE: folders}, RICH, faults=faults)) as (session, server):
        listed = await session.list_folders()
        assert [folder.status is not None for folder in listed] == [True, True]
        assert len(server.sent("LIST")) == 2


async def test_special_use_without_list_status(opened: OpenSession) -> None:
    """STATUS is then requested for each folder as usual."""
    capabilities = "IMAP4rev1 AUTH=PLAIN SASL-IR LIST-EXTENDED SPECIAL-USE"
    async with opened(Script({ALICE: box("Work")}, capabilities)) as (session, server):
        listed = await session.list_folders()
        assert [folder.status is not None for folder in listed] == [True, True]
        assert "RETURN (SPECIAL-USE)" in server.sent("LIST")[0]
        assert len(server.sent("STATUS")) == 2


def test_odd_answers() -> None:
    """Malformed entries and extensions are ignored, and a NIL delimiter is valid."""
    prefixes = parse_namespaces(
        [b"*", b"NAMESPACE", [[b"", b"/", b"X-PARAM", [b"a"]], b"odd"], None, [[b"#news.", None], [None, b"/"]]]
    )

    assert [(p.name, p.namespace) for p in prefixes] == [
        (b"", Namespace.PERSONAL),
        (b"#news.", Namespace.SHARED),
    ]
    prefix = prefix_of(b"#news.comp", prefixes)
    assert prefix is not None
    assert prefix.namespace is Namespace.SHARED
