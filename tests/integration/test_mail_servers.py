"""The real servers that other tests rely on behave as documented, and serve the mail that was loaded."""

from __future__ import annotations

import base64
import hashlib
import imaplib
import re
import ssl
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from muniment.demo import texts
from muniment.demo.dovecot import Dovecot
from muniment.demo.mail import GeneratedMessage, generate_mailbox
from muniment.demo.maildir import served_bytes
from tests.support import mailgen
from tests.support.corpus import corpus_messages
from tests.support.cyrus import ADMIN, ADMIN_PASSWORD, PROXY, PROXY_PASSWORD, Cyrus
from tests.support.dovecot import MASTER, MASTER_PASSWORD, running_dovecot
from tests.support.waiting import wait_until

NewAddress = Callable[[], str]
Login = Callable[[imaplib.IMAP4, str, str, str], str]

# Cyrus allows none of these characters in a folder name.
_REFUSED_BY_CYRUS = set('"%\\{}')
_DATE = datetime(2003, 5, 6, 7, 8, 9, tzinfo=UTC)


def connect(server: Dovecot | Cyrus) -> imaplib.IMAP4:
    return imaplib.IMAP4(server.host, server.port, timeout=120)


def plain(connection: imaplib.IMAP4, authzid: str, authcid: str, password: str) -> str:
    """Log in with SASL PLAIN; the response follows the server's `+` (RFC 4616). Return OK or the refusal."""
    message = f"{authzid}\0{authcid}\0{password}".encode()
    try:
        return connection.authenticate("PLAIN", lambda _: message)[0]
    except imaplib.IMAP4.error as error:
        return str(error)


def plain_at_once(connection: imaplib.IMAP4, authzid: str, authcid: str, password: str) -> str:
    """Log in with SASL PLAIN and an initial response (RFC 4959). Return OK or the refusal."""
    inner: Any = connection
    response = base64.b64encode(f"{authzid}\0{authcid}\0{password}".encode()).decode()
    answer, data = inner._simple_command("AUTHENTICATE", "PLAIN", response)
    if answer != "OK":
        return str(data[0])
    connection.state = "AUTH"
    return "OK"


def login(connection: imaplib.IMAP4, user: str, password: str) -> str:
    """Log in with LOGIN. Return OK or the refusal."""
    try:
        return connection.login(user, password)[0]
    except imaplib.IMAP4.error as error:
        return str(error)


def listed(connection: imaplib.IMAP4) -> set[str]:
    """Return the names of LIST in the quoted form of `mailgen.quoted`."""
    names = set()
    for line in connection.list()[1]:
        # A name with characters that cannot be quoted arrives as a literal, which is a tuple here.
        assert isinstance(line, bytes)
        match = re.fullmatch(rb'\([^)]*\) "(?:[^"\\]|\\.)" (.+)', line)
        assert match, line
        name = match[1].decode()
        names.add(name if name.startswith('"') else f'"{name}"')
    return names


def fetched(connection: imaplib.IMAP4, path: tuple[str, ...], delimiter: str = "/") -> Counter[str]:
    """Return the SHA-256 of all messages in a folder, read without changing flags."""
    answer, data = connection.select(mailgen.quoted(path, delimiter), readonly=True)
    assert answer == "OK", (path, data)
    if data == [b"0"]:
        return Counter()
    parts = connection.fetch("1:*", "(BODY.PEEK[])")[1]
    return Counter(hashlib.sha256(part[1]).hexdigest() for part in parts if isinstance(part, tuple))


Folders = dict[tuple[str, ...], list[GeneratedMessage]]


def load_subject(server: Dovecot | Cyrus, address: str, subject: str) -> None:
    """Give a mailbox one message that identifies it."""
    folders: Folders = {("INBOX",): [GeneratedMessage(f"Subject: {subject}\r\n\r\n.\r\n".encode(), (), _DATE)]}
    server.add_user(address, "secret")
    if isinstance(server, Dovecot):
        server.load(address, folders)
        return
    with connect(server) as connection:
        assert plain(connection, "", address, "secret") == "OK"
        assert mailgen.append(connection, folders) == {}


def inbox(connection: imaplib.IMAP4) -> bytes:
    """Return all messages of INBOX, concatenated."""
    connection.select("INBOX", readonly=True)
    parts = connection.fetch("1:*", "(BODY.PEEK[])")[1]
    return b"".join(part[1] for part in parts if isinstance(part, tuple))


def all_odd_folders() -> dict[tuple[str, ...], list[GeneratedMessage]]:
    """Return every folder name that generated mail can have, with two messages in each."""
    messages = [GeneratedMessage(f"X: {n}\r\n\r\n{n}\r\n".encode(), (), _DATE) for n in range(200)]
    paths = [*texts.USUAL_FOLDERS, *texts.ODD_FOLDERS]
    return {path: messages[2 * number : 2 * number + 2] for number, path in enumerate(paths)}


BOTH_FORMS = pytest.mark.parametrize("log_in", [plain, plain_at_once], ids=["continuation", "initial-response"])


class TestDovecotLogins:
    @BOTH_FORMS
    def test_master_user_opens_the_authorized_mailbox(
        self, dovecot: Dovecot, new_address: NewAddress, log_in: Login
    ) -> None:
        """PLAIN with an authorization identity opens that mailbox."""
        address = new_address()
        load_subject(dovecot, address, "of this mailbox")

        with connect(dovecot) as connection:
            assert log_in(connection, address, MASTER, MASTER_PASSWORD) == "OK"
            assert b"of this mailbox" in inbox(connection)

    def test_master_user_opens_a_mailbox_by_template(self, new_address: NewAddress) -> None:
        """LOGIN as `user*master` opens that mailbox."""
        address = new_address()
        with running_dovecot() as dovecot, connect(dovecot) as connection:
            load_subject(dovecot, address, "by template")
            dovecot.add_master("plainmaster", "plain-password")

            assert login(connection, f"{address}*plainmaster", "plain-password") == "OK"
            assert b"by template" in inbox(connection)

    @BOTH_FORMS
    def test_unknown_mailbox_is_refused(self, dovecot: Dovecot, log_in: Login) -> None:
        """The master user gets an error for a mailbox that does not exist."""
        with connect(dovecot) as connection:
            assert "[AUTHORIZATIONFAILED]" in log_in(connection, "nobody@example.com", MASTER, MASTER_PASSWORD)

    def test_wrong_master_password_is_refused(self, dovecot: Dovecot, new_address: NewAddress) -> None:
        """A wrong master password opens nothing."""
        address = new_address()
        dovecot.add_user(address, "secret")
        with connect(dovecot) as connection:
            assert "[AUTHENTICATIONFAILED]" in plain(connection, address, MASTER, "wrong")

    def test_master_user_has_no_mailbox(self) -> None:
        """A master user's own name is no login without the name of a mailbox."""
        with running_dovecot() as dovecot, connect(dovecot) as connection:
            dovecot.add_master("plainmaster", "plain-password")

            assert "[AUTHENTICATIONFAILED]" in login(connection, "plainmaster", "plain-password")

    def test_ordinary_user_opens_no_other_mailbox(self, dovecot: Dovecot, new_address: NewAddress) -> None:
        """An ordinary user may only authorize as the same user."""
        alice, bob = new_address(), new_address()
        dovecot.add_user(alice, "secret")
        dovecot.add_user(bob, "secret")
        with connect(dovecot) as connection:
            assert "[AUTHENTICATIONFAILED]" in plain(connection, bob, alice, "secret")
        with connect(dovecot) as connection:
            assert plain(connection, alice, alice, "secret") == "OK"


class TestCyrusLogins:
    @BOTH_FORMS
    @pytest.mark.parametrize(
        ("privileged", "password"), [(PROXY, PROXY_PASSWORD), (ADMIN, ADMIN_PASSWORD)], ids=["proxyservers", "admins"]
    )
    def test_privileged_user_opens_the_authorized_mailbox(
        self, cyrus: Cyrus, new_address: NewAddress, log_in: Login, privileged: str, password: str
    ) -> None:
        """PLAIN with an authorization identity opens that mailbox."""
        address = new_address()
        load_subject(cyrus, address, "of this mailbox")

        with connect(cyrus) as connection:
            assert log_in(connection, address, privileged, password) == "OK"
            assert b"of this mailbox" in inbox(connection)

    def test_ordinary_user_opens_no_other_mailbox(self, cyrus: Cyrus, new_address: NewAddress) -> None:
        """An ordinary user may not proxy."""
        alice, bob = new_address(), new_address()
        load_subject(cyrus, alice, "private")
        cyrus.add_user(bob, "secret")
        with connect(cyrus) as connection:
            assert plain(connection, alice, bob, "secret") != "OK"

    def test_mistyped_address_opens_an_empty_mailbox(self, cyrus: Cyrus, new_address: NewAddress) -> None:
        """A trap: a proxied login to a nonexistent mailbox succeeds, and creates the mailbox empty."""
        with connect(cyrus) as connection:
            assert plain(connection, new_address(), PROXY, PROXY_PASSWORD) == "OK"
            assert connection.select("INBOX", readonly=True) == ("OK", [b"0"])

    def test_address_without_domain_opens_another_mailbox(self, cyrus: Cyrus, new_address: NewAddress) -> None:
        """A trap: without its domain, the address names another, empty mailbox."""
        address = new_address()
        load_subject(cyrus, address, "with domain")

        with connect(cyrus) as connection:
            assert plain(connection, address.partition("@")[0], PROXY, PROXY_PASSWORD) == "OK"
            assert connection.select("INBOX", readonly=True) == ("OK", [b"0"])

    def test_administrator_sees_mailboxes_that_he_may_not_read(self, cyrus: Cyrus, new_address: NewAddress) -> None:
        """Without a proxied login, the administrator lists the mailboxes of others but cannot read them."""
        address = new_address()
        load_subject(cyrus, address, "not for admins")

        with connect(cyrus) as connection:
            assert plain(connection, "", ADMIN, ADMIN_PASSWORD) == "OK"
            assert f'"user/{address}"' in listed(connection)
            answer, data = connection.select(f'"user/{address}"', readonly=True)

        assert (answer, data) == ("NO", [b"Permission denied"])


class TestContent:
    @pytest.mark.parametrize("delimiter", ["/", ".", "^"])
    def test_dovecot_serves_odd_folder_names(self, new_address: NewAddress, delimiter: str) -> None:
        """Every generated folder is listed under its name, whatever the delimiter, with its messages."""
        address = new_address()
        folders = {p: m for p, m in all_odd_folders().items() if delimiter not in "".join(p)}
        with running_dovecot(separator=delimiter) as dovecot:
            dovecot.add_user(address, "secret")
            dovecot.load(address, folders)
            with connect(dovecot) as connection:
                login(connection, address, "secret")

                assert {mailgen.quoted(path, delimiter) for path in folders} <= listed(connection)
                assert mailgen.digests(folders) == {path: fetched(connection, path, delimiter) for path in folders}

    def test_cyrus_serves_odd_folder_names(self, cyrus: Cyrus, new_address: NewAddress) -> None:
        """Every generated folder with a name that Cyrus allows is listed under its name, with its messages."""
        address = new_address()
        cyrus.add_user(address, "secret")
        folders = {p: m for p, m in all_odd_folders().items() if not _REFUSED_BY_CYRUS & set("".join(p))}
        with connect(cyrus) as connection:
            plain(connection, "", address, "secret")

            assert mailgen.append(connection, folders) == {}
            assert {mailgen.quoted(path) for path in folders} <= listed(connection)
            assert mailgen.digests(folders) == {path: fetched(connection, path) for path in folders}

    def test_dovecot_serves_generated_mail(self, dovecot: Dovecot, new_address: NewAddress) -> None:
        """Loaded mail is served as `served_bytes` says: bytes, flags, keywords, INTERNALDATE and order."""
        address = new_address()
        folders = generate_mailbox(7, 400)
        dovecot.add_user(address, "secret")
        dovecot.load(address, folders)
        with connect(dovecot) as connection:
            login(connection, address, "secret")
            served = {path: list(rows(connection, path)) for path in folders}

        assert {path: [expected_row(message) for message in messages] for path, messages in folders.items()} == served

    def test_cyrus_serves_generated_mail(self, cyrus: Cyrus, new_address: NewAddress) -> None:
        """Appended mail is served as `served_bytes` says: bytes, flags, keywords, INTERNALDATE and order."""
        address = new_address()
        folders = {p: m for p, m in generate_mailbox(7, 150).items() if not _REFUSED_BY_CYRUS & set("".join(p))}
        cyrus.add_user(address, "secret")
        with connect(cyrus) as connection:
            plain(connection, "", address, "secret")

            assert mailgen.append(connection, folders) == {}
            served = {path: list(rows(connection, path)) for path in folders}

        assert {path: [expected_row(message) for message in messages] for path, messages in folders.items()} == served

    @pytest.mark.parametrize(
        "raw",
        [
            b"Subject: crlf\r\n\r\nbody\r\n",
            b"Subject: lf\n\nbody\n",
            b"Subject: mixed\r\n\nlone\rCR, \n\r\r\n\n",
            b"Subject: NUL \0\r\n\r\n\0\0",
            b"From someone Sat Jan  1 00:00:00 2000\nSubject: \xe4\xff\n\nno end of line",
            b"\r\n",
            b"no header at all",
        ],
    )
    def test_dovecot_serves_what_is_promised(self, dovecot: Dovecot, new_address: NewAddress, raw: bytes) -> None:
        """Line endings become CRLF and NUL becomes 0x80; nothing else changes."""
        address = new_address()
        dovecot.add_user(address, "secret")
        dovecot.load(address, {("INBOX",): [GeneratedMessage(raw, (), _DATE)]})
        with connect(dovecot) as connection:
            login(connection, address, "secret")

            assert served_bytes(raw) == inbox(connection)

    @pytest.mark.proof
    def test_dovecot_serves_real_mail(self, dovecot: Dovecot, new_address: NewAddress) -> None:
        """Real messages are served as documented, too."""
        address = new_address()
        folders: Folders = {("Real",): list(corpus_messages(3000))}
        dovecot.add_user(address, "secret")
        dovecot.load(address, folders)
        with connect(dovecot) as connection:
            login(connection, address, "secret")

            assert mailgen.digests(folders) == {("Real",): fetched(connection, ("Real",))}

    def test_cyrus_serves_real_mail(self, cyrus: Cyrus, new_address: NewAddress) -> None:
        """Real messages are served as documented, too, including lone CRs."""
        address = new_address()
        folders: Folders = {("Real",): list(corpus_messages(200))}
        cyrus.add_user(address, "secret")
        with connect(cyrus) as connection:
            plain(connection, "", address, "secret")

            assert mailgen.append(connection, folders) == {}
            assert mailgen.digests(folders) == {("Real",): fetched(connection, ("Real",))}


class TestDovecotHandling:
    def test_mail_can_be_added_while_a_folder_is_read(self, dovecot: Dovecot, new_address: NewAddress) -> None:
        """A message loaded later gets a higher UID and appears in an open session."""
        address = new_address()
        load_subject(dovecot, address, "first")
        with connect(dovecot) as connection:
            login(connection, address, "secret")
            connection.select("INBOX", readonly=True)
            load_subject(dovecot, address, "second")

            def sees_both() -> bool:
                connection.noop()
                return connection.untagged_responses["EXISTS"][-1] == b"2"

            wait_until(sees_both, "two messages in the open session")
            assert inbox(connection).index(b"first") < inbox(connection).index(b"second")

    def test_renumbered_folder_has_another_uidvalidity(self, dovecot: Dovecot, new_address: NewAddress) -> None:
        """`renumber` changes UIDVALIDITY and keeps the messages."""
        address = new_address()
        load_subject(dovecot, address, "kept")
        seen = []
        for _ in range(2):
            with connect(dovecot) as connection:
                login(connection, address, "secret")
                assert b"kept" in inbox(connection)
                seen.append(connection.response("UIDVALIDITY")[1])
            dovecot.renumber(address, ("INBOX",))

        assert seen[0] != seen[1]

    def test_crashed_server_comes_back(self, new_address: NewAddress) -> None:
        """After `kill` the server does not respond; after `restart` the same mail is on the same ports."""
        address = new_address()
        with running_dovecot() as dovecot:
            load_subject(dovecot, address, "survivor")
            dovecot.kill()
            with pytest.raises(ConnectionRefusedError):
                connect(dovecot)
            dovecot.restart()

            with connect(dovecot) as connection:
                login(connection, address, "secret")
                assert b"survivor" in inbox(connection)

    @pytest.mark.parametrize("implicit", [True, False], ids=["imaps", "starttls"])
    def test_tls_is_served_to_those_who_trust_it(
        self, dovecot: Dovecot, new_address: NewAddress, implicit: bool
    ) -> None:
        """Both kinds of TLS work with the certificate trusted, and are refused without it."""
        address = new_address()
        load_subject(dovecot, address, "encrypted")
        with tls(dovecot, ssl.create_default_context(cafile=dovecot.certificate), implicit=implicit) as connection:
            assert login(connection, address, "secret") == "OK"
        with pytest.raises(ssl.SSLCertVerificationError):
            tls(dovecot, ssl.create_default_context(), implicit=implicit)


def tls(dovecot: Dovecot, context: ssl.SSLContext, *, implicit: bool) -> imaplib.IMAP4:
    if implicit:
        return imaplib.IMAP4_SSL(dovecot.host, dovecot.tls_port, ssl_context=context, timeout=120)
    connection = connect(dovecot)
    try:
        connection.starttls(context)
    except ssl.SSLError:
        connection.file.close()  # the socket is already closed
        raise
    return connection


Row = tuple[bytes, frozenset[str], datetime]


def expected_row(message: GeneratedMessage) -> Row:
    return served_bytes(message.raw), frozenset(message.flags), message.date


def rows(connection: imaplib.IMAP4, path: tuple[str, ...]) -> Iterable[Row]:
    """Yield bytes, flags and INTERNALDATE of a folder's messages in order of their UIDs."""
    _, data = connection.select(mailgen.quoted(path), readonly=True)
    if data == [b"0"]:
        return
    for part in connection.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1]:
        if not isinstance(part, tuple):
            continue
        head, raw = part
        flags = {flag.decode() for flag in imaplib.ParseFlags(head)} - {"\\Recent"}
        match = re.search(rb'INTERNALDATE "([^"]+)"', head)
        assert match, head
        yield raw, frozenset(flags), datetime.strptime(match[1].decode().strip(), "%d-%b-%Y %H:%M:%S %z")
