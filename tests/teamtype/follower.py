"""An editor that follows the text of Teamtype's protocol, for tests: one buffer a file, and counters of its own.

It shares no code with what it is to test: it keeps its lines as a list, as Emacs' and Neovim's plugins have them.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
import trio.testing
from lab import Device

from yp2p.client import Device as Client
from yp2p.editors.bridge import Bridge
from yp2p.editors.process import roots_of

Sender = Callable[[str, dict[str, Any]], None]


class Buffer:
    """One open file. `send` takes methods and parameters; `line_end` is what the editor writes between lines."""

    def __init__(self, uri: str, content: str, send: Sender, line_end: str = "\n") -> None:
        self.uri = uri
        self.lines = content.split(line_end)
        self.line_end = line_end
        self.editor_revision = self.daemon_revision = 0
        self.dropped = self.taken = 0
        self._send = send

    @property
    def content(self) -> str:
        return self.line_end.join(self.lines)

    def place(self, index: int) -> dict[str, int]:
        """Line and character of an index in the lines joined by one character each."""
        for line, text in enumerate(self.lines):
            if index <= len(text):
                return {"line": line, "character": index}
            index -= len(text) + 1
        raise IndexError(index)

    @property
    def size(self) -> int:
        return sum(map(len, self.lines)) + len(self.lines) - 1

    def edit(self, *edits: tuple[int, int, str]) -> None:
        """Replace ranges of indices, all of the text before; with `\\n` in the texts."""
        delta = [
            {
                "range": {"start": self.place(start), "end": self.place(stop)},
                "replacement": text.replace("\n", self.line_end),
            }
            for start, stop, text in edits
        ]
        self._apply(delta)
        self.editor_revision += 1
        self._send("edit", {"uri": self.uri, "revision": self.daemon_revision, "delta": delta})

    def receive(self, params: dict[str, Any]) -> None:
        """An edit of the daemon."""
        if params["revision"] != self.editor_revision:
            self.dropped += 1
            return
        self.taken += 1
        self._apply(params["delta"])
        self.daemon_revision += 1

    def _apply(self, delta: list[dict[str, Any]]) -> None:
        def start_of(one: dict[str, Any]) -> tuple[int, int]:
            place = one["range"]["start"]
            return place["line"], place["character"]

        for one in sorted(delta, key=start_of, reverse=True):
            start, end = one["range"]["start"], one["range"]["end"]
            before = self.lines[start["line"]][: start["character"]]
            after = self.lines[end["line"]][end["character"] :]
            assert start["character"] <= len(self.lines[start["line"]])
            assert end["character"] <= len(self.lines[end["line"]])
            new = (before + one["replacement"].replace(self.line_end, "\n") + after).split("\n")
            self.lines[start["line"] : end["line"] + 1] = new


class Refused(Exception):
    """An error that was answered."""


class Editor:
    """An editor that has files open, at the other end of a pair of streams. Use `editor`."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._numbers = itertools.count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._news = trio.Event()
        self._to_send: list[dict[str, Any]] = []
        self._writes = trio.Lock()
        self._opening: dict[int, Buffer] = {}
        self.buffers: dict[str, Buffer] = {}
        self.cursors: dict[str, dict[str, Any]] = {}  # of others, by who they are
        self.fault: dict[str, Any] | None = None  # what was said of something that is no message

    async def open(self, path: Path, content: str, line_end: str = "\n") -> Buffer:
        """Open a file. Raises Refused."""
        uri = path.as_uri()

        def send(method: str, params: dict[str, Any]) -> None:
            self._to_send.append({"id": next(self._numbers), "method": method, "params": params})

        number = next(self._numbers)
        self._opening[number] = Buffer(uri, content, send, line_end)
        await self.write({"id": number, "method": "open", "params": {"uri": uri, "content": content}})
        await self.answer(number)
        return self.buffers[uri]

    async def close(self, buffer: Buffer) -> None:
        del self.buffers[buffer.uri]
        await self.write({"method": "close", "params": {"uri": buffer.uri}})

    async def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Ask, and wait for the answer. Raises Refused."""
        number = next(self._numbers)
        await self.write({"id": number, "method": method, "params": params})
        return await self.answer(number)

    async def answer(self, number: int) -> dict[str, Any]:
        """Raises Refused."""
        await self.until(lambda: number in self._answers)
        found = self._answers.pop(number)
        if "error" in found:
            raise Refused(found["error"]["message"])
        return found

    async def flush(self) -> list[str]:
        """Send what buffers have said, and wait for the answers; gives the errors among them."""
        errors: list[str] = []
        async with self._writes:
            sent, self._to_send = self._to_send, []
            for message in sent:
                await self.write(message)
        for message in sent:
            try:
                await self.answer(message["id"])
            except Refused as error:
                errors.append(str(error))
        return errors

    async def write(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        await self._stream.send_all(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds that the daemon's messages change."""
        with trio.fail_after(60):
            while not condition():
                await self._news.wait()

    async def run(self) -> None:
        data = bytearray()
        while part := await self._stream.receive_some(1 << 16):
            data += part
            while (end := data.find(b"\r\n\r\n")) >= 0:
                size = int(data[:end].split(b":")[1])
                if len(data) < end + 4 + size:
                    break
                self._take(json.loads(data[end + 4 : end + 4 + size]))
                del data[: end + 4 + size]
            news, self._news = self._news, trio.Event()
            news.set()

    def _take(self, message: dict[str, Any]) -> None:
        match message.get("method"):
            case "edit":
                self.buffers[message["params"]["uri"]].receive(message["params"])  # never of a file that is not open
            case "cursor":
                self.cursors[message["params"]["userid"]] = message["params"]
            case _ if message["id"] is None:
                self.fault = message["error"]
            case _:
                opened = self._opening.pop(message["id"], None)
                if opened is not None and message.get("result"):
                    self.buffers[opened.uri] = opened
                self._answers[message["id"]] = message


@asynccontextmanager
async def editor(device: Device, name: str = "somebody", **settings: Any) -> AsyncIterator[Editor]:
    """An editor of a person of this device; when the block ends, it has gone."""
    found = await Client(device.home / "control.sock").status()
    bridge = Bridge(Client(device.home / "control.sock"), roots_of(found), name, **settings)
    here, there = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        served = trio.Event()

        async def serve() -> None:
            await bridge.serve(there, there)
            await there.aclose()
            served.set()

        nursery.start_soon(serve)
        made = Editor(here)
        nursery.start_soon(made.run)
        yield made
        await here.send_eof()
        with trio.fail_after(60):
            await served.wait()
