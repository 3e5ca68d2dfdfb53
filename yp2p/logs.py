"""Logs: structlog on standard error, where journald or a person reads them."""

from __future__ import annotations

import logging
import sys

import structlog

from yp2p.config import Log
from yp2p.printable import printable


def set_up_logs(settings: Log) -> None:
    """Configure structlog and the standard library's logging alike."""
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
    handler = logging.StreamHandler(sys.stderr) if sys.stderr is not None else logging.NullHandler()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("yp2p").setLevel(settings.level.upper())
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


def _made_plain(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """What others are called and what they say goes to terminals as well; of a traceback the lines stay."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = "\n".join(map(printable, value.split("\n"))) if key == "exception" else printable(value)
    return event


def _as_it_is(stream: object, error: object) -> None:
    """Exceptions are formatted already."""
