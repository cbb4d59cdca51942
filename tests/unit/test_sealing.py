"""A sealed secret opens only with its key, in its installation, at its place; key files keep several keys."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from muniment.errors import Misconfigured
from muniment.model.profile import Access, Server
from muniment.sealing import KEY_CHECK, Key, KeyRing, Place, SecretBox
from muniment.secrecy import Secret
from muniment.services.mailboxes.credentials import mailbox_place, profile_place
from tests.support.certificates import self_signed
from tests.support.sealing import box_of, sealed_unbound

PASSWORD = "hunter2-Ünïcode"
KEY = Key(Secret(base64.b64encode(bytes(range(32))).decode()))
PLACE = Place("profile password", (7,), {"host": "mail.example.com", "port": 993})
SERVER = Server("mail.example.com")


@pytest.fixture
def box(tmp_path: Path) -> SecretBox:
    """Return a box with a new key."""
    return box_of(tmp_path / "key")


def flip(sealed: bytes, position: int) -> bytes:
    """Return the bytes with one bit changed."""
    return sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :]


@given(text=st.text(), purpose=st.text(), row=st.lists(st.integers(), max_size=3), host=st.text())
def test_what_is_sealed_opens_unchanged(text: str, purpose: str, row: list[int], host: str) -> None:
    """Any text is restored by sealing and opening it for the same place, whatever that is called."""
    box = SecretBox.new(KeyRing([KEY]), "one")
    place = Place(purpose, tuple(row), {"host": host})

    assert box.open(box.seal(Secret(text), place), place) == Secret(text)


def test_sealing_twice_gives_different_bytes(box: SecretBox) -> None:
    """Two ciphertexts do not reveal that their secrets are equal, and do not contain the secret."""
    first, second = (box.seal(Secret(PASSWORD), PLACE) for _ in range(2))

    assert first != second
    assert PASSWORD.encode() not in first


@pytest.mark.parametrize(
    "other",
    [
        Place("mailbox password", (7,), PLACE.facts),
        Place("profile password", (8,), PLACE.facts),
        Place("profile password", (7, 0), PLACE.facts),
        Place("profile password", (), PLACE.facts),
        Place("profile password", (7,), {**PLACE.facts, "host": "evil.example"}),
        Place("profile password", (7,), {**PLACE.facts, "port": 143}),
        Place("profile password", (7,), {**PLACE.facts, "accept_all_certificates": True}),
        Place("profile password", (7,), {}),
    ],
)
def test_at_another_place_it_does_not_open(box: SecretBox, other: Place) -> None:
    """A sealed value that is moved, or whose surroundings change, is refused with a hint."""
    sealed = box.seal(Secret(PASSWORD), PLACE)

    with pytest.raises(Misconfigured, match="cannot be decrypted here") as caught:
        box.open(sealed, other)
    assert "profile edit" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("change", "binds"),
    [
        ({"host": "evil.example.com"}, True),
        ({"host": "MAIL.example.com"}, False),
        ({"port": 1993}, True),
        ({"access": Access.IMAP_TLS}, True),
        ({"access": Access.IMAP}, True),
        ({"accept_all_certificates": True}, True),
        ({"timeout_seconds": 1.0}, False),
        ({"kind": "dovecot"}, False),
    ],
)
def test_what_binds_a_password_to_its_server(change: dict[str, object], binds: bool) -> None:
    """Host, port and protection are part of the place; how long to wait is not."""
    changed = replace(SERVER, **change)

    assert (changed.binding != SERVER.binding) is binds


def test_every_field_of_a_server_is_bound_or_excused(tmp_path: Path) -> None:
    """A field that comes later is part of the place, unless somebody decides that it is not."""
    authority = self_signed(tmp_path, "mail.example.com").path.read_text()
    trusts: list[dict[str, Any]] = [
        {"accept_all_certificates": True},
        {"certificate_sha256": "ab" * 32},
        {"ca_certificates": authority},
    ]
    bound = {"host", "port", "access", *(name for trust in trusts for name in trust)}
    excused = {"timeout_seconds", "kind"}
    servers = [Server("h", 1, Access.POP3_TLS, timeout_seconds=1.5, kind="dovecot", **trust) for trust in trusts]
    assert set(Server.__struct_fields__) - excused == set().union(*(server.binding for server in servers)) == bound


def test_mailboxes_of_one_profile_are_different_places(box: SecretBox) -> None:
    """A password moved between rows of a csv profile, between logins or to the profile does not open."""
    place = mailbox_place(1, 2, "ann", SERVER)
    sealed = box.seal(Secret(PASSWORD), place)

    others = [
        mailbox_place(1, 3, "ann", SERVER),
        mailbox_place(2, 2, "ann", SERVER),
        mailbox_place(1, 2, "ben", SERVER),
        mailbox_place(1, 2, "ann", SERVER.at("other.example.com")),
        mailbox_place(1, 2, "ann", SERVER.at("mail.example.com:1993")),
        profile_place(1, SERVER),
    ]
    for other in others:
        with pytest.raises(Misconfigured, match="cannot be decrypted here"):
            box.open(sealed, other)
    assert box.open(sealed, place) == Secret(PASSWORD)


def test_another_installation_does_not_open(box: SecretBox) -> None:
    """Two installations with one key file, by mistake, do not read each other's passwords."""
    sealed = box.seal(Secret(PASSWORD), PLACE)

    with pytest.raises(Misconfigured, match="cannot be decrypted here"):
        SecretBox.new(box.ring, "another").open(sealed, PLACE)


def test_another_key_does_not_open(box: SecretBox) -> None:
    """With a different key file, the message names the key and the setting to check."""
    sealed = SecretBox.new(KeyRing([KEY]), box.installation).seal(Secret("x"), PLACE)

    with pytest.raises(Misconfigured, match=KEY.id) as caught:
        box.open(sealed, PLACE)
    assert "MUNIMENT_SECRET_KEY_FILE" in (caught.value.hint or "")


def test_every_changed_bit_is_noticed(box: SecretBox) -> None:
    """Version, key, nonce, ciphertext and tag are all authenticated, also where older values are still accepted."""
    lenient = SecretBox(box.ring, box.installation, box.active, accepts_unbound=True)
    sealed = box.seal(Secret("x"), PLACE)

    for position in range(len(sealed)):
        with pytest.raises(Misconfigured):
            lenient.open(flip(sealed, position), PLACE)


def test_every_cut_is_noticed(box: SecretBox) -> None:
    """A truncated sealed value is refused as undecryptable, however short it is, in both versions."""
    lenient = SecretBox(box.ring, box.installation, box.active, accepts_unbound=True)

    for sealed in (box.seal(Secret("x"), PLACE), sealed_unbound(box.active, Secret("x"), PLACE)):
        for length in range(len(sealed)):
            with pytest.raises(Misconfigured):
                lenient.open(sealed[:length], PLACE)


def test_an_unbound_value_opens_only_until_all_are_bound(box: SecretBox) -> None:
    """Values of version 1 open with their purpose, and not at all once the installation is bound."""
    lenient = SecretBox(box.ring, box.installation, box.active, accepts_unbound=True)
    sealed = sealed_unbound(box.active, Secret(PASSWORD), PLACE)

    assert lenient.open(sealed, PLACE) == Secret(PASSWORD)
    with pytest.raises(Misconfigured):
        lenient.open(sealed, Place("mailbox password", (7,), PLACE.facts))
    with pytest.raises(Misconfigured, match="before passwords were bound"):
        box.open(sealed, PLACE)


def test_the_check_value_knows_key_and_installation(box: SecretBox) -> None:
    """It refuses another key and another installation, and says whether unbound values are accepted."""
    check = box.check()
    old = sealed_unbound(box.active, Secret("muniment"), KEY_CHECK)

    assert not SecretBox.checked(box.ring, box.installation, check).accepts_unbound
    assert SecretBox.checked(box.ring, box.installation, old).accepts_unbound
    for ring, installation, value in [
        (KeyRing([KEY]), box.installation, check),
        (KeyRing([KEY]), box.installation, old),
        (box.ring, "another", check),
        (box.ring, box.installation, b""),
        (box.ring, box.installation, box.seal(Secret("muniment"), PLACE)),
    ]:
        with pytest.raises(Misconfigured, match="is not the one"):
            SecretBox.checked(ring, installation, value)


def test_keys_are_hidden(box: SecretBox) -> None:
    """The repr of box, ring and key does not contain the key."""
    secret = box.active.secret.reveal()

    assert secret not in f"{box!r}{box.ring!r}{box.active!r}"


def test_a_key_file_holds_several_keys(tmp_path: Path) -> None:
    """A new key comes first and old values stay readable; the file keeps its mode; only one key is left at the end."""
    path = tmp_path / "key"
    before = box_of(path)
    sealed = before.seal(Secret("x"), PLACE)
    path.chmod(0o640)
    ring = KeyRing.from_key_file(path)
    new = Key.generate()
    ring.add(new)

    assert [key.id for key in KeyRing.from_key_file(path).keys] == [new.id, before.active.id]
    assert SecretBox.new(ring, before.installation).open(sealed, PLACE) == Secret("x")
    assert ring.retain(new.id) == [before.active.id]
    assert [key.id for key in KeyRing.from_key_file(path).keys] == [new.id]
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_key_is_looked_up_in_the_file_again(tmp_path: Path) -> None:
    """A process that runs during a rotation opens what others seal with the new key."""
    running = box_of(tmp_path / "key")
    other = KeyRing.from_key_file(tmp_path / "key")
    other.add(Key.generate())
    sealed = SecretBox.new(other, running.installation).seal(Secret("x"), PLACE)

    assert running.open(sealed, PLACE) == Secret("x")


def test_a_removed_key_opens_what_was_just_read(tmp_path: Path) -> None:
    """A value that was read before a rotation opens after it, and the removed key is no key of the installation."""
    running = box_of(tmp_path / "key")
    sealed, check = running.seal(Secret("x"), PLACE), running.check()
    other = KeyRing.from_key_file(tmp_path / "key")
    other.add(Key.generate())
    other.retain(other.keys[0].id)
    running.ring.refresh()

    assert running.open(sealed, PLACE) == Secret("x")
    with pytest.raises(Misconfigured, match=f"is not the one .*{running.active.id}"):
        SecretBox.checked(running.ring, running.installation, check)
    with pytest.raises(Misconfigured, match="lacks its key"):
        SecretBox.new(KeyRing.from_key_file(tmp_path / "key"), running.installation).open(sealed, PLACE)


def test_a_key_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The keys stay as they are, and the error names the file."""
    ring = KeyRing([KEY], tmp_path / "missing" / "key")

    with pytest.raises(Misconfigured, match="cannot write the secret key file"):
        ring.add(Key.generate())
    assert ring.keys == (KEY,)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot read the secret key file"),
        (b"", "expected 32 bytes"),
        (base64.b64encode(b"too short"), "expected 32 bytes"),
        (base64.b64encode(bytes(32)) + b"\n" + base64.b64encode(bytes(31)), "expected 32 bytes"),
        (b"not base64 at all!", "is not a Muniment secret key file"),
        (b"\xff\xfe", "is not a Muniment secret key file"),
    ],
)
def test_a_file_that_is_no_key_is_named(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """A missing or invalid key file is refused with its path and a reason, without its content."""
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Misconfigured, match=reason) as caught:
        KeyRing.from_key_file(path)

    assert str(path) in str(caught.value)
    if content:
        assert content.decode("latin-1").strip() not in str(caught.value)
