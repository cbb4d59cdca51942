"""The long version of test_kill.py, by hand: `python -m tests.acceptance.kill_main --kills 20 --seed 1`."""

from __future__ import annotations

import argparse
import asyncio
import time
from random import SystemRandom

import click

from muniment import log
from muniment.demo.mail import generate_addresses
from tests.support.chaos import survive
from tests.support.dovecot import running_dovecot
from tests.support.source import Source
from tests.support.system import Role, system


def main() -> None:
    """Kill each role so many times, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="kills of each role [%(default)s]")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6), help="[another one each time]")
    parser.add_argument("--mailboxes", type=int, default=12, help="[%(default)s]")
    parser.add_argument("--messages", type=int, default=60, help="new messages per mailbox and run [%(default)s]")
    parser.add_argument("--role", type=Role, choices=list(Role), action="append", help="kill these only")
    given = parser.parse_args()
    log.configure("ERROR")
    click.echo(f"seed {given.seed}")
    began = time.monotonic()
    with running_dovecot() as dovecot, system() as chaos:
        source = Source(dovecot, generate_addresses(given.mailboxes), given.seed, changes_numbers=True)
        chaos.start()
        toll = asyncio.run(
            survive(
                chaos,
                source,
                seed=given.seed,
                kills=given.kills,
                messages=given.messages,
                roles=given.role or list(Role),
                tell=lambda line: click.echo(f"{time.monotonic() - began:6.1f} s  {line}"),
            )
        )
    click.echo(f"{toll} in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
