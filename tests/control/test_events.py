"""`GET /v1/events`: server-sent events that say where to go on, over a connection that a slow reader holds up alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from yp2p import __version__
from yp2p.control.events import event_routes
from yp2p.control.routes import Routes
from yp2p.control.server import Connection, serve_local
from yp2p.control.socket import bind_control_socket
from yp2p.device.events import Daemon, Events, LinkChanged, NoticeAdded


def _link(name: str) -> LinkChanged:
    return LinkChanged(device="d", name=name, connected=True, address=None, reason="")


def _notice(folder: str, text: str = "") -> NoticeAdded:
    return NoticeAdded(folder=folder, label="l", number=1, about="diverged", path="", text=text)


class _Room:
    """A stream of events, and what serves it."""

    def __init__(self) -> None:
        self.events, self.stop = Events(100), trio.Event()
        folders = [
            SimpleNamespace(id=bytes([number] * 16), label=label, path=Path(f"/{label}"))
            for number, label in enumerate(("notes", "music"))
        ]
        self.routes = Routes(event_routes(lambda: self.events, lambda: folders, self.stop))  # type: ignore[arg-type, return-value]


class _Reader:
    """Asks, and reads what comes."""

    def __init__(self, stream: Any) -> None:
        self.stream, self.said = stream, b""

    async def ask(self, query: str = "", *headers: str) -> None:
        # HTTP/1.0 has no chunks: what comes are the events as they are.
        lines = [f"GET /v1/events{query} HTTP/1.0", "host: x", *headers]
        await self.stream.send_all("".join(f"{line}\r\n" for line in [*lines, ""]).encode())

    async def head(self) -> str:
        return (await self._until(b"\r\n\r\n")).decode()

    async def event(self) -> dict[str, Any]:
        """The next one, whose lines say the same as its JSON."""
        while (text := (await self._until(b"\n\n")).decode()).startswith(":"):
            pass
        lines = dict(line.split(": ", 1) for line in text.split("\n"))
        assert lines.keys() == {"id", "event", "data"}
        event: dict[str, Any] = json.loads(lines["data"])
        assert (str(event["id"]), event["kind"]) == (lines["id"], lines["event"])
        return event

    async def _until(self, mark: bytes) -> bytes:
        while mark not in self.said:
            part = await self.stream.receive_some()
            assert part, f"it ended after {self.said!r}"
            self.said += part
        found, _, self.said = self.said.partition(mark)
        return found


@asynccontextmanager
async def _reading(room: _Room, query: str = "", *headers: str) -> AsyncIterator[_Reader]:
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:

        async def serve() -> None:
            await Connection(theirs, room.routes).serve()
            await theirs.aclose()

        nursery.start_soon(serve)
        reader = _Reader(ours)
        await reader.ask(query, *headers)
        yield reader
        nursery.cancel_scope.cancel()


async def test_the_first_event_says_that_it_runs_and_what_happens_then_comes() -> None:
    room = _Room()
    async with _reading(room) as reader:
        assert "content-type: text/event-stream" in await reader.head()
        first = await reader.event()
        assert (first["kind"], first["state"], first["version"]) == ("daemon", "running", __version__)
        for name in ("a", "b"):
            room.events.say(_link(name))
        assert [(one["id"], one["name"]) for one in [await reader.event(), await reader.event()]] == [
            (first["id"] + 1, "a"), (first["id"] + 2, "b"),
        ]  # fmt: skip


async def test_who_comes_back_gets_what_it_missed() -> None:
    room = _Room()
    async with _reading(room) as reader:
        await reader.head()
        last = (await reader.event())["id"]
    for name in ("a", "b"):
        room.events.say(_link(name))
    for query, header in ((f"?since={last + 1}", ""), ("", f"last-event-id: {last + 1}")):
        async with _reading(room, query, *([header] if header else [])) as reader:
            await reader.head()
            assert (await reader.event())["kind"] == "daemon"
            assert (await reader.event())["name"] == "b"
    async with _reading(room, "?since=5") as reader:
        await reader.head()
        assert [(await reader.event())["kind"] for _ in range(3)] == ["daemon", "lost", "link"]


async def test_only_what_is_wanted_comes() -> None:
    room = _Room()
    async with _reading(room, "?kind=notice&kind=offer&folder=music") as reader:
        await reader.head()
        await reader.event()
        room.events.say(_link("a"))
        room.events.say(_notice("00" * 16, "of another folder"))
        room.events.say(_notice("01" * 16, "of this one"))
        assert (await reader.event())["text"] == "of this one"


@pytest.mark.parametrize(
    ("query", "header", "status", "said"),
    [
        ("?kind=files", "", 422, "no events of kind 'files'; kinds are daemon, folder"),
        ("?folder=films", "", 422, "films"),
        ("?since=x", "", 400, "since"),
        ("?nothing=1", "", 400, "nothing"),
        ("", "last-event-id: 12x", 400, "'12x', and not the number of an event"),
        ("?" + "&".join(f"kind={number}" for number in range(101)), "", 400, "Max number of fields"),
    ],
)
async def test_what_cannot_be_followed_is_a_sentence(query: str, header: str, status: int, said: str) -> None:
    room = _Room()
    async with _reading(room, query, *([header] if header else [])) as reader:
        head = await reader.head()
        size = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
        while len(reader.said) < size:
            reader.said += await reader.stream.receive_some()
        assert f" {status} " in head.split("\r\n")[0]
        assert said in json.loads(reader.said)["error"]
    assert not room.events._subscribers


async def test_a_quiet_stream_shows_that_it_is_still_there(autojump_clock: trio.testing.MockClock) -> None:
    room = _Room()
    async with _reading(room) as reader:
        await reader.head()
        await reader.event()
        started = trio.current_time()
        assert (await reader._until(b"\n\n")).startswith(b":")
        assert trio.current_time() - started <= 15


async def test_it_ends_with_the_daemon_after_a_last_word() -> None:
    room = _Room()
    async with _reading(room) as reader:
        await reader.head()
        await reader.event()
        room.stop.set()
        room.events.say(Daemon(state="stopping", version=__version__))
        assert (await reader.event())["state"] == "stopping"
        assert await reader.stream.receive_some() == b""
    assert not room.events._subscribers


async def test_who_goes_is_forgotten() -> None:
    room = _Room()
    async with _reading(room) as reader:
        await reader.head()
        await reader.event()
        assert len(room.events._subscribers) == 1
        await reader.stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert not room.events._subscribers


async def test_who_does_not_read_holds_up_nobody_and_is_told_what_it_missed(tmp_path: Path) -> None:
    room = _Room()
    with bind_control_socket(tmp_path / "s") as sock:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_local, room.routes, sock)
            async with await trio.open_unix_socket(str(tmp_path / "s")) as stream:
                slow = _Reader(stream)
                await slow.ask()
                await slow.head()
                await slow.event()
                for number in range(60_000):  # far more than the kernel and the ring hold
                    room.events.say(_notice("00" * 16, f"{number}"))
                    if number % 1000 == 0:
                        await trio.lowlevel.checkpoint()
                room.events.say(_link("the last one"))
                numbers, missed = [], []
                while (event := await slow.event())["kind"] != "link":
                    numbers.append(event["id"])
                    if event["kind"] == "lost":
                        missed.append(event["missed"])
            nursery.cancel_scope.cancel()
    assert numbers == sorted(numbers)
    assert missed
    assert len(numbers) - len(missed) + sum(missed) == 60_000, "it knows how many it has not seen"
