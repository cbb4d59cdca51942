from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import pytest

from muniment.cli.profiles.add import add, request_from
from muniment.model.login import LoginKind
from muniment.model.profile import Access, Mailboxes, ProfileKind
from muniment.services.profiles.submit_profile import ProfileRequest
from tests.support.certificates import self_signed

Parse = Callable[..., ProfileRequest]


@pytest.fixture
def parse(tmp_path: Path) -> Parse:
    """Return a function that converts the arguments after the profile's name to a request.

    PASSWORD, CSV and LIST stand for files.
    """
    contents = {"PASSWORD": "secret\n", "CSV": "user,password\nanna,pw\n", "LIST": "anna@example.com\n"}
    for name, text in contents.items():
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(text)
    contents["CA"] = (tmp_path / "CA").name
    (tmp_path / "CA").write_bytes(self_signed(tmp_path, "ca.example.com").path.read_bytes())

    def request(*arguments: str) -> ProfileRequest:
        words = [str(tmp_path / word) if word in contents else word for word in arguments]
        arguments_of_add = ["office", "--host", "mail.example.com", *words]
        # click caches the help option of the first context, and the command line reference shows it.
        context = add.make_context("add", arguments_of_add, help_option_names=["-h", "--help"])
        return request_from(context.params)

    return request


MASTER = ("--kind", "master", "--user", "admin", "--password-file", "PASSWORD")
SINGLE = ("--kind", "single", "--user", "anna", "--password-file", "PASSWORD")
CSV = ("--kind", "csv", "--csv", "CSV")


def test_master_archives_all_users_by_default(parse: Parse) -> None:
    """Without --mailboxes and with `all`, a master profile includes every user with an address."""
    assert parse(*MASTER).document.mailboxes == Mailboxes(all=True)
    assert parse(*MASTER, "--mailboxes", "all").document.mailboxes == Mailboxes(all=True)
    assert parse(*MASTER, "--mailboxes", "LIST").document.mailboxes == Mailboxes(addresses=("anna@example.com",))


def test_certificates_are_read(parse: Parse, tmp_path: Path) -> None:
    """A profile keeps a copy of its CA certificates, and a fingerprint in one form."""
    server = parse(*MASTER, "--ca-file", "CA").document.server
    pinned = parse(*MASTER, "--certificate-sha256", ":".join(["AB"] * 32)).document.server

    assert server.ca_certificates == (tmp_path / "CA").read_text()
    assert pinned.certificate_sha256 == "ab" * 32


def test_csv_needs_no_password(parse: Parse) -> None:
    """The file of a csv profile contains the logins."""
    request = parse(*CSV)

    assert request.document.kind is ProfileKind.CSV
    assert request.csv == b"user,password\nanna,pw\n"
    assert not request.password


@pytest.mark.parametrize(
    ("access", "port"), [(Access.IMAP, 143), (Access.IMAP_TLS, 143), (Access.IMAP_SSL, 993)], ids=str
)
def test_port_follows_the_access(parse: Parse, access: Access, port: int) -> None:
    """Without --port, the registered port is used."""
    server = parse(*SINGLE, "--access", access.value).document.server

    assert (server.access, server.port) == (access, port)


def test_certificates_are_verified_by_default(parse: Parse) -> None:
    """The default is TLS from the start with verified certificates."""
    server = parse(*SINGLE).document.server

    assert (server.access, server.accept_all_certificates) == (Access.IMAP_SSL, False)


def test_every_option_arrives(parse: Parse) -> None:
    """Every option reaches the request unchanged."""
    request = parse(
        *SINGLE,
        *("--port", "1143", "--access", "imap-tls", "--accept-all-certificates", "--max-jobs", "3"),
        *("--timeout", "2.5", "--archive", "Anna", "--address", "anna@example.com", "--allow-same-mailbox"),
    )

    document = request.document
    assert (document.name, document.user, request.password.reveal()) == ("office", "anna", "secret")
    server = document.server
    assert (server.host, server.port, server.timeout_seconds) == ("mail.example.com", 1143, 2.5)
    assert server.accept_all_certificates
    assert (document.mailboxes.archive, document.mailboxes.address) == ("Anna", "anna@example.com")
    assert document.max_jobs == 3
    assert document.allow_same_mailbox


def test_login_template(parse: Parse) -> None:
    """A login name template is a login method of master profiles."""
    [login] = parse(*MASTER, "--login", "template:{user}*{master}").document.logins

    assert (login.kind, login.template) == (LoginKind.TEMPLATE, "{user}*{master}")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--kind", "csv"), "--kind csv requires --csv"),
        ((*CSV, "--user", "admin"), "omit --user"),
        ((*CSV, "--password-stdin"), "omit --user"),
        ((*CSV, "--mailboxes", "all"), "--mailboxes requires --kind master"),
        ((*CSV, "--login", "plain-authzid"), "csv: login."),
        ((*CSV, "--identity", "user"), "--identity requires --kind master"),
        ((*SINGLE, "--login", "x-masterauth"), "single: login or xoauth2."),
        ((*SINGLE, "--login", "xoauth2"), "requires either --token-file or --token-command"),
        ((*SINGLE, "--login", "xoauth2", "--token-command", "t"), "an access token, not a password"),
        ((*SINGLE, "--token-command", "t"), "--token-command require --login xoauth2"),
        ((*MASTER, "--server-kind", "lotus"), "'lotus' is not one of"),
        (("--kind", "master", "--password-file", "PASSWORD"), "--kind master requires --user"),
        (("--kind", "single", "--password-file", "PASSWORD"), "--kind single requires --user"),
        ((*SINGLE, "--mailboxes", "all"), "--mailboxes requires --kind master"),
        ((*SINGLE, "--csv", "CSV"), "--csv requires --kind csv"),
        ((*MASTER, "--archive", "Anna"), "--archive requires --kind single"),
        ((*MASTER, "--address", "a@example.com"), "--address requires --kind single"),
        ((*MASTER, "--login", "login"), "master: plain-authzid"),
        ((*MASTER, "--login", "template:{user}"), "lacks a placeholder"),
        ((*MASTER, "--login", "kerberos"), "unknown login method"),
        ((*MASTER, "--mailboxes", "/no/such/file"), ": no such file."),
        ((*MASTER, "--access", "imap", "--accept-all-certificates"), "does not use TLS"),
        ((*MASTER, "--access", "imap", "--ca-file", "CA"), "--ca-file has no effect"),
        ((*MASTER, "--access", "pop3", "--certificate-sha256", "00" * 32), "--certificate-sha256 has no effect"),
        ((*MASTER, "--ca-file", "LIST"), "no certificate in PEM form"),
        ((*MASTER, "--ca-file", "/no/such/file"), "does not exist"),
        ((*MASTER, "--certificate-sha256", "abc"), "no SHA-256 fingerprint"),
        ((*MASTER, "--certificate-sha256", "00" * 32, "--accept-all-certificates"), "exclude each other"),
        ((*MASTER, "--port", "0"), "0 is not in the range"),
        ((*MASTER, "--timeout", "0"), "is not in the range"),
        ((*MASTER, "--max-jobs", "0"), "is not in the range"),
        ((*MASTER, "--kind", "lotus"), "'lotus' is not one of"),
        ((*MASTER, "--inbox", "Post"), "A master profile does not support the multidrop options"),
        ((*MASTER, "--sync-directory", "--mailboxes", "/no/such/file"), "requires --kind master and --mailboxes all"),
        ((*MASTER, "--older-than", "a while"), "is not a valid period. Write a number of days"),
        ((*MASTER, "--since", "yesterday"), "does not match the format"),
        ((*MASTER, "--larger-than", "big"), "500K, 10M or 1G"),
        ((*MASTER, "--subject", "||("), "is not a valid regular expression"),
        ((*MASTER, "--delete", "soon"), "Write never, at once, or a period"),
        ((*MASTER, "--delete-flagged"), "--delete-without-uidplus require --delete."),
        ((*MASTER, "--delete", "at-once", "--delete-without-uidplus", "yes"), "others may be expunged too"),
        ((*MASTER, "--schedule", "sometimes"), "daily 22:00"),
        ((*MASTER, "--window", "night"), "20:00-06:00"),
        ((*MASTER, "--time-zone", "Europe/Berlin"), "--time-zone requires --schedule or --window"),
        ((*MASTER, "--schedule", "daily 10:00", "--time-zone", "Mars/Base"), "unknown time zone"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[-2:]),
)
def test_invalid_options_are_explained(parse: Parse, arguments: tuple[str, ...], sentence: str) -> None:
    """Options that do not match the kind or each other cause an error that says what to do instead."""
    with pytest.raises(click.UsageError) as caught:
        parse(*arguments)

    assert sentence in caught.value.format_message()


def test_a_missing_file_is_reported_before_the_password_prompt(parse: Parse, tmp_path: Path) -> None:
    """Files are checked first, so that no password is typed needlessly."""
    with pytest.raises(click.UsageError, match="no such file"):
        parse("--kind", "master", "--user", "admin", "--mailboxes", str(tmp_path / "missing"))


def test_no_option_takes_a_password() -> None:
    """A password on the command line would be visible to every user of the machine."""
    names = {name for parameter in add.params for name in parameter.opts}

    assert {name for name in names if "password" in name} == {"--password-file", "--password-stdin"}
