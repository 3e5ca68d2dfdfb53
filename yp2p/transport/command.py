"""A link through another program: its standard input and output lead to a device, as `ssh HOST yp2p link --stdio` does.

The program is trusted with nothing but to carry bytes: the same handshake runs over them as over TCP. It gets one end
of a socket pair, so that for everybody else the link is a stream socket. It is ended with the link.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from yp2p.identity import Identity
from yp2p.printable import printable
from yp2p.transport.dialer import NotReached, Outcome, dial_over
from yp2p.transport.handshake import Secured

# ssh looks up a name, connects and logs in before the first byte comes.
_LOGIN_LIMIT_S = 30.0
_END_LIMIT_S, _KILLED_LIMIT_S = 1.0, 3.0
# Of what it writes to standard error the last line is told, as far as that.
_READ_BYTES, _LONGEST_LINE = 4096, 200


@dataclass(frozen=True, slots=True, order=True)
class Command:
    """A command line of the settings. It runs as it stands, without a shell."""

    words: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"`{self.text}`"


@asynccontextmanager
async def dial_through(command: Command, identity: Identity, noise_key: bytes) -> AsyncIterator[Secured]:
    """Start the program and run the handshake with a device; both end with the block. Raises OSError."""
    errors = _Errors()
    stream, process = await _start(command, errors)
    failed: NotReached | None = None
    try:
        yield await dial_over(stream, identity, noise_key, _LOGIN_LIMIT_S)
    except NotReached as error:
        failed = error
    finally:
        with trio.move_on_after(_KILLED_LIMIT_S, shield=True):
            await _end(stream, process)
    if failed is not None:
        raise NotReached(failed.outcome, errors.last_line() or str(failed)) from failed


class _Errors:
    """The end of what a program writes to standard error, read by a thread until the program has gone.

    It is read, and not kept: what the machine at the other end has ssh pass on has no end.
    """

    def __init__(self) -> None:
        reading, self.writing = os.pipe()
        self._tail = b""
        self._thread = threading.Thread(target=self._read, args=(reading,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """The program has this end by now, or never will."""
        os.close(self.writing)

    def _read(self, descriptor: int) -> None:
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            while data := stream.read(_READ_BYTES):
                self._tail = (self._tail + data)[-_READ_BYTES:]

    def last_line(self) -> str:
        """What it said last: why it could not log in, for one. Call when the program has ended."""
        self._thread.join(_END_LIMIT_S)
        lines = self._tail.decode("utf-8", "replace").strip().splitlines()
        return printable(lines[-1].strip()[:_LONGEST_LINE]) if lines else ""


async def _start(command: Command, errors: _Errors) -> tuple[trio.SocketStream, trio.Process]:
    own, theirs = socket.socketpair()
    with theirs:
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(own))
        try:
            process = await trio.lowlevel.open_process(
                command.words, stdin=theirs, stdout=theirs, stderr=errors.writing, start_new_session=True
            )
        except OSError as error:
            stream.socket.close()
            raise NotReached(Outcome.NO_NAME, error.strerror or str(error)) from error
        finally:
            errors.close()
        return stream, process


async def _end(stream: trio.SocketStream, process: trio.Process) -> None:
    stream.socket.close()
    process.terminate()
    with trio.move_on_after(_END_LIMIT_S):
        await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
