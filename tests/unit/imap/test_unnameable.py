"""A folder whose name no command can contain is refused by itself; the mailbox is listed and read."""

from __future__ import annotations

import pytest

from muniment.errors import CommandRefused
from tests.support.imap_script import MODERN_CAPABILITIES, Folder, Mail, Script
from tests.unit.imap.conftest import ALICE, OpenSession

MAIL = Mail(1, b"Message-ID: <1@x>\r\n\r\nbody")


@pytest.mark.parametrize("capabilities", [MODERN_CAPABILITIES, "IMAP4rev1"], ids=["LIST-STATUS", "STATUS"])
@pytest.mark.parametrize("name", [b"Bad\x00Name", b"\x00", b"R&-D\x00"])
async def test_a_name_with_nul(opened: OpenSession, name: bytes, capabilities: str) -> None:
    script = Script({ALICE: {b"INBOX": Folder([MAIL]), name: Folder([MAIL]), b"Other": Folder([MAIL])}}, capabilities)
    async with opened(script) as (session, _):
        listed = {folder.wire_name: folder for folder in await session.list_folders()}
        assert set(listed) == {b"INBOX", name, b"Other"}
        assert "\0" not in "".join(listed[name].path)
        with pytest.raises(CommandRefused, match="NUL") as caught:
            await session.examine(listed[name])
        assert (await session.examine(listed[b"Other"])).messages == 1

    assert "Rename" in (caught.value.hint or "")
