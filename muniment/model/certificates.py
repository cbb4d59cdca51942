"""What a profile trusts instead of the certificate authorities of the machine: CA certificates, or one certificate."""

from __future__ import annotations

import re
import ssl

from muniment.errors import Misconfigured

_MOST_BYTES = 256 * 1024
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_FINGERPRINT = re.compile(r"(?:[0-9a-f]{2}:?){31}[0-9a-f]{2}")


def ca_certificates(text: str) -> str:
    """Return the certificates of a PEM file without anything else in it; Misconfigured if there are none.

    A private key is refused: profiles are shown and exported.
    """
    if "PRIVATE KEY" in text:
        raise Misconfigured(
            "the file with CA certificates contains a private key", hint="Give a file with certificates only."
        )
    if len(text) > _MOST_BYTES:
        raise Misconfigured(
            f"the file with CA certificates is larger than {_MOST_BYTES // 1024} KiB",
            hint="Give only the certificate of the authority that signed the mail server's.",
        )
    found = "\n".join(dict.fromkeys(_BLOCK.findall(text)))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=found)
    except (ssl.SSLError, ValueError) as error:
        raise Misconfigured(
            "the file with CA certificates has no certificate in PEM form",
            hint="Such a file has lines with BEGIN CERTIFICATE; `openssl x509 -inform der` converts another form.",
        ) from error
    return f"{found}\n"


def certificate_fingerprint(text: str) -> str:
    """Return a SHA-256 fingerprint as 64 lower-case digits; Misconfigured if `text` is none."""
    fingerprint = text.strip().lower().removeprefix("sha256:").removeprefix("sha256 fingerprint=").strip()
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise Misconfigured(
            f"{text[:100]!r} is no SHA-256 fingerprint of a certificate",
            hint="It has 64 hexadecimal digits, with or without colons: `openssl x509 -noout -fingerprint -sha256 -in "
            "FILE` prints that of a file, `muniment profile test NAME` that of the server.",
        )
    return fingerprint.replace(":", "")
