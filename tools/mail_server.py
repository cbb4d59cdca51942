"""A practice mail server with generated mail, for the tutorial: `python -m tools.mail_server FOLDER`.

It listens on 127.0.0.1 only and runs until Ctrl-C. FOLDER must not exist; it holds the mail, the TLS certificate, and
the two files that the tutorial gives to `muniment profile add`.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from muniment.demo.dovecot import Dovecot
from muniment.demo.stage import MASTER, MASTER_PASSWORD, fill

PORT, TLS_PORT = 10143, 10993


@contextmanager
def serving(folder: Path, port: int, tls_port: int) -> Iterator[Dovecot]:
    """Serve generated mail, and write the password and the addresses into `folder`."""
    folder.mkdir(mode=0o755, parents=True)
    server = Dovecot(folder / "dovecot", masters={MASTER: MASTER_PASSWORD})
    server.port, server.tls_port = port, tls_port
    with server:
        mail = fill(server)
        password = folder / "master.password"
        password.touch(mode=0o600)
        password.write_text(f"{MASTER_PASSWORD}\n")
        (folder / "addresses.txt").write_text("".join(f"{address}\n" for address in mail.hashes))
        click.echo(f"{len(mail.hashes)} mailboxes with {mail.messages:,} messages on {server.host}:{tls_port} (TLS)")
        click.echo(f"master user: {MASTER}; certificate: {server.certificate}")
        yield server


def main(folder: Path) -> None:
    """Serve until SIGINT or SIGTERM."""
    stops = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    with serving(folder, PORT, TLS_PORT):
        signal.sigwait(stops)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
