"""`python -m bench`: archive the same mailboxes with each peer in turn, several times."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import click

from bench import limits, plot, report
from bench.archiver import Muniment
from bench.getmail import Getmail
from bench.imaplib_loop import ImaplibLoop
from bench.limits import Limit
from bench.machine import describe
from bench.mbsync import Mbsync
from bench.measurement import Measurement
from bench.offlineimap import OfflineImap
from bench.server import running_server, warm
from bench.workload import Source, Workload, load, why_not
from muniment import log
from muniment.demo.dovecot import Dovecot
from muniment.errors import MunimentError

RESULTS = Path(__file__).parent / "results"


class Peer(Protocol):
    """A program that archives mail."""

    name: str

    def measure(self, server: Dovecot, source: Source, folder: Path) -> Measurement:
        """Archive everything into the empty `folder`, then run again with nothing new."""
        ...


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="How often every peer runs.")
@click.option(
    "--workload", "workloads", type=click.Choice([kind.value for kind in Workload]), multiple=True, help="Default: all."
)
@click.option(
    "--mailboxes", type=click.IntRange(min=1), help="Default: 20; 500 with duplicates and distinct, 1000 unchanged."
)
@click.option(
    "--messages",
    type=click.IntRange(min=1),
    help="In each mailbox. Default: 1000 small, 500 mixed, 20 duplicates and distinct, all real.",
)
@click.option("--jobs", type=click.IntRange(min=1), default=8, show_default=True, help="Mailboxes at once.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Where the peers write.")
@click.option("--results", type=click.Path(path_type=Path, file_okay=False), default=RESULTS, help="For the JSON file.")
@click.option("--all", "everybody", is_flag=True, help="Also the slow peers, once: offlineimap3 and getmail6.")
@click.option("--quick", is_flag=True, help="One round of little mail: does the benchmark work?")
def main(
    rounds: int,
    workloads: tuple[str, ...],
    mailboxes: int | None,
    messages: int | None,
    jobs: int,
    folder: Path | None,
    results: Path,
    *,
    everybody: bool,
    quick: bool,
) -> None:
    """Compare Muniment with its peers, and with the limits of this machine; only the ratios are meaningful."""
    log.configure("WARNING")
    if quick:
        rounds, mailboxes, messages = 1, min(mailboxes or 4, 4), messages or 50
    try:
        with _scratch(folder) as scratch:
            machine = describe(scratch)
            wish = _Wish(rounds, mailboxes, messages, jobs, everybody)
            measured = (_workload(workload, wish, scratch) for workload in map(Workload, workloads or [*Workload]))
            found = [one for one in measured if one is not None]
            _save(results, {"machine": machine, "results": found})
    except MunimentError as error:
        sys.exit(f"error: {error}\nhint: {error.hint}")
    if any(one["wrong"] for one in found):
        sys.exit("error: an archive is not exact")


@dataclass(frozen=True)
class _Wish:
    """What to measure; None means the workload's default."""

    rounds: int
    mailboxes: int | None
    messages: int | None
    jobs: int
    everybody: bool


def _workload(workload: Workload, wish: _Wish, scratch: Path) -> dict[str, object] | None:
    """Measure one workload, print the result and return it for the file; None if the workload cannot run here."""
    if reason := why_not(workload):
        print(f"\n{workload}: skipped, {reason}")
        return None
    jobs, half = wish.jobs, max(wish.jobs // 2, 1)
    peers: list[Peer] = [Mbsync(), Mbsync(max(jobs, 2)), ImaplibLoop(), Muniment(jobs)]
    peers += [Muniment(half, processes=2), Muniment(half, processes=2, index_later=True)]
    slow: list[Peer] = [Getmail(), OfflineImap()] if wish.everybody else []
    rounds = wish.rounds
    if workload is Workload.UNCHANGED:  # only its repeated runs matter, and each measurement has several
        peers, rounds = [Mbsync(), Mbsync(max(jobs, 2)), Muniment(half, processes=2)], 1
    with running_server() as server:
        source = load(server, workload, wish.mailboxes or workload.mailboxes, wish.messages)
        warm(server, source)
        print(
            f"\n{workload}: {source.messages:,} messages, {source.bytes / 1e6:,.1f} MB,"
            f" {len(source.addresses)} mailboxes, {source.folders} folders;"
            f" {jobs} jobs; load {os.getloadavg()[0]:.2f}",
            flush=True,
        )
        found = [_round(number, peers, server, source, scratch) for number in range(rounds)]
        once = _round(0, slow, server, source, scratch) if slow else []
        possible = _limits(server, source, scratch)
    print(f"\n{report.table(found)}", flush=True)
    if once:
        print(f"\nonce:\n{report.table([once])}", flush=True)
    print(f"\n{report.ratios(found)}\n{report.parts(found)}\n{report.against_limits(found, possible)}", flush=True)
    wrong = [f"{one.peer}: {problem}" for measured in found for one in measured for problem in one.wrong]
    for problem in wrong:
        print(f"NOT EXACT: {problem}")
    return {
        "workload": workload.value,
        "jobs": jobs,
        **{name: getattr(source, name) for name in ("messages", "bytes", "folders")},
        "mailboxes": len(source.addresses),
        "rounds": [[one.as_json() for one in measured] for measured in found],
        "once": [one.as_json() for one in once],
        "limits": {limit.name: round(limit.messages_per_second, 1) for limit in possible},
        "wrong": wrong,
    }


def _round(number: int, peers: Sequence[Peer], server: Dovecot, source: Source, scratch: Path) -> list[Measurement]:
    """Let each peer run once, starting with a different one each round; return the results in the order of `peers`."""
    shift = number % len(peers)
    measured = {}
    for peer in [*peers[shift:], *peers[:shift]]:
        with _scratch(scratch) as folder:
            os.sync()  # flush what the previous peer left in the page cache: this peer must not pay for it
            found = measured[peer.name] = peer.measure(server, source, folder)
        print(f"round {number + 1}: {peer.name}: {found.messages_per_second:,.0f} messages/s", flush=True)
    return [measured[peer.name] for peer in peers]


def _limits(server: Dovecot, source: Source, scratch: Path) -> list[Limit]:
    """Measure the limits of this machine, right after the peers."""
    found = [limits.wire(server, source)]
    with _scratch(scratch) as folder:
        os.sync()
        found.append(limits.copy(server, source, folder))
    return found


@contextmanager
def _scratch(parent: Path | None) -> Iterator[Path]:
    """Provide an empty folder and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="muniment-bench-", dir=parent))
    folder.chmod(0o755)  # the embedded servers may run under a different account
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _save(folder: Path, result: dict[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json"
    file.write_text(json.dumps(result, indent=2))
    picture = file.with_suffix(".svg")
    picture.write_text(plot.bars(result))
    print(f"\n{file}\n{picture}")


if __name__ == "__main__":
    main()
