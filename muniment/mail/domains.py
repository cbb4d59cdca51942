"""Internationalised domain names: a name in Unicode and in ASCII (RFC 3490, RFC 5891)."""

from __future__ import annotations

import unicodedata

_PREFIX = "xn--"
_LABEL_CHARACTERS = 63  # RFC 1035; also keeps Punycode, which takes quadratic time, cheap
_DOMAIN_CHARACTERS = 255


def domain_forms(domain: str) -> list[str]:
    """Return the other forms of a domain name, in lower case; empty if it has only one."""
    if len(domain) > _DOMAIN_CHARACTERS:
        return []
    domain = domain.lower()
    if domain.isascii():
        forms = [_in_unicode(domain)] if _PREFIX in domain else []
    else:
        # Both, because IDNA 2003 wrote ß as ss.
        forms = [_in_ascii(domain), _by_idna_2003(domain)]
    return [form for form in dict.fromkeys(forms) if form and form != domain]


def _in_unicode(domain: str) -> str:
    """Return the name in Unicode; labels that are no Punycode stay as they are."""
    return ".".join(_label_in_unicode(label) for label in domain.split("."))


def _label_in_unicode(label: str) -> str:
    if not label.startswith(_PREFIX) or len(label) > _LABEL_CHARACTERS:
        return label
    try:
        text = label.removeprefix(_PREFIX).encode("ascii").decode("punycode")
        text.encode("utf-8")
    except (UnicodeError, ValueError, OverflowError):
        return label
    return text if text.isprintable() else label


def _in_ascii(domain: str) -> str:
    try:
        return ".".join(_label_in_ascii(label) for label in unicodedata.normalize("NFC", domain).split("."))
    except UnicodeError:
        return ""


def _label_in_ascii(label: str) -> str:
    if label.isascii() or len(label) > _LABEL_CHARACTERS:
        return label
    return _PREFIX + label.encode("punycode").decode("ascii")


def _by_idna_2003(domain: str) -> str:
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
