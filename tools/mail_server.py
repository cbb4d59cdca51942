"""A practice mail server with generated mail, for the tutorial: `python -m tools.mail_server FOLDER`.

It listens on 127.0.0.1 only and runs until Ctrl-C. FOLDER must not exist; it holds the mail, the TLS certificate, and
the two files that the tutorial gives to `muniment profile add`.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from muniment.demo.dovecot import Dovecot
from muniment.demo.stage import MASTER, MASTER_PASSWORD, fill

PORT, TLS_PORT = 10143, 10993


def main(folder: Path) -> None:
    """Fill the server, write the files, and serve until SIGINT or SIGTERM."""
    folder.mkdir(mode=0o755, parents=True)
    stops = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    server = Dovecot(folder / "dovecot", masters={MASTER: MASTER_PASSWORD})
    server.port, server.tls_port = PORT, TLS_PORT
    with server:
        mail = fill(server)
        password = folder / "master.password"
        password.touch(mode=0o600)
        password.write_text(f"{MASTER_PASSWORD}\n")
        (folder / "addresses.txt").write_text("".join(f"{address}\n" for address in mail.hashes))
        click.echo(f"{len(mail.hashes)} mailboxes with {mail.messages:,} messages on {server.host}:{TLS_PORT} (TLS)")
        click.echo(f"master user: {MASTER}; certificate: {server.certificate}")
        signal.sigwait(stops)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
