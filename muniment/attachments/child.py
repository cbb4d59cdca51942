"""The process that reads attachments: `python -m muniment.attachments.child`.

Requests arrive on standard input, answers go to standard output: each is a length (4 bytes, big-endian) and a
MessagePack map. A crash affects only this process. It has memory and CPU time limits, its standard error is
discarded, and the parent kills it if it takes too long. It exits at the end of its standard input.
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


class Request(msgspec.Struct):
    """An attachment to read: `name` and `type` as stated by the sender."""

    name: str
    type: str
    data: bytes


class Answer(msgspec.Struct):
    """The extracted text, and the reason if some of it is missing."""

    text: str
    problem: str


def answer(request: Request) -> Answer:
    """Read one attachment; never raises."""
    budget = Budget()
    try:
        read(request.name, request.type, request.data, budget)
    except BudgetSpent:
        pass
    except MemoryError:
        budget.trouble(f"reading it takes more than {MEMORY_BYTES >> 20} MiB of memory")
    except RecursionError:
        budget.trouble("nested too deeply")
    except Exception as error:  # noqa: BLE001 - libraries raise arbitrary exceptions for damaged files
        budget.trouble(f"damaged: {type(error).__name__}: {' '.join(str(error).split())[:120]}".rstrip(": "))
    return Answer(clean("\n".join(filter(None, budget.texts))), clean("; ".join(budget.problems)))


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer requests until the source ends."""
    while len(head := source.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
        request = msgspec.msgpack.decode(source.read(int.from_bytes(head)), type=Request)
        _limit_time()
        packed = msgspec.msgpack.encode(answer(request))
        sink.write(len(packed).to_bytes(_LENGTH_BYTES) + packed)
        sink.flush()


def _limit_time() -> None:
    """Make the kernel kill this process if an attachment takes too long and the parent is gone."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(usage.ru_utime + usage.ru_stime + KILL_SECONDS) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))


def main() -> None:
    """Serve on standard input and output; discard anything that libraries print."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    serve(source, sink)


if __name__ == "__main__":
    main()
