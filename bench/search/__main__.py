"""`python -m bench.search`: index real or generated mail and compare with notmuch, then search a million messages."""

from __future__ import annotations

import asyncio
import tempfile
from itertools import islice
from pathlib import Path

import click

from bench.machine import describe
from bench.search.indexing import Rate, index_with_muniment, index_with_notmuch
from bench.search.latency import Latency, load, measure
from bench.search.store import new_database
from muniment import log
from muniment.db.database import Database
from muniment.demo.mail import generate_mailbox
from muniment.mail.bodies import read_text
from muniment.search import OpenSearchIndex, PostgresIndex
from muniment.secrecy import Secret
from tests.support.corpus import corpus_archive, corpus_messages
from tests.support.opensearch import running_opensearch
from tests.support.services import postgres_server


@click.command()
@click.option("--messages", default=10_000, show_default=True, help="Messages to index beside notmuch.")
@click.option("--documents", default=1_000_000, show_default=True, help="Messages to search; 0: none.")
def main(messages: int, documents: int) -> None:
    """Print the results as Markdown tables."""
    log.configure("WARNING", json=False)
    with tempfile.TemporaryDirectory(prefix="bench-search.") as name, postgres_server() as server:
        folder = Path(name)
        for key, value in describe(folder).items():
            print(f"- {key}: {value}")
        with running_opensearch(heap="1g") as node:
            if messages:
                raws = _mail(messages)
                rates = [index_with_notmuch(folder, raws)]
                warm = folder / "warm"  # Java compiles only code that runs
                index_with_muniment("warm up", new_database(server), warm, raws, 2, node.url.reveal())
                for title, processes, url in (
                    ("postgresql x2", 2, None),
                    ("opensearch x2", 2, node.url.reveal()),
                    ("postgresql x1", 1, None),
                    ("opensearch x1", 1, node.url.reveal()),
                ):
                    place = folder / title.replace(" ", "-")
                    rates.append(index_with_muniment(title, new_database(server), place, raws, processes, url))
                _print_rates([rate for rate in rates if rate])
            million = new_database(server)
            if documents:
                seconds = load(million, documents, "million", node.url.reveal())
                print(f"\nOpenSearch: {documents:,} generated documents in {seconds:.0f} s")
                node.request("POST", "/million*/_refresh")
                opened = OpenSearchIndex.open(node.url, prefix="million")
                _print_latencies(asyncio.run(_at_opensearch(opened)))
                print(node.request("GET", "/_cat/indices/million*?format=json&h=docs.count,store.size"))
        if documents:
            seconds = load(million, documents)
            print(f"\nPostgreSQL: {documents:,} generated documents in {seconds:.0f} s")
            _print_latencies(asyncio.run(_in_postgres(million)))


async def _at_opensearch(index: OpenSearchIndex) -> list[Latency]:
    try:
        return await measure(index)
    finally:
        await index.close()


async def _in_postgres(url: str) -> list[Latency]:
    database = await Database.open(Secret(url))
    try:
        return await measure(PostgresIndex(database))
    finally:
        await database.close()


def _mail(count: int) -> list[bytes]:
    """Return real messages without attachments, or generated ones if there is no corpus."""
    if corpus_archive() is not None:
        real = (message.raw for message in corpus_messages())
        return list(islice((raw for raw in real if not read_text(raw, limit=10).has_attachment), count))
    folders = generate_mailbox(1, count, attachments=0.0)
    return [message.raw for mails in folders.values() for message in mails]


def _print_rates(rates: list[Rate]) -> None:
    print("\n| indexer | messages | seconds | messages/s | of the first |\n|---|---|---|---|---|")
    for rate in rates:
        share = rate.per_second / rates[0].per_second
        print(f"| {rate.name} | {rate.messages:,} | {rate.seconds:.1f} | {rate.per_second:,.0f} | {share:.1f} x |")


def _print_latencies(latencies: list[Latency]) -> None:
    print("\n| query | median ms | p95 ms | matches |\n|---|---|---|---|")
    for one in latencies:
        print(f"| {one.shape} | {one.median * 1000:.1f} | {one.p95 * 1000:.1f} | {one.matches:,} |")


if __name__ == "__main__":
    main()
