"""The local API of what happens: one stream of server-sent events (the HTML standard, section 9.2)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Protocol

import msgspec
import trio

from yp2p import __version__
from yp2p.control.answers import Answer, Send
from yp2p.control.requests import FileName, Request, request_of
from yp2p.control.routes import Route, get_route
from yp2p.errors import UsageError
from yp2p.folder.folder import Folder
from yp2p.folder.lookup import choose

# So long nothing happens at most, before the reader hears that it is still followed: proxies and people give up.
_KEEP_ALIVE_S = 15.0
_STILL_THERE = b": still there\n\n"


class Frame(Protocol):
    """An event as JSON, on one line."""

    @property
    def number(self) -> int: ...

    @property
    def kind(self) -> str: ...

    @property
    def data(self) -> bytes: ...


class Subscription(Protocol):
    """What one reader takes."""

    seen: int

    async def read(self) -> Iterable[Frame]: ...


class Events(Protocol):
    """The stream of the device."""

    kinds: Collection[str]

    def subscribed(
        self, kinds: Collection[str], folder: str, since: int | None
    ) -> AbstractContextManager[Subscription]: ...


class Follower(Protocol):
    """What makes the events."""

    @property
    def events(self) -> Any: ...


class EventsRequest(msgspec.Struct, forbid_unknown_fields=True):
    kind: list[str] = []
    folder: FileName | None = None
    since: int | None = None


class _Answers:
    def __init__(self, events: Callable[[], Events], folders: Callable[[], Iterable[Folder]], stop: trio.Event) -> None:
        self._events = events
        self._folders = folders
        self._stop = stop

    async def follow(self, request: Request) -> Any:
        """What happens from now on, as server-sent events, until either end closes the connection.

        `kind` may be there several times: only events of these kinds. With `folder`, only those of that folder, and
        those of none. `since` is the number of the last event that was seen, as is the header `Last-Event-ID`: what
        happened since comes first, as far as it is kept.

        Answer: `text/event-stream`, each event with `id`, `event` (its kind) and `data` (JSON on one line, with the
        same); the section "Events" has all kinds. A comment comes every 15 s in which nothing happens.
        """
        wanted = request_of(request, EventsRequest)
        events = self._events()
        for kind in wanted.kind:
            if kind not in events.kinds:
                raise UsageError(f"there are no events of kind {kind!r}; kinds are {', '.join(events.kinds)}")
        folder = choose(self._folders(), wanted.folder).id.hex() if wanted.folder is not None else ""
        with ExitStack() as unless_answered:
            taken = events.subscribed(wanted.kind, folder, _since(request, wanted))
            subscription = unless_answered.enter_context(taken)
            last = unless_answered.pop_all()
        return Answer(
            media_type="text/event-stream", after=last.close, stream=lambda send: self._send_all(subscription, send)
        )  # fmt: skip

    async def _send_all(self, subscription: Subscription, send: Send) -> None:
        about = {"kind": "daemon", "id": subscription.seen, "state": "running", "version": __version__}
        await send(_encoded(subscription.seen, "daemon", msgspec.json.encode(about)))
        while not self._stop.is_set():
            frames: Iterable[Frame] = ()
            with trio.move_on_after(_KEEP_ALIVE_S):
                frames = await subscription.read()
            await send(b"".join(_encoded(one.number, one.kind, one.data) for one in frames) or _STILL_THERE)


def _since(request: Request, wanted: EventsRequest) -> int | None:
    """Raises ValidationError."""
    last = request.headers.get("last-event-id", "")
    if wanted.since is not None or not last:
        return wanted.since
    if not (last.isascii() and last.isdecimal() and len(last) < 19):
        raise msgspec.ValidationError(f"Last-Event-ID is {last!r:.100}, and not the number of an event")
    return int(last)


def _encoded(number: int, kind: str, data: bytes) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (number, kind.encode(), data)


def event_routes(
    events: Callable[[], Events], folders: Callable[[], Iterable[Folder]], stop: trio.Event
) -> list[Route]:
    """The route of the events."""
    return [get_route("/v1/events", _Answers(events, folders, stop).follow, EventsRequest)]
