"""Progress of work whose total is unknown: shows the amount done, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import Progress, SpinnerColumn, TextColumn

from muniment.cli.kit.output import console, number, size

#: Called with the messages and bytes done so far.
Count = Callable[[int, int], None]

_LINE_SECONDS = 30.0


@contextmanager
def counting(what: str) -> Iterator[Count]:
    """Yield a function to call with the messages and bytes done.

    A terminal shows one updating line; other outputs get a line every 30 seconds.
    """
    out = console(sys.stderr)
    started = time.monotonic()

    def text(messages: int, done: int) -> str:
        seconds = max(time.monotonic() - started, 0.001)
        return f"{what}: {number(messages)} messages · {size(done)} · {number(round(messages / seconds))}/s"

    if out.is_terminal:
        with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=out, transient=True) as progress:
            task = progress.add_task(what)
            yield lambda messages, done: progress.update(task, description=text(messages, done))
        return
    printed = started

    def line(messages: int, done: int) -> None:
        nonlocal printed
        if time.monotonic() - printed > _LINE_SECONDS:
            printed = time.monotonic()
            out.print(text(messages, done))

    yield line
