"""Logs: structlog on standard error, or into the journal with their fields; and in memory, for `yp2p logs`.

Where standard error is the journal's (JOURNAL_STREAM, systemd.exec(5)), a line goes to its socket instead, so that each
value is a field of its own: YP2P_EVENT, YP2P_FOLDER and so on, with the priority of its level. The socket never makes
the loop wait: a line that the journal does not take at once goes to standard error.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

import structlog

from yp2p.config import Log
from yp2p.printable import printable
from yp2p.recent_lines import RECENT, RecentLines

if TYPE_CHECKING:
    from logging_journald import JournaldTransport

_PAUSE_S = 60.0
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


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
    formatter = structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared)
    root = logging.getLogger()
    root.handlers[:] = [_handler(settings, faults), _Kept(RECENT)]
    for handler in root.handlers:
        handler.setFormatter(formatter)
        handler.addFilter(_Seldom())
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


def _handler(settings: Log, faults: Callable[[str], None] | None) -> logging.Handler:
    """What writes the log."""
    if faults is not None:
        return _Faults(faults)
    if sys.stderr is None:
        return logging.NullHandler()
    if settings.format == "auto" and "JOURNAL_STREAM" in os.environ:
        from logging_journald import JournaldTransport, check_journal_stream

        if check_journal_stream():
            return _Journal(JournaldTransport(connected=False))
    return logging.StreamHandler(sys.stderr)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """What a record says beside its level: an event of ours, or the message of a library."""
    if isinstance(record.msg, dict):
        return {key: value for key, value in record.msg.items() if key not in ("level", "timestamp")}
    return {"event": printable(record.getMessage()), "library": record.name}


class _Kept(logging.Handler):
    """Keeps the last lines in memory."""

    def __init__(self, lines: RecentLines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        fields = {
            key: value if isinstance(value, int | float) else str(value) for key, value in _fields(record).items()
        }
        self._lines.add({"at": record.created, "level": record.levelname.lower(), **fields})


class _Journal(logging.StreamHandler[TextIO]):
    """Writes into the journal (systemd.journal-fields(7)); on standard error what it does not take at once."""

    def __init__(self, transport: JournaldTransport) -> None:
        super().__init__(sys.stderr)
        self._transport = transport
        transport.socket.setblocking(False)

    def emit(self, record: logging.LogRecord) -> None:
        fields = [(f"YP2P_{key.upper()}", str(value)) for key, value in _fields(record).items()]
        try:
            self._transport.send(
                [
                    ("MESSAGE", self.format(record)),
                    ("PRIORITY", _PRIORITIES.get(record.levelno, 6)),
                    ("SYSLOG_IDENTIFIER", "yp2p"),
                    *fields,
                ]
            )
        except OSError:
            super().emit(record)


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
