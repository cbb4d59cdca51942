"""Structured logs: constant event names, data in keywords, one line per event.

`bound` adds run and job ids to every line within a block. Never log a password
(a `Secret` hides its value in any case).

structlog is imported with the first event: it imports rich's tracebacks, and most commands log nothing.
"""

from __future__ import annotations

import logging
import sys
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import structlog


def configure(level: str = "INFO", *, json: bool = False) -> None:
    """Write Muniment's events and the standard library's log records to standard error."""
    root = logging.getLogger()
    root.handlers[:] = [_Handler(json=json)]
    root.setLevel(level)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Return a module's logger: `log = get(__name__)`."""
    return cast("structlog.stdlib.BoundLogger", _Logger(name))


def bound(**values: Any) -> AbstractContextManager[None]:
    """Add values to every line that is logged within the block."""
    from structlog.contextvars import bound_contextvars  # noqa: PLC0415 - see above

    return bound_contextvars(**values)


class _Logger:
    """Stands for structlog's logger until it is used."""

    def __init__(self, name: str) -> None:
        self._name = name

    @cached_property
    def _logger(self) -> structlog.stdlib.BoundLogger:
        import structlog  # noqa: PLC0415 - see above

        logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(self._name)
        return logger

    def __getattr__(self, method: str) -> Any:
        for handler in logging.getLogger().handlers:
            if isinstance(handler, _Handler):
                handler.prepare()
        return getattr(self._logger, method)


class _Handler(logging.StreamHandler[Any]):
    """Writes to standard error, formatted by structlog."""

    def __init__(self, *, json: bool) -> None:
        super().__init__()
        self._json = json

    def prepare(self) -> None:
        """Configure structlog, once."""
        if self.formatter is None:
            self.formatter = _structlog_formatter(json=self._json)

    def format(self, record: logging.LogRecord) -> str:
        self.prepare()
        return super().format(record)


def _structlog_formatter(*, json: bool) -> logging.Formatter:
    """Have structlog pass its events to the standard library, and return the formatter for both."""
    import structlog  # noqa: PLC0415 - see above

    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processor=renderer)
