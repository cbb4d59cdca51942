"""Certificates for private TLS servers, created at run time."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificate:
    """A certificate; a client trusts one that signed itself with SSL_CERT_FILE set to `path`."""

    path: Path
    key_path: Path

    @property
    def sha256(self) -> str:
        """The fingerprint, as hexadecimal digits."""
        return x509.load_pem_x509_certificate(self.path.read_bytes()).fingerprint(hashes.SHA256()).hex()

    def server_context(self) -> ssl.SSLContext:
        """Return a context for a server that presents this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path, self.key_path)
        return context


def self_signed(folder: Path, *hosts: str, valid_days: int = 1) -> Certificate:
    """Create a certificate for host names and IP addresses; with negative `valid_days` it has expired."""
    return _made(folder, "server", hosts, valid_days, None)


def issued(folder: Path, authority: Certificate, *hosts: str, name: str = "issued", is_ca: bool = False) -> Certificate:
    """Create a certificate for host names and IP addresses that an authority signed."""
    return _made(folder, name, hosts, 30, authority, is_ca=is_ca)


def _made(
    folder: Path, name: str, hosts: Sequence[str], valid_days: int, authority: Certificate | None, *, is_ca: bool = True
) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    issuer, signing = (subject, key) if authority is None else _authority(authority)
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=valid_days))
        .add_extension(x509.SubjectAlternativeName([_alternative(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .sign(signing, hashes.SHA256())
    )
    made = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    made.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


def _authority(authority: Certificate) -> tuple[x509.Name, ec.EllipticCurvePrivateKey]:
    key = serialization.load_pem_private_key(authority.key_path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return x509.load_pem_x509_certificate(authority.path.read_bytes()).subject, key


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
