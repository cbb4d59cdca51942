"""A private Cyrus IMAP server, started from the Debian packages that `make servers` unpacked.

It differs from Dovecot in ways that can harm an archive: a proxied login to a nonexistent mailbox succeeds and
*creates* it, and an address without its domain opens another user's mailbox.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from muniment.demo.account import Account
from muniment.demo.server import ServerProcess
from muniment.errors import Misconfigured
from tests.support.missing import missing
from tests.support.ports import free_port

PROXY = "archiver"  # may open every mailbox by authorization identity
ADMIN = "cyradmin"  # likewise, and lists all mailboxes when logged in without a proxy
PROXY_PASSWORD = "proxy-password"
ADMIN_PASSWORD = "admin-password"

# `defaultdomain` must not be a domain of the mailboxes: Cyrus would strip it before SASL looks up the user.
# `munge8bit` would replace 8-bit header bytes with X.
_REALM = "internal"
_IMAPD = """\
configdirectory: {folder}/conf
defaultpartition: default
partition-default: {folder}/spool
sievedir: {folder}/sieve
proc_path: {folder}/run/proc
mboxname_lockpath: {folder}/run/lock
lmtpsocket: {folder}/run/socket/lmtp
idlesocket: {folder}/run/socket/idle
notifysocket: {folder}/run/socket/notify
cyrus_user: {user}
cyrus_group: {group}
virtdomains: userid
defaultdomain: {realm}
servername: {realm}
unixhierarchysep: yes
altnamespace: yes
munge8bit: no
admins: {admin}
proxyservers: {proxy}
allowplaintext: yes
maxlogins_per_host: 0
maxlogins_per_user: 0
autocreate_quota: 0
autocreate_post: yes
autocreate_inbox_folders: Sent|Trash
autocreate_subscribe_folders: Sent|Trash
sasl_mech_list: PLAIN
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {folder}/sasldb2
"""
_MASTER = """\
START {{
  recover cmd="{programs}/ctl_cyrusdb -C {folder}/imapd.conf -r"
}}
SERVICES {{
  imap cmd="{programs}/imapd -U 30 -C {folder}/imapd.conf" listen="127.0.0.1:{port}" prefork=0 maxchild=200
}}
EVENTS {{
}}
"""


class Cyrus:
    """A private Cyrus in a temporary folder, running within `with`."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        """Prepare a server; Misconfigured if `make servers` has not unpacked one."""
        packages = find_cyrus()
        self._account = Account.for_mail()
        # A short path: paths of sockets are limited to 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="muniment-cyrus-"))
        self.folder.chmod(0o755)
        if not self._account.can_enter(packages):  # `nobody` cannot read root's cache folder
            packages = Path(shutil.copytree(packages, self.folder / "packages", symlinks=True))
        self._programs = packages / "usr/lib/cyrus/bin"
        self._saslpasswd = packages / "usr/sbin/saslpasswd2"
        libraries = [path for top in ("usr/lib", "lib") for path in (packages / top).glob("*-linux-gnu")]
        self._environ = {
            "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
            "SASL_PATH": ":".join(str(path / "sasl2") for path in libraries),
        }
        self.port = free_port()
        self._process = ServerProcess(
            "Cyrus",
            [
                str(self._programs / "master"),
                *("-C", f"{self.folder}/imapd.conf"),
                *("-M", f"{self.folder}/cyrus.conf"),
                *("-p", f"{self.folder}/master.pid", "-D"),
            ],
            self.folder / "cyrus.log",
        )

    def __enter__(self) -> Self:
        try:
            self._write_folder()
            self._set_password(PROXY, _REALM, PROXY_PASSWORD)
            self._set_password(ADMIN, _REALM, ADMIN_PASSWORD)
            self._process.start(self.port, account=self._account, environ=self._environ)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the server and remove its files. Idempotent."""
        self._process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def add_user(self, address: str, password: str) -> None:
        """Add a user; the first login creates the mailbox."""
        local, _, domain = address.partition("@")
        self._set_password(local, domain, password)

    def _write_folder(self) -> None:
        for name in ("conf/socket", "spool", "sieve", "run/proc", "run/lock", "run/socket"):
            (self.folder / name).mkdir(parents=True)
        values = {
            "folder": self.folder,
            "programs": self._programs,
            "port": self.port,
            "user": self._account.name,
            "group": self._account.group,
            "realm": _REALM,
            "admin": ADMIN,
            "proxy": PROXY,
        }
        (self.folder / "imapd.conf").write_text(_IMAPD.format(**values))
        (self.folder / "cyrus.conf").write_text(_MASTER.format(**values))
        for path in [self.folder, *(p for p in self.folder.rglob("*") if "packages" not in p.parts)]:
            self._account.own(path)

    def _set_password(self, name: str, realm: str, password: str) -> None:
        database = self.folder / "sasldb2"
        result = subprocess.run(
            [self._saslpasswd, "-p", "-c", "-f", database, "-u", realm, name],
            input=password.encode(),
            env={**os.environ, **self._environ},
            capture_output=True,
        )
        if result.returncode or not database.exists():
            raise Misconfigured("saslpasswd2 failed", hint=result.stderr.decode(errors="replace"))
        self._account.own(database)


def find_cyrus() -> Path:
    """Return the folder of the unpacked packages; Misconfigured says how to get them."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    packages = (cache / "muniment" / "cyrus").resolve()
    if not (packages / "usr/lib/cyrus/bin/imapd").exists():
        raise Misconfigured("Cyrus is not unpacked", hint="Run `make servers` on Debian 12.")
    return packages


@contextmanager
def running_cyrus() -> Iterator[Cyrus]:
    """Run a Cyrus; skip the test if it is not installed."""
    try:
        find_cyrus()
    except Misconfigured as error:
        missing(f"{error}. {error.hint}")
    with Cyrus() as server:
        yield server
