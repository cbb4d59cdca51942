"""A private Dovecot: real IMAP for the demo, the tests and the benchmark, independent of the machine's own Dovecot.

It runs as root or as an ordinary user, on free ports of 127.0.0.1, with a master user and unlimited connections.
Nothing is synced to disk, so do not store mail in it that matters.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from muniment.demo.account import Account
from muniment.demo.certificate import write_certificate
from muniment.demo.maildir import Mail, Maildir
from muniment.demo.ports import free_port
from muniment.demo.server import ServerProcess
from muniment.errors import Misconfigured

_INSTALL = "On Debian or Ubuntu: apt-get install dovecot-imapd"
_SUPPORTED = "2.3."  # 2.4 has a different configuration syntax

_CONFIGURATION = """\
base_dir = {run}
state_dir = {run}
log_path = {folder}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_master_user_separator = *
auth_failure_delay = 0 secs
mail_location = maildir:{folder}/mail/%u:LAYOUT=fs:UTF-8
mail_uid = {account.uid}
mail_gid = {account.gid}
first_valid_uid = 1
first_valid_gid = 1
mail_fsync = never
mail_max_userip_connections = 0
mailbox_list_index = yes
default_client_limit = 10000
default_vsz_limit = 0
passdb {{
  driver = passwd-file
  args = username_format=%u {folder}/masters/%u
  master = yes
  result_success = continue
}}
passdb {{
  driver = passwd-file
  args = username_format=%u {folder}/users/%u
}}
userdb {{
  driver = static
  args = uid={account.uid} gid={account.gid} home={folder}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = {separator}
  mailbox Drafts {{
    special_use = \\Drafts
  }}
  mailbox Junk {{
    special_use = \\Junk
  }}
  mailbox Sent {{
    auto = subscribe
    special_use = \\Sent
  }}
  mailbox Trash {{
    special_use = \\Trash
  }}
}}
service imap-login {{
  service_count = 0
  process_min_avail = 1
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 4000
  service_count = 100
}}
# Disable the growing penalty after failed logins, which delays tests by seconds.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""

# The auth process reads the password files, which belong to root.
_AS_ROOT = """\
service auth {
  user = root
}
"""

# By default, Dovecot changes user and root directory for its login and helper processes, which only root can do.
_AS_ORDINARY_USER = """\
default_internal_user = {account.name}
default_internal_group = {account.group}
default_login_user = {account.name}
service imap-login {{
  chroot =
}}
service anvil {{
  chroot =
}}
"""


class Dovecot:
    """A private Dovecot that runs between `start()` and `stop()`, or within a `with` block.

    Users are `{address: password}`. A master user can open every mailbox: by SASL PLAIN with the address as
    authorization identity, or by LOGIN as `address*master`. Folder paths are tuples of names.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        folder: Path | None = None,
        *,
        users: Mapping[str, str] | None = None,
        masters: Mapping[str, str] | None = None,
        separator: str = "/",
        settings: str = "",
    ) -> None:
        """Prepare a server with its files in `folder` (None: a temporary folder, removed by `stop()`).

        `separator` is the hierarchy delimiter, `settings` are additional lines of dovecot.conf. Raises Misconfigured if
        Dovecot is missing or cannot enter the folder.
        """
        self._binary = find_dovecot()
        self._account = Account.for_mail()
        self._separator = separator
        self._settings = settings
        self._is_temporary = folder is None
        self.folder = (folder or Path(tempfile.mkdtemp(prefix="muniment-dovecot-"))).resolve()
        self._prepare_folder()
        # Paths of sockets are limited to 107 bytes, and the folder's path may be long.
        self._run = Path(tempfile.mkdtemp(prefix="muniment-"))
        self._run.chmod(0o755)
        for kind, passwords in (("users", users), ("masters", masters)):
            for name, password in (passwords or {}).items():
                self._write_password(kind, name, password)
        self.port = 0
        self.tls_port = 0
        configuration = self.folder / "dovecot.conf"
        self._process = ServerProcess(
            "Dovecot", [self._binary, "-F", "-c", str(configuration)], self.folder / "dovecot.log"
        )

    @property
    def certificate(self) -> Path:
        """The self-signed certificate (PEM): trust it to accept this server."""
        return self.folder / "certificate.pem"

    @property
    def log(self) -> Path:
        """Dovecot's log file."""
        return self._process.log

    @property
    def pid(self) -> int | None:
        """The process id of Dovecot's master process, or None if it is not running."""
        return self._process.pid

    def start(self) -> Self:
        """Start the server and wait for its greeting. The ports stay the same for the lifetime of this object."""
        self.port = self.port or free_port()
        self.tls_port = self.tls_port or free_port()
        self._run.mkdir(exist_ok=True)
        if not self.certificate.exists():
            write_certificate(self.certificate, self.folder / "key.pem")
        (self.folder / "dovecot.conf").write_text(self._configuration())
        self._process.start(self.port)
        return self

    def stop(self) -> None:
        """Stop the server and remove temporary folders; idempotent."""
        self._process.stop()
        shutil.rmtree(self._run, ignore_errors=True)
        if self._is_temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def restart(self) -> None:
        """Stop and start again on the same ports, with the same mail."""
        self._process.stop()
        self._process.start(self.port)

    def kill(self) -> None:
        """Kill the server, like a crash; `restart()` starts it again."""
        self._process.kill()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def add_user(self, address: str, password: str) -> None:
        """Add a user, effective immediately (a changed password: within two seconds)."""
        self._write_password("users", address, password)

    def add_master(self, name: str, password: str) -> None:
        """Add a master user, which can open every mailbox."""
        self._write_password("masters", name, password)

    def maildir(self, address: str) -> Maildir:
        """Return the files behind a mailbox."""
        return Maildir(self.folder / "mail" / address, self._account)

    def load(self, address: str, folders: Mapping[tuple[str, ...], Iterable[Mail]]) -> None:
        """Add folders with messages to a mailbox; clients receive `served_bytes(raw)`."""
        maildir = self.maildir(address)
        for path, messages in folders.items():
            maildir.add(path, messages)

    def renumber(self, address: str, path: tuple[str, ...]) -> None:
        """Give a folder new UIDs and a new UIDVALIDITY (RFC 9051 §2.3.1.1), higher than the last one.

        No client may have the folder open meanwhile.
        """
        directory = self.maildir(address).folder(path)
        for file in directory.glob("dovecot[.-]*"):
            if file.name.startswith(("dovecot-uidlist", "dovecot.index")):
                file.unlink()

    def _prepare_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._is_temporary:
            self.folder.chmod(0o755)
        if not self._account.can_enter(self.folder):
            raise Misconfigured(
                f"Dovecot runs as {self._account.name} and cannot enter {self.folder}",
                hint="Choose a folder outside of /root and the like, or allow access to all of its parent folders.",
            )
        mail = self.folder / "mail"
        mail.mkdir(exist_ok=True)
        self._account.own(mail)

    def _write_password(self, kind: str, name: str, password: str) -> None:
        # One file per user, because Dovecot checks a known file for changes only once a second.
        # The password is in base64, so that it may contain a colon.
        file = self.folder / kind / name
        file.parent.mkdir(exist_ok=True)
        encoded = base64.b64encode(password.encode()).decode()
        draft = file.with_name(f".{name}")
        draft.touch(mode=0o600)
        draft.write_text(f"{name}:{{PLAIN.b64}}{encoded}::::::\n")
        draft.replace(file)

    def _configuration(self) -> str:
        text = _CONFIGURATION.format(
            folder=self.folder,
            run=self._run,
            account=self._account,
            separator=self._separator,
            port=self.port,
            tls_port=self.tls_port,
        )
        if os.geteuid() == 0:
            text += _AS_ROOT
        else:
            text += _AS_ORDINARY_USER.format(account=self._account)
        return text + self._settings


def find_dovecot() -> str:
    """Return the path of the Dovecot executable; Misconfigured, with what to install, if there is none."""
    binary = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")
    if binary is None:
        raise Misconfigured("Dovecot is not installed", hint=_INSTALL)
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout
    if not version.startswith(_SUPPORTED):
        raise Misconfigured(
            f"Dovecot {version.strip()} is installed, but the demo needs Dovecot 2.3 (its configuration differs)",
            hint="Debian 12 has Dovecot 2.3. Only the demo and the tests need Dovecot.",
        )
    return binary
