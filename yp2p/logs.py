"""Logs: structlog on standard error, where journald or a person reads them."""

from __future__ import annotations

import logging
import sys

import structlog

from yp2p.config import Log


def set_up_logs(settings: Log) -> None:
    """Configure structlog and the standard library's logging alike."""
    structured = settings.format == "json"
    text = settings.format == "text" or (settings.format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
    ]
    if structured or text:
        shared.insert(0, structlog.processors.TimeStamper(fmt="iso", utc=False))
    renderer: structlog.typing.Processor
    if structured:
        renderer = structlog.processors.JSONRenderer()
    elif text:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_as_it_is)
    else:
        renderer = structlog.processors.KeyValueRenderer(key_order=["level", "event"], drop_missing=True)
    handler = logging.StreamHandler(sys.stderr)
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


def _as_it_is(stream: object, error: object) -> None:
    """Exceptions are formatted already."""
