"""Logs: structlog on standard error, where journald or a person reads them."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable

import structlog

from yp2p.config import Log
from yp2p.printable import printable

_PAUSE_S = 60.0


def set_up_logs(settings: Log, faults: Callable[[str], None] | None = None) -> None:
    """Configure structlog and the standard library's logging alike.

    Args:
        faults: takes the errors, one line each, and nothing is written: a page stands on the terminal.
    """
    structured = settings.format == "json"
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    text = settings.format == "text" or (settings.format == "auto" and is_terminal)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        _made_plain,
    ]
    if structured or text:
        shared.insert(0, structlog.processors.TimeStamper(fmt="iso", utc=False))
    renderer: structlog.typing.Processor
    if structured:
        renderer = structlog.processors.JSONRenderer()
    elif text:
        renderer = structlog.dev.ConsoleRenderer(colors=is_terminal, exception_formatter=_as_it_is)
    else:
        renderer = structlog.processors.KeyValueRenderer(key_order=["level", "event"], drop_missing=True)
    handler: logging.Handler
    if faults is not None:
        handler = _Faults(faults)
    else:
        handler = logging.StreamHandler(sys.stderr) if sys.stderr is not None else logging.NullHandler()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    handler.addFilter(_Seldom())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    use_level(settings)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=lambda *names: logging.getLogger("yp2p"),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def use_level(settings: Log) -> None:
    """Log so much from now on."""
    logging.getLogger("yp2p").setLevel(settings.level.upper())


class _Faults(logging.Handler):
    """Hands on the first line of each error."""

    def __init__(self, faults: Callable[[str], None]) -> None:
        super().__init__(logging.ERROR)
        self._faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        self._faults(self.format(record).partition("\n")[0])


class _Seldom(logging.Filter):
    """Lets a library say the same once a minute, and without a traceback.

    What a library warns of is what others sent, or a limit that is reached ten times a second: who is on the network
    decides how often. Each place in a library's code counts by itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said_at: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] == "yp2p":
            return True
        place, now = (record.pathname, record.lineno), time.monotonic()
        if now < self._said_at.get(place, -math.inf) + _PAUSE_S:
            return False
        self._said_at[place] = now
        record.exc_info = record.exc_text = None
        return True


def _made_plain(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """What others are called and what they say goes to terminals as well; of a traceback the lines stay."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = "\n".join(map(printable, value.split("\n"))) if key == "exception" else printable(value)
    return event


def _as_it_is(stream: object, error: object) -> None:
    """Exceptions are formatted already."""
