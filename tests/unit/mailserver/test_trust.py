"""What a profile trusts: the machine's authorities, its own, or one certificate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from muniment.errors import CertificateRejected, Misconfigured
from muniment.mailserver import Limits
from muniment.model.finding import Finding, Verdict
from muniment.model.login import Credentials, LoginKind
from muniment.model.profile import Access, Server
from muniment.network import NetworkConnector
from muniment.secrecy import Secret
from tests.support.certificates import Certificate, issued, self_signed
from tests.support.imap_script import MODERN_CAPABILITIES, Folder, Script
from tests.support.imap_server import ImapServer
from tests.support.pop3_server import Pop3Script, Pop3Server

USER = "alice@example.com"
LOGIN = Credentials(LoginKind.LOGIN, USER, Secret("secret"))
ENCRYPTED = pytest.mark.parametrize("access", [access for access in Access if access.is_protected])


@pytest.fixture
def limits(tmp_path: Path) -> Limits:
    """Limits of a session."""
    return Limits(50, 100_000, 20_000, 500_000, tmp_path / "spool")


@asynccontextmanager
async def running(access: Access, certificate: Certificate) -> AsyncIterator[tuple[Server, list[str]]]:
    """Run a server that presents a certificate; yield how to reach it, and the commands that it receives."""
    tls, implicit = certificate.server_context(), access.is_implicit_tls
    server: ImapServer | Pop3Server = Pop3Server(Pop3Script(), tls=tls, implicit_tls=implicit)
    if not access.is_pop3:
        script = Script({USER: {b"INBOX": Folder()}}, MODERN_CAPABILITIES + " STARTTLS")
        server = ImapServer(script, tls=tls, implicit_tls=implicit)
    async with server:
        yield Server("127.0.0.1", server.port, access, timeout_seconds=20), server.lines


async def log_in(server: Server, limits: Limits) -> None:
    """Log in and out."""

    async def number(uidls: object) -> dict[str, int]:
        assert not uidls
        return {}

    session = await NetworkConnector().open(server, LOGIN, limits, number)
    await session.logout()


async def rejected(server: Server, lines: list[str], limits: Limits) -> CertificateRejected:
    """Return the error of a login that must fail before anything is sent."""
    with pytest.raises(CertificateRejected) as caught:
        await log_in(server, limits)
    assert set(lines) <= {"CAPABILITY", "STARTTLS", "STLS"}
    return caught.value


async def diagnosed(server: Server, limits: Limits) -> Finding:
    """Return the doctor's finding about TLS."""
    return [finding async for finding in NetworkConnector().diagnose(server, limits)][-1]


def with_colons(fingerprint: str) -> str:
    """Write a fingerprint as OpenSSL does."""
    return ":".join(fingerprint[at : at + 2] for at in range(0, 64, 2)).upper()


@ENCRYPTED
@pytest.mark.parametrize(("host", "days"), [("127.0.0.1", 30), ("mail.example.com", 30), ("127.0.0.1", -1)])
async def test_a_pinned_certificate(tmp_path: Path, limits: Limits, access: Access, host: str, days: int) -> None:
    """The one certificate is trusted, whoever signed it, whatever name and date it has, however it is written."""
    certificate = self_signed(tmp_path, host, valid_days=days)
    async with running(access, certificate) as (server, _):
        for written in (certificate.sha256, with_colons(certificate.sha256), f" sha256:{certificate.sha256}\n"):
            await log_in(replace(server, certificate_sha256=written), limits)
        finding = await diagnosed(replace(server, certificate_sha256=certificate.sha256), limits)

    assert finding.verdict is not Verdict.FAILED


@ENCRYPTED
async def test_another_certificate(
    tmp_path: Path, limits: Limits, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any other is refused before the login, even if the machine trusts it; the error shows both fingerprints."""
    certificate = self_signed(tmp_path, "127.0.0.1", valid_days=30)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    other = certificate.sha256.translate(str.maketrans("0123456789abcdef", "123456789abcdef0"))
    async with running(access, certificate) as (server, lines):
        await log_in(server, limits)
        lines.clear()
        error = await rejected(replace(server, certificate_sha256=other), lines, limits)
        finding = await diagnosed(replace(server, certificate_sha256=other), limits)

    for text in (str(error), finding.found):
        assert certificate.sha256 in text
        assert other in text
    assert finding.verdict is Verdict.FAILED
    assert "compare" in error.hint
    assert "--ca-file" not in finding.advice


@ENCRYPTED
async def test_an_authority_of_its_own(tmp_path: Path, limits: Limits, access: Access) -> None:
    """A profile may bring its CA, an intermediate one, or the server's own certificate; each verifies the name."""
    root = self_signed(tmp_path, "ca.example.com", valid_days=30)
    intermediate = issued(tmp_path, root, "sub.example.com", name="sub", is_ca=True)
    leaf = issued(tmp_path, intermediate, "127.0.0.1")
    leaf.path.write_text(leaf.path.read_text() + intermediate.path.read_text())
    async with running(access, leaf) as (server, lines):
        for trusted in (root, intermediate, leaf):
            await log_in(replace(server, ca_certificates=trusted.path.read_text()), limits)
        lines.clear()
        await rejected(server, lines, limits)

    named = issued(tmp_path, root, "mail.example.com", name="named")
    async with running(access, named) as (server, lines):
        error = await rejected(replace(server, ca_certificates=root.path.read_text()), lines, limits)
    assert "127.0.0.1" in str(error)


@ENCRYPTED
async def test_only_that_authority(
    tmp_path: Path, limits: Limits, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a CA of its own, a profile does not trust those of the machine."""
    certificate = self_signed(tmp_path, "127.0.0.1", valid_days=30)
    (tmp_path / "other").mkdir()
    other = self_signed(tmp_path / "other", "ca.example.com", valid_days=30)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    async with running(access, certificate) as (server, lines):
        await rejected(replace(server, ca_certificates=other.path.read_text()), lines, limits)


@ENCRYPTED
async def test_the_doctor_names_the_fingerprint(tmp_path: Path, limits: Limits, access: Access) -> None:
    """For a certificate that nobody trusts, the doctor shows the fingerprint; with it, the profile works."""
    certificate = self_signed(tmp_path, "127.0.0.1", valid_days=30)
    async with running(access, certificate) as (server, _):
        finding = await diagnosed(server, limits)
        assert finding.verdict is Verdict.FAILED
        assert certificate.sha256 in finding.found
        assert f"--certificate-sha256 {certificate.sha256}" in finding.advice
        again = await diagnosed(replace(server, certificate_sha256=certificate.sha256), limits)

    assert again.verdict is Verdict.OK
    assert "the only one that is trusted" in again.found


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"certificate_sha256": "abc"}, "no SHA-256 fingerprint"),
        ({"certificate_sha256": "00" * 20}, "no SHA-256 fingerprint"),
        ({"certificate_sha256": "0g" * 32}, "no SHA-256 fingerprint"),
        ({"ca_certificates": "what"}, "no certificate in PEM form"),
        ({"ca_certificates": "\x30\x82\x01\x0a"}, "no certificate in PEM form"),
        (
            {"ca_certificates": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
            "no certificate in PEM form",
        ),
        ({"ca_certificates": "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n"}, "private key"),
        ({"ca_certificates": "x" * 300_000}, "larger than"),
        ({"certificate_sha256": "00" * 32, "accept_all_certificates": True}, "exclude each other"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], reason: str) -> None:
    """What is no certificate and no fingerprint, and what contradicts itself, is refused with a hint."""
    with pytest.raises(Misconfigured, match=reason) as caught:
        Server("mail.example.com", **changes)

    assert caught.value.hint


def test_only_the_certificates_are_kept(tmp_path: Path) -> None:
    """Comments and duplicates of a PEM file are left out."""
    pem = self_signed(tmp_path, "127.0.0.1").path.read_text()
    server = Server("mail.example.com", ca_certificates=f"# our CA\r\n{pem}\nsubject=x\n{pem}")

    assert server.ca_certificates == pem
