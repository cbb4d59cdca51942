"""Which links to servers are protected, and which ones would tell a password."""

from __future__ import annotations

from dataclasses import replace

import pytest
import structlog

from muniment import bridge, links
from muniment.errors import Misconfigured
from muniment.queue.config import celery_config, verified
from muniment.secrecy import Secret
from muniment.settings import Settings


@pytest.mark.parametrize(
    "host",
    ["", "localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1", "[::1]", "::ffff:127.0.0.1", "/run/postgresql"],
)
def test_this_machine(host: str) -> None:
    assert links.is_local(host)


@pytest.mark.parametrize(
    "host",
    [
        "db",
        "db.example.com",
        "10.0.0.1",
        "192.168.1.1",
        "::",
        "0.0.0.0",
        "fe80::1%eth0",
        "localhost.example.com",
        "127",
    ],
)
def test_another_machine(host: str) -> None:
    """Also names that only begin like this machine, and private addresses."""
    assert not links.is_local(host)


REMOTE = "db.example.com"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("postgresql://u:p@localhost/m", ""),
        ("postgresql://u@/m?host=/run/postgresql&port=5432", ""),
        ("postgresql:///m", ""),
        (f"postgresql://u:p@{REMOTE}/m", ""),  # verified TLS is the default
        (f"postgresql://u:p@{REMOTE}/m?sslmode=verify-full", ""),
        (f"postgresql://u:p@{REMOTE}:5432/m?sslmode=verify-ca", ""),
        (f"postgresql://u:p@{REMOTE}/m?sslmode=require", "sslmode=require"),
        (f"postgresql://u:p@{REMOTE}/m?sslmode=prefer", "sslmode=prefer"),
        (f"postgresql://u:p@{REMOTE}/m?sslmode=disable", "sslmode=disable"),
        (f"postgresql://u:p@localhost,{REMOTE}/m?sslmode=disable", "sslmode=disable"),
        ("postgresql://u:p@localhost:1,[2001:db8::1]:2/m?sslmode=disable", "sslmode=disable"),
        (f"postgresql://u@/m?host={REMOTE}&sslmode=allow", "sslmode=allow"),
    ],
)
def test_the_link_to_postgresql(url: str, problem: str) -> None:
    """Beyond this machine, only a verified certificate protects; several hosts are as weak as the weakest."""
    link = links.database_link(Secret(url), unencrypted=False, environ={})

    assert link.problem.startswith(problem)
    assert bool(link.problem) is bool(problem)


def test_the_environment_chooses_as_well() -> None:
    """PGSSLMODE and PGHOST count where the URL says nothing."""
    url = Secret("postgresql://u:p@/m")
    remote = {"PGHOST": REMOTE}

    assert links.wants_verified_tls(url, unencrypted=False, environ=remote)
    assert not links.wants_verified_tls(url, unencrypted=False, environ={})
    assert not links.wants_verified_tls(url, unencrypted=True, environ=remote)
    assert not links.wants_verified_tls(url, unencrypted=False, environ={**remote, "PGSSLMODE": "disable"})
    assert links.database_link(url, unencrypted=False, environ={**remote, "PGSSLMODE": "disable"}).problem
    assert links.database_link(url, unencrypted=True, environ=remote).problem == "TLS is not required"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis://:p@127.0.0.1:6379/0", ""),
        ("redis+socket:///run/valkey.sock", ""),
        (f"rediss://:p@{REMOTE}:6380/0", ""),
        (f"rediss://:p@{REMOTE}/0?ssl_ca_certs=/etc/ca.pem", ""),
        (f"redis://:p@{REMOTE}:6379/0", "redis:// is not encrypted"),
        (f"redis://{REMOTE}:6379/0", "redis:// is not encrypted"),
        (f"rediss://:p@{REMOTE}/0?ssl_cert_reqs=none", "ssl_cert_reqs"),
        (f"rediss://:p@{REMOTE}/0?ssl_cert_reqs=CERT_OPTIONAL", "ssl_cert_reqs"),
        (f"rediss://:p@{REMOTE}/0?ssl_check_hostname=False", "ssl_check_hostname"),
        (f"sentinel://:p@localhost:1;sentinel://:p@{REMOTE}:2", "sentinel:// is not encrypted"),
    ],
)
def test_the_link_to_redis(url: str, problem: str) -> None:
    """Only rediss:// with a verified certificate protects; a password on any other link is told."""
    link = links.redis_link(Secret(url))

    assert link.problem.startswith(problem)
    assert bool(link.problem) is bool(problem)
    assert link.tells_password is (":p@" in url) or not problem


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("redis_url", f"redis://:hunter2@{REMOTE}:6379/0"),
        ("redis_url", f"redis://{REMOTE}:6379/0?password=hunter2"),
        ("redis_url", f"rediss://:hunter2@{REMOTE}/0?ssl_cert_reqs=none"),
        ("opensearch_url", f"http://admin:hunter2@{REMOTE}:9200"),
    ],
)
def test_a_password_is_not_told_without_permission(setting: str, url: str) -> None:
    """The error names the server and both remedies, and no password; with the permission, it is a warning."""
    with pytest.raises(Misconfigured, match=f"at {REMOTE} would be sent unprotected") as caught:
        replace(Settings(), **{setting: Secret(url)}).check_links()  # type: ignore[arg-type]

    assert "MUNIMENT_UNENCRYPTED_LINKS=true" in (caught.value.hint or "")
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"
    permitted = replace(Settings(unencrypted_links=True), **{setting: Secret(url)})  # type: ignore[arg-type]
    [warning] = permitted.check_links()
    assert "is not protected" in warning
    assert "hunter2" not in warning


def test_links_that_need_no_warning() -> None:
    """Embedded servers, loopback addresses and TLS are silent."""
    assert Settings().check_links() == []
    assert (
        Settings(
            database_url=Secret(f"postgresql://u:p@{REMOTE}/m"),
            redis_url=Secret(f"rediss://:p@{REMOTE}/0"),
            opensearch_url=Secret(f"https://u:p@{REMOTE}:9200"),
        ).check_links()
        == []
    )


def test_celery_verifies_the_certificate_of_redis() -> None:
    """Kombu does not, unless the URL says so."""
    assert verified("redis://h/0") == "redis://h/0"
    assert verified("rediss://h/0?ssl_cert_reqs=none") == "rediss://h/0?ssl_cert_reqs=none"
    assert verified("rediss://h/0?ssl_ca_certs=/ca") == "rediss://h/0?ssl_ca_certs=/ca&ssl_cert_reqs=required"
    assert celery_config(Secret("rediss://:p@h/0"))["broker_url"] == "rediss://:p@h/0?ssl_cert_reqs=required"


def test_a_process_that_starts_names_its_open_links() -> None:
    """Workers and the scheduler wait for their resources first; that is where they say it."""
    found = Settings(database_url=Secret(f"postgresql://u:hunter2@{REMOTE}/m?sslmode=disable"))
    with structlog.testing.capture_logs() as events:
        bridge._warn_of_links(lambda: found)

    [event] = [event for event in events if event["event"] == "unprotected link"]
    assert event["log_level"] == "warning"
    assert REMOTE in event["warning"]
    assert "hunter2" not in str(events)
