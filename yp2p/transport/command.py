"""A link through another program: its standard input and output lead to a device, as `ssh HOST yp2p link --stdio` does.

The program is trusted with nothing but to carry bytes: the same handshake runs over them as over TCP. It gets one end
of a socket pair, so that for everybody else the link is a stream socket. It is ended with the link.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO

import trio

from yp2p.identity import Identity
from yp2p.printable import printable
from yp2p.transport.dialer import NotReached, Outcome, dial_over
from yp2p.transport.handshake import Secured

# ssh looks up a name, connects and logs in before the first byte comes.
_LOGIN_LIMIT_S = 30.0
_END_LIMIT_S = 1.0
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
    with tempfile.TemporaryFile() as errors:
        stream, process = await _start(command, errors)
        try:
            yield await dial_over(stream, identity, noise_key, _LOGIN_LIMIT_S)
        except NotReached as error:
            await _end(stream, process)
            raise NotReached(error.outcome, _last_line(errors) or str(error)) from error
        finally:
            await _end(stream, process)


async def _start(command: Command, errors: IO[bytes]) -> tuple[trio.SocketStream, trio.Process]:
    own, theirs = socket.socketpair()
    with theirs:
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(own))
        try:
            process = await trio.lowlevel.open_process(
                command.words, stdin=theirs, stdout=theirs, stderr=errors, start_new_session=True
            )
        except OSError as error:
            stream.socket.close()
            raise NotReached(Outcome.NO_NAME, error.strerror or str(error)) from error
        return stream, process


async def _end(stream: trio.SocketStream, process: trio.Process) -> None:
    stream.socket.close()
    with trio.CancelScope(shield=True):
        process.terminate()
        with trio.move_on_after(_END_LIMIT_S):
            await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()


def _last_line(errors: IO[bytes]) -> str:
    """What the program said last: why it could not log in, for one."""
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - _READ_BYTES))
    lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    return printable(lines[-1].strip()[:_LONGEST_LINE]) if lines else ""
