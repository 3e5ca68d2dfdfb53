"""A running daemon, as a program of its machine sees it: its files, and what happens on it."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from yp2p.client.file import File
from yp2p.control.call import EventStream, call
from yp2p.control.names import is_file_name
from yp2p.control.socket import find_control_socket
from yp2p.errors import FileUnavailable

# What is found at a time; more is asked for as more.
_MOST_FOUND = 10_000


@asynccontextmanager
async def connect(socket: Path | None = None) -> AsyncIterator[Device]:
    """The device whose daemon runs for this home.

    Args:
        socket: its control socket, where it is another home's.

    Raises:
        NotRunning: no daemon answers.
    """
    device = Device(socket if socket is not None else find_control_socket())
    await device.status()
    yield device


class Device:
    """A running daemon. Use `connect`."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def status(self) -> dict[str, Any]:
        """What `yp2p status --json` prints. Raises NotRunning."""
        answer: dict[str, Any] = await self._call("GET", "/v1/status")
        return answer

    async def _call(self, method: str, path: str, body: Any = None) -> Any:
        return await anyio.to_thread.run_sync(call, self._socket, method, path, body)

    @asynccontextmanager
    async def open(self, path: str | os.PathLike[str]) -> AsyncIterator[File]:
        """Open a text file of a folder.

        Args:
            path: absolute, or from the current directory, as on the command line; where that is in no folder, in the
                one folder that this device has.

        What was written in the block is stored when the block is left, also by an exception, by `sys.exit`, by Ctrl-C
        or by a cancellation; this takes up to five seconds where the daemon is gone. Where it cannot be stored, the
        caller is told how much was not: by NotRunning, or, where an `Exception` left the block, by a note on that.

        Raises:
            FileUnavailable: there is no such text, with the reason; also out of the block, when it is none any more, or
                the daemon refuses what was written.
            NotRunning: no daemon answers; at the end of the block: what was written is not stored.
        """
        async with File.opened(self._socket, await self._absolute(os.fsdecode(path))) as file:
            yield file

    async def _absolute(self, path: str) -> str:
        if not is_file_name(path):
            raise FileUnavailable(f"{path!r} is the name of no file")
        if os.path.isabs(path):
            return path
        roots, here = [folder["path"] for folder in (await self.status())["folders"]], _from_here(path)
        if any(here.startswith(root.rstrip("/") + "/") for root in roots):
            return here
        if len(roots) != 1:
            raise FileUnavailable(
                f"{here!r} is in no folder, and {path!r} could be in any of {len(roots)}; give an absolute path"
            )
        return os.path.join(roots[0], path)

    async def find(self, glob: str, folder: str | None = None) -> list[str]:
        """The text files whose path in their folder matches a pattern, as absolute paths.

        Args:
            glob: `*.md` is a name anywhere, `src/**/*.py` a path: `**` stands for any number of directories.
            folder: a folder's label, ID or directory; None: all.

        Raises:
            RemoteError: there is no such folder. NotRunning: no daemon answers.
        """
        wanted = [folder] if folder is not None else [one["id"] for one in (await self.status())["folders"]]
        found: list[str] = []
        for name in wanted:
            answer = await self._call("POST", "/v1/files", {"folder": name, "glob": glob, "limit": _MOST_FOUND})
            found += (os.path.join(answer["root"], one["path"]) for one in answer["files"] if one["kind"] == "text")
        return found

    async def events(
        self, *kinds: str, folder: str | None = None, since: int | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """What happens from now on, as `yp2p events --json` prints it, until the daemon ends.

        Args:
            kinds: those that are wanted; none: all.
            folder: only those of this folder, and those of none.
            since: the number of the last event that was seen; what happened since comes first, as far as it is kept.

        Raises:
            NotRunning: no daemon answers. RemoteError: there is no such kind or folder.
        """
        query = [("kind", kind) for kind in kinds]
        query += [("folder", folder)] if folder is not None else []
        query += [("since", str(since))] if since is not None else []
        stream = await anyio.to_thread.run_sync(EventStream, self._socket, query)
        try:
            async for event in _read(stream):
                yield event
        finally:
            stream.interrupt()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(stream.close)


def _from_here(path: str) -> str:
    """A path from the current directory."""
    return os.path.abspath(path)


async def _read(stream: EventStream) -> AsyncIterator[dict[str, Any]]:
    """The events, each read in a thread, which ends with the stream where nobody waits for it any more."""
    lines = iter(stream)
    following = partial(next, lines, None)
    while (event := await anyio.to_thread.run_sync(following, abandon_on_cancel=True)) is not None:
        yield event
