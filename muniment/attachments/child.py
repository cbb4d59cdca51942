"""The process that reads attachments: `python -m muniment.attachments.child`.

It talks on standard input and output: a length (4 bytes, big-endian) and a MessagePack map, back and forth. What
happens here happens to this process alone: it has limits of memory and of CPU time, no standard error that anybody
reads, and the parent kills it when it takes too long. It ends when its standard input does.
"""

from __future__ import annotations

import os
import resource
from typing import BinaryIO

import msgspec

from muniment.attachments.limits import KILL_SECONDS, MEMORY_BYTES, Budget
from muniment.attachments.readers import read
from muniment.errors import BudgetSpent
from muniment.mail.charsets import clean

_LENGTH_BYTES = 4


class Order(msgspec.Struct):
    """An attachment to read: `name` and `type` as its sender says."""

    name: str
    type: str
    data: bytes


class Answer(msgspec.Struct):
    """Its text, and why there is not more of it."""

    text: str
    problem: str


def answer(order: Order) -> Answer:
    """Read one attachment; never raises."""
    budget = Budget()
    try:
        read(order.name, order.type, order.data, budget)
    except BudgetSpent:
        pass
    except MemoryError:
        budget.trouble(f"reading it takes more than {MEMORY_BYTES >> 20} MiB of memory")
    except RecursionError:
        budget.trouble("nested too deep")
    except Exception as error:  # noqa: BLE001 - libraries raise what they like at damaged files
        budget.trouble(f"damaged: {type(error).__name__}: {' '.join(str(error).split())[:120]}".rstrip(": "))
    return Answer(clean("\n".join(filter(None, budget.texts))), clean("; ".join(budget.problems)))


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer until the source ends."""
    while len(head := source.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
        order = msgspec.msgpack.decode(source.read(int.from_bytes(head)), type=Order)
        _limit_time()
        packed = msgspec.msgpack.encode(answer(order))
        sink.write(len(packed).to_bytes(_LENGTH_BYTES) + packed)
        sink.flush()


def _limit_time() -> None:
    """Let the system end this process when an attachment takes too long and nobody is there to kill it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(usage.ru_utime + usage.ru_stime + KILL_SECONDS) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))


def main() -> None:
    """Serve on standard input and output; whatever a library prints goes nowhere."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    serve(source, sink)


if __name__ == "__main__":
    main()
