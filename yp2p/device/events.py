"""What happens on this device, as one stream: for `yp2p events`, scripts and pages (docs/api.md, "Events").

Theory of operation
    Whoever sees that something happened says so (`Events.say`); it is encoded once, gets the next number, and is kept
    in a ring of the newest ones. A subscriber has no queue: it knows the number of the event that it wants next, and
    takes what is there from it on. So nobody waits for a slow one, and what the ring has lost meanwhile it is told as a
    number (`Lost`). Coming back with the number of the last event that was seen is the same.

    What somebody has still to read is kept much longer than what all have read: that is there for who comes back.

    Numbers grow by one. Those of a new process begin with the time in microseconds, so that they are above those of
    the process before; one that is above all that were given (the clock was set back) is answered as lost.

    Nothing is made while nobody is there to take it: events are made from the first subscriber on, and for some minutes
    after the last one, so that it can come back.

Invariants
    * `say` never waits, and takes microseconds.
    * The ring is bounded in events and in bytes, and so is the number of subscribers. As long as all read what comes it
      holds `_KEPT_EVENTS` at most, so that who follows for an hour costs no more than who does for some minutes.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import msgspec
import trio

from yp2p.errors import YpError

# What a subscriber may still have to read: a first sync of more files than these overruns who does not read.
_MAX_EVENTS, _MAX_BYTES = 8192, 4 << 20
# What all have read: some minutes of a busy folder.
_KEPT_EVENTS, _KEPT_BYTES = 1024, 512 << 10
_MAX_SUBSCRIBERS = 64
# So long a subscriber may be away and find what it missed.
_KEPT_S = 600.0
# What one reading gives at most, before others have their turn.
_READ_BYTES = 64 << 10

# The name of a file or directory; bytes that are no UTF-8 are written as `\udcXX`.
Name: TypeAlias = str
FolderId = Annotated[str, msgspec.Meta(description="the ID of the folder")]
Label = Annotated[str, msgspec.Meta(description="what the folder is called here")]
DeviceId = Annotated[str, msgspec.Meta(description="the ID of the device")]
DeviceName = Annotated[str, msgspec.Meta(description="what the device is called here")]


class Event(msgspec.Struct, tag_field="kind", kw_only=True):
    """What all events have."""

    id: Annotated[int, msgspec.Meta(description="its number")] = 0
    at: Annotated[float, msgspec.Meta(description="when it was seen here, in seconds since 1970")] = 0.0


class Daemon(Event, tag="daemon"):
    """The daemon itself: `running` is the first event of every stream, `stopping` the last one."""

    state: Literal["running", "stopping"]
    version: Annotated[str, msgspec.Meta(description="of yp2p")]


class Lost(Event, tag="lost"):
    """Events are missing here: the reader was too slow, or away for too long. What matters has to be asked for."""

    missed: Annotated[int | None, msgspec.Meta(description="how many; null where they are of an earlier daemon")]


class FolderChanged(Event, tag="folder"):
    """A folder came, was left, or is in another state."""

    folder: FolderId
    label: Label
    path: Annotated[str, msgspec.Meta(description="its directory")]
    change: Literal["added", "changed", "left"]
    state: Annotated[str, msgspec.Meta(description="as in `status`: `idle`, `working`, `paused`...")]
    problem: Annotated[str, msgspec.Meta(description="what hinders it most; empty when nothing does")]
    awaiting_confirmation: Annotated[bool, msgspec.Meta(description="whether a mass deletion waits for a person")]
    entries: Annotated[int, msgspec.Meta(description="files, directories and symlinks")]
    to_fetch: Annotated[int, msgspec.Meta(description="files whose content is still to come")]
    waiting: Annotated[int, msgspec.Meta(description="files that wait for something; `status` says for what")]
    not_synced: Annotated[int, msgspec.Meta(description="files that are not synced; `status` says why")]


class DeviceChanged(Event, tag="device"):
    """A device takes part from now on, or no more, is called otherwise, or was paused here."""

    device: DeviceId
    name: DeviceName
    change: Literal["added", "removed", "renamed", "paused", "unpaused"]
    paused: Annotated[bool, msgspec.Meta(description="whether no link with it is wanted here")]


class LinkChanged(Event, tag="link"):
    """A link with another device came up or ended, or the reason why there is none is another one."""

    device: DeviceId
    name: DeviceName
    connected: bool
    address: Annotated[str | None, msgspec.Meta(description="where it is connected, with the port")]
    reason: Annotated[str, msgspec.Meta(description="why it is not connected; else empty")]


class MemberChanged(Event, tag="member"):
    """A device takes part in a folder from now on, or no more, or may do something else in it."""

    folder: FolderId
    label: Label
    device: DeviceId
    name: DeviceName
    change: Literal["joined", "left", "role"]
    role: Annotated[str, msgspec.Meta(description="`admin`, `member` or `reader`; of one that left, what it was")]


class SyncChanged(Event, tag="sync"):
    """How far another device is in a folder."""

    folder: FolderId
    label: Label
    device: DeviceId
    name: DeviceName
    connected: bool
    in_sync: Annotated[bool, msgspec.Meta(description="whether it has said that its disk has all that is here")]
    behind: Annotated[int | None, msgspec.Meta(description="how many files it lacks; null where it is not connected")]
    condition: Annotated[str, msgspec.Meta(description="what stands in its way; empty when nothing does")]


class FileChanged(Event, tag="file"):
    """A file on this disk is another one than before, whoever changed it. Changes within a moment are one event."""

    folder: FolderId
    label: Label
    path: Annotated[Name, msgspec.Meta(description="in the folder")]
    was: Annotated[Name | None, msgspec.Meta(description="where it was before, if it was renamed")]
    type: Literal["text", "file", "directory", "symlink"]
    change: Literal["added", "changed", "renamed", "deleted"]
    devices: Annotated[list[str], msgspec.Meta(description="the names of the devices where it was changed")]
    is_own: Annotated[bool, msgspec.Meta(description="whether this device is one of them")]


class TransferChanged(Event, tag="transfer"):
    """Something is on its way, once a second, and has ended. Fields as of `transfers` in `status`."""

    folder: FolderId
    label: Label
    device: DeviceName
    direction: Literal["sending", "receiving"]
    path: Annotated[Name, msgspec.Meta(description="empty for many small ones")]
    type: Literal["texts", "files"]
    files: int
    bytes_done: int
    bytes_total: Annotated[int | None, msgspec.Meta(description="null where nobody knows")]
    bytes_per_s: int
    seconds_left: float | None
    ended: bool


class ConflictChanged(Event, tag="conflict"):
    """Two devices changed the same apart: a `place` in a text, or a `file` that stands beside another one now."""

    folder: FolderId
    label: Label
    path: Annotated[Name, msgspec.Meta(description="in the folder")]
    type: Literal["place", "file"]
    number: Annotated[int, msgspec.Meta(description="of its notice, which `/v1/conflicts/resolve` takes for a place")]
    settled: Annotated[bool, msgspec.Meta(description="whether a person has decided since")]


class NoticeAdded(Event, tag="notice"):
    """What a person may want to look at, as in `/v1/notices`."""

    folder: FolderId
    label: Label
    number: int
    about: Annotated[str, msgspec.Meta(description="its `kind` in `/v1/notices`")]
    path: Annotated[Name, msgspec.Meta(description="in the folder; empty where it is about no file")]
    text: str


class OfferChanged(Event, tag="offer"):
    """Another device offers a folder, or no more."""

    label: Annotated[str, msgspec.Meta(description="what the folder is called there")]
    name: DeviceName
    role: Annotated[str, msgspec.Meta(description="what this device may do in it")]
    open: Annotated[bool, msgspec.Meta(description="whether it can be accepted")]


class PresenceChanged(Event, tag="presence"):
    """What people and programs on a device have open in a folder."""

    folder: FolderId
    label: Label
    device: DeviceId
    name: DeviceName
    open: Annotated[list[Name], msgspec.Meta(description="paths in the folder")]


KINDS: dict[str, type[Event]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (
        Daemon, FolderChanged, DeviceChanged, LinkChanged, MemberChanged, SyncChanged, FileChanged, TransferChanged,
        ConflictChanged, NoticeAdded, OfferChanged, PresenceChanged, Lost,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frame:
    """An event as it is kept: encoded as JSON, on one line."""

    number: int
    kind: str
    folder: str
    data: bytes


class Events:
    """The stream of one device."""

    kinds = tuple(KINDS)

    def __init__(self, first: int | None = None) -> None:
        self._first = self._oldest = self._next = first if first is not None else time.time_ns() // 1000
        self._frames: dict[int, Frame] = {}
        self._bytes = 0
        self._subscribers: set[Subscription] = set()
        self._kept_until = float("-inf")
        self._news = trio.Event()
        self._wanted = trio.Event()

    @property
    def is_followed(self) -> bool:
        """Whether somebody takes them, or may come back for them."""
        return bool(self._subscribers) or trio.current_time() < self._kept_until

    async def until_followed(self) -> None:
        """Wait for a subscriber."""
        while not self.is_followed:
            self._wanted = trio.Event()
            await self._wanted.wait()

    def say(self, event: Event) -> None:
        """It happened now. Nothing where nobody is there to take it."""
        if not self.is_followed:
            return
        event = msgspec.structs.replace(event, id=self._next, at=round(time.time(), 3))
        frame = Frame(
            self._next, str(event.__struct_config__.tag), getattr(event, "folder", ""), msgspec.json.encode(event)
        )
        self._frames[self._next] = frame
        self._next += 1
        self._bytes += len(frame.data)
        while self._bytes > _MAX_BYTES or len(self._frames) > _MAX_EVENTS:
            self._drop_oldest()
        self.drop_read()
        self._news.set()

    def drop_read(self) -> None:
        """Let go of what all subscribers have read, but for what is kept for who comes back."""
        if self._bytes <= _KEPT_BYTES and len(self._frames) <= _KEPT_EVENTS:
            return
        read = min((one.seen for one in self._subscribers), default=self._next)
        while self._oldest <= read and (self._bytes > _KEPT_BYTES or len(self._frames) > _KEPT_EVENTS):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._bytes -= len(self._frames.pop(self._oldest).data)
        self._oldest += 1

    def lose(self) -> None:
        """What happened is not known any more: whoever follows is told that something is missing."""
        self._frames.clear()
        self._bytes = 0
        self._next += 1
        self._oldest = self._next
        self._news.set()

    @contextmanager
    def subscribed(self, kinds: Collection[str], folder: str, since: int | None) -> Iterator[Subscription]:
        """Take events meanwhile.

        Args:
            kinds: which ones; all, where it is empty. `daemon` and `lost` come in any case.
            folder: only those of the folder with this ID, and those of no folder; of all, where it is empty.
            since: the number of the last one that was seen before; None: from now on.

        Raises:
            YpError: there are too many subscribers.
        """
        if len(self._subscribers) >= _MAX_SUBSCRIBERS:
            raise YpError(f"{_MAX_SUBSCRIBERS} programs follow the events already; end one of them")
        subscription = Subscription(self, frozenset(kinds), folder, since)
        self._subscribers.add(subscription)
        self._wanted.set()
        try:
            yield subscription
        finally:
            self._subscribers.discard(subscription)
            self.drop_read()
            self._kept_until = trio.current_time() + _KEPT_S

    # --- what a subscription reads ------------------------------------------------------------------------------

    @property
    def next_number(self) -> int:
        """The number of the next event."""
        return self._next

    def lost(self, since: int) -> Lost | None:
        """What is missing for who has seen all up to this number."""
        if self._oldest <= since + 1 <= self._next:
            return None
        is_of_this_process = self._first <= since + 1 <= self._next
        missed = self._oldest - since - 1 if is_of_this_process else None
        return Lost(id=self._oldest - 1, at=round(time.time(), 3), missed=missed)

    def frames_after(self, number: int) -> Iterator[Frame]:
        """Those that are kept behind a number."""
        for one in range(max(number + 1, self._oldest), self._next):
            yield self._frames[one]

    async def until_news(self, number: int) -> None:
        """Wait for an event behind a number."""
        while self._next <= number + 1:
            if self._news.is_set():
                self._news = trio.Event()
            await self._news.wait()


class Subscription:
    """What one reader takes. `seen` is the number of the last event that was looked at."""

    def __init__(self, events: Events, kinds: frozenset[str], folder: str, since: int | None) -> None:
        self._events = events
        self._kinds = kinds | {"daemon", "lost"} if kinds else kinds
        self._folder = folder
        self.seen = since if since is not None else events.next_number - 1

    async def read(self) -> list[Frame]:
        """What came next, at least one of them. Returns after a number of bytes, so that it can be sent."""
        while not (found := self.read_nowait()):
            await self._events.until_news(self.seen)
        return found

    def read_nowait(self) -> list[Frame]:
        """What is there by now."""
        found: list[Frame] = []
        lost = self._events.lost(self.seen)
        if lost is not None:
            found.append(Frame(lost.id, "lost", "", msgspec.json.encode(lost)))
            self.seen = lost.id
        size = 0
        for frame in self._events.frames_after(self.seen):
            self.seen = frame.number
            if self._wants(frame):
                found.append(frame)
                size += len(frame.data)
                if size >= _READ_BYTES:
                    break
        self._events.drop_read()
        return found

    def _wants(self, frame: Frame) -> bool:
        is_there = not self._folder or not frame.folder or frame.folder == self._folder
        return is_there and (not self._kinds or frame.kind in self._kinds)


def shown_name(name: str) -> str:
    """A name that JSON can hold: file names are bytes, and some are strings of a kind of their own."""
    return name.encode("utf-8", "backslashreplace").decode()
