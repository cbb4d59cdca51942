"""The process that reads attachments: `python -I -m muniment.attachments.child PARENT`.

Before it reads anything, it imports every library and gives up all that reading in memory does not need
(`confinement`). Its first message says which barriers hold. Then requests arrive on standard input, and answers go to
standard output: each is a length (4 bytes, big-endian) and a MessagePack map. A crash affects only this process. Its
standard error is discarded, and the parent kills it if it takes too long. It exits at the end of its standard input.
"""

from __future__ import annotations

import encodings
import importlib
import os
import pkgutil
import resource
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import BinaryIO

import msgspec

from muniment.attachments.barriers import Barrier
from muniment.attachments.confinement import confine
from muniment.attachments.limits import KILL_AFTER_SECONDS, MEMORY_BYTES, READ_SECONDS, Budget
from muniment.attachments.readers import read
from muniment.errors import BudgetSpent
from muniment.mail.charsets import clean, decode

_LENGTH_BYTES = 4
#: A text whose charset is told by statistics.
_UNLABELLED = "Съешь же ещё этих мягких французских булок, да выпей чаю".encode("cp1251")


class Request(msgspec.Struct):
    """An attachment to read: `name` and `type` as stated by the sender; `seconds`: how long that may take."""

    name: str
    type: str
    data: bytes
    seconds: float = READ_SECONDS


class Answer(msgspec.Struct):
    """The extracted text, and the reason if some of it is missing; `late`: because the time was over."""

    text: str
    problem: str
    late: bool = False


def answer(request: Request) -> Answer:
    """Read one attachment; never raises."""
    budget = Budget.of(request.seconds)
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
    return Answer(clean("\n".join(filter(None, budget.texts))), clean("; ".join(budget.problems)), budget.late)


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer requests until the source ends."""
    while len(head := source.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
        request = msgspec.msgpack.decode(source.read(int.from_bytes(head)), type=Request)
        _limit_time(request.seconds)
        send(sink, answer(request))


def send(sink: BinaryIO, message: object) -> None:
    """Write one message."""
    packed = msgspec.msgpack.encode(message)
    sink.write(len(packed).to_bytes(_LENGTH_BYTES) + packed)
    sink.flush()


def _limit_time(seconds: float) -> None:
    """Make the kernel kill this process if an attachment takes too long and the parent is gone."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(usage.ru_utime + usage.ru_stime + seconds + KILL_AFTER_SECONDS) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def import_everything() -> None:
    """Import what Python and libraries import on first use, when no file can be opened any more."""
    for module in pkgutil.iter_modules(encodings.__path__):
        with suppress(ImportError, AttributeError):  # some charsets exist on Windows only
            importlib.import_module(f"encodings.{module.name}")
    decode(_UNLABELLED)


def main(
    parent: int,
    work: Callable[[BinaryIO, BinaryIO], None] = serve,
    barriers: Collection[Barrier] = tuple(Barrier),
) -> None:
    """Raise the barriers, report them, and serve on standard input and output; discard what libraries print."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    import_everything()
    send(sink, confine(parent, barriers))
    work(source, sink)


if __name__ == "__main__":
    main(int(sys.argv[1]))
