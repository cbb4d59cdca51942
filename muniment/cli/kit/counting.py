"""Progress of work whose end is not known: how much is done, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import Progress, SpinnerColumn, TextColumn

from muniment.cli.kit.output import console, number, size

#: Told the messages and bytes done so far.
Count = Callable[[int, int], None]

_LINE_SECONDS = 30.0


@contextmanager
def counting(what: str) -> Iterator[Count]:
    """Give a function to call with messages and bytes done: a moving line on a terminal, a line now and then elsewhere."""
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
