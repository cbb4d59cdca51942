"""Finds links in text, and spells them so that they are found by what they lead to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from muniment.mail.charsets import clean
from muniment.mail.domains import domain_forms

_LINK = re.compile(r"""(?<![A-Za-z0-9])(?:(?:https?|ftps?)://|www\.)[^\s<>"\x00-\x1f\x7f]{2,2000}""", re.IGNORECASE)
_AFTER = ".,;:!?'*_)]}>»”’"
_IGNORED = ("#", "cid:", "mid:", "data:", "javascript:", "about:", "file:", "blob:")
_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]{0,20}:)?(?://)?(?:[^/?#@\s]{0,200}@)?([^/?#:@\s]{1,255})", re.IGNORECASE)
_BLANKS = re.compile(r"[\t\r\n]+")
_CHARACTERS = 2000
#: Newsletters link a hundred times; the rest of more is left out.
_ALL_CHARACTERS = 200_000
_WWW = re.compile(r"www\.", re.IGNORECASE)


def links_in_text(text: str) -> list[str]:
    """Return the web addresses that are written in a text."""
    if "://" not in text and not _WWW.search(text):  # not text.lower(): the text may be large
        return []
    return [found.rstrip(_AFTER) for found in _LINK.findall(text)]


def indexed_links(links: Iterable[str]) -> tuple[str, ...]:
    """Return links as they are indexed: percent-decoded, with their host in Unicode and in ASCII; no pages' anchors.

    A link through a redirecting service contains its real target percent-encoded, often twice.
    """
    found: dict[str, None] = {}
    room = _ALL_CHARACTERS
    for link in links:
        plain = _BLANKS.sub("", link.strip()[:_CHARACTERS])
        room -= len(plain)
        if room < 0:
            break
        if not plain or plain.lower().startswith(_IGNORED):
            continue
        decoded = clean(unquote(unquote(plain)))
        hosts = [form for match in _hosts(decoded) for form in domain_forms(match)]
        found[" ".join((decoded, *hosts))] = None
    return tuple(found)


def _hosts(link: str) -> list[str]:
    """Return the host of a link, and those of addresses within it."""
    found = [_HOST.match(link), *(_HOST.match(link, at.start()) for at in re.finditer(r"https?://", link[1:]))]
    return [match[1].strip(".") for match in found if match is not None]
