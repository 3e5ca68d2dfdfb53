"""A daemon in the background, where no service manager is: whoever starts it waits until it is ready, or has failed.

The child leaves the session and the terminal, and writes its log into a file. A pipe tells the parent how it went: `+`
once the daemon is ready, or the exit code and the sentence of the error. A pipe that closes with nothing in it means a
child that died.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from yp2p.cli.output import give_up, say
from yp2p.errors import EXIT_CODES, YpError

_READY = b"+"


class NotStarted(YpError):
    """The daemon in the background could not start; carries its exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code if exit_code in EXIT_CODES else 1  # type: ignore[misc]


def detach(log: Path, run: Callable[[Callable[[], None]], None]) -> int:
    """Run something in the background; gives its process ID once it is ready. Call before there are threads.

    Args:
        log: where its standard output and standard error go; made with mode 0600, and appended to.
        run: is given what to call when it is ready; returns when the daemon has ended.

    Raises:
        NotStarted: it could not start. YpError: the log cannot be opened.
    """
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise YpError(f"the log {log} cannot be opened: {error.strerror}; see YP2P_HOME") from error
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_a_daemon(target, writing, run)  # never returns
    os.close(writing)
    os.close(target)
    with os.fdopen(reading, "rb") as answers:
        answer = answers.read()
    if answer == _READY:
        return child
    code, _, message = answer.decode("utf-8", "replace").partition(" ")
    raise NotStarted(message or f"the daemon ended before it was ready; {log} says why", int(code or 1))


def _be_a_daemon(target: int, writing: int, run: Callable[[Callable[[], None]], None]) -> None:
    code = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for number, source in ((0, nothing), (1, target), (2, target)):
            os.dup2(source, number)
        waits = [writing]

        def ready() -> None:
            with os.fdopen(waits.pop(), "wb") as parent:
                parent.write(_READY)

        try:
            run(ready)
            code = 0
        except YpError as error:
            code = error.exit_code
            if waits:
                with os.fdopen(waits.pop(), "wb") as parent:
                    parent.write(f"{code} {error}".encode("utf-8", "replace"))
            say(f"yp2p: {error}", err=True)
        except KeyboardInterrupt:
            code = 130
    finally:
        give_up()
        os._exit(code)
