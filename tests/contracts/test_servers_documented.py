"""The reference page of server kinds."""

from __future__ import annotations

from muniment.model.server_kind import SERVER_KINDS
from tools import servers_doc


def test_the_page_is_up_to_date() -> None:
    """The page equals the output of tools/servers_doc.py."""
    assert servers_doc.render() == servers_doc.PAGE.read_text(), "run: python -m tools.servers_doc"


def test_every_kind_says_how_sure_it_is() -> None:
    """An untested assumption must not look like a fact."""
    words = ("Tested", "Documented", "Reported", "According to", "guess", "standard")

    assert [kind.name for kind in SERVER_KINDS if not any(word in kind.source for word in words)] == []
