"""Names of mail servers, as people write them."""

from __future__ import annotations

import pytest

from muniment.errors import Misconfigured
from muniment.model.profile import Access, Server
from muniment.model.server_place import parse_place


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail.example.com", ("mail.example.com", 0)),
        (" mail.example.com. ", ("mail.example.com", 0)),
        ("mail.example.com:1143", ("mail.example.com", 1143)),
        ("mail_host", ("mail_host", 0)),
        ("192.0.2.1:143", ("192.0.2.1", 143)),
        ("::1", ("::1", 0)),
        ("[::1]", ("::1", 0)),
        ("[2001:db8::25]:993", ("2001:db8::25", 993)),
        ("fe80::1%eth0", ("fe80::1%eth0", 0)),
        ("bücher.example", ("xn--bcher-kva.example", 0)),
        ("Bücher.Example:143", ("xn--bcher-kva.example", 143)),
        ("straße.example", ("xn--strae-oqa.example", 0)),
        ("почта.рф", ("xn--80a1acny.xn--p1ai", 0)),
    ],
)
def test_places(text: str, expected: tuple[str, int]) -> None:
    """Names, addresses and ports are told apart; internationalised names become what DNS knows."""
    assert parse_place(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "imaps://mail.example.com",
        "mail.example.com/inbox",
        "ann@mail.example.com",
        "two words",
        "mail.example.com:",
        "mail.example.com:0",
        "mail.example.com:65536",
        "mail.example.com:imap",
        "[::1",
        "::1]",
        "[::g]",
        "1:2:3",
        "[mail.example.com]:993",
        "bü cher.example",
        "-ü-.example",
        "a\x00b",
    ],
)
def test_what_is_no_place(text: str) -> None:
    """It is refused at once, with an example of what is expected."""
    with pytest.raises(Misconfigured) as caught:
        parse_place(text)

    assert caught.value.hint


def test_a_port_within_the_host() -> None:
    """It replaces the default port, and contradicts any other."""
    assert Server("mail:1993", access=Access.IMAP_SSL).resolved() == Server("mail", 1993)
    assert Server("[::1]:1143", 1143, Access.IMAP).resolved() == Server("::1", 1143, Access.IMAP)
    with pytest.raises(Misconfigured, match="names another port than 1144"):
        Server("mail:1143", 1144).resolved()


def test_a_server_beside_the_profiles_own() -> None:
    """A CSV row's server keeps the access, and the port unless it names one."""
    own = Server("mail", 1993)

    assert own.at("[::1]:993") == Server("::1", 993)
    assert own.at("bücher.example") == Server("xn--bcher-kva.example", 1993)
    assert own.at("") == own
