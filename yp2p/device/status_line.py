"""What the service manager shows of this device, in one line: with whom it is in sync, or what is on its way.

`systemctl status` shows it. It is for a person who looks now and then, so it is told when it changes: at most once a
second, and each five while only a number of bytes does. Whoever has nothing to tell sleeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import trio

from yp2p.device.discovery import cancel_when
from yp2p.folder.folder import Folder
from yp2p.folder.state import Activity
from yp2p.folder.transfers import Way
from yp2p.identity import DeviceID, FolderID
from yp2p.peers.peers import Peers
from yp2p.printable import printable, size_text

_PAUSE_S = 1.0
# What moves without anything else being told.
_LOOK_AGAIN_S = 5.0
# systemd cuts what is longer; a device with a hundred thousand files to send is as far as one can tell by some of them.
_MOST_CHARS, _MOST_ADDED = 400, 10_000


@dataclass(frozen=True, slots=True)
class Other:
    """Another device of a folder. `files_to_go` and `bytes_to_go` are still to be sent to it.

    Several devices may have one name.
    """

    id: DeviceID
    name: str
    is_connected: bool = True
    is_in_sync: bool = True
    files_to_go: int = 0
    bytes_to_go: int = 0


@dataclass(frozen=True, slots=True)
class Glance:
    """One folder. `problem` is why it is paused; `files_to_go` and `bytes_to_go` are still to come here."""

    label: str
    activity: Activity = Activity.IDLE
    problem: str = ""
    asks: bool = False
    is_scanned: bool = True
    files: int = 0
    files_to_go: int = 0
    bytes_to_go: int = 0
    others: tuple[Other, ...] = ()


def sentence(folders: Sequence[Glance], port: int) -> str:
    """All of it, as a person would say it: what has to be done first, then what is on its way, then how it stands."""
    if not folders:
        return f"nothing is shared yet; listening on port {port}"
    return printable("; ".join(_parts(folders)))[:_MOST_CHARS]


def _parts(folders: Sequence[Glance]) -> Iterator[str]:
    for one in folders:
        if one.asks:
            yield f"{one.label} waits for your decision (yp2p status)"
        elif one.problem:
            yield f"{one.label} is paused: {one.problem}"
    active = [one for one in folders if not one.problem]
    coming = sum(one.files_to_go for one in active), sum(one.bytes_to_go for one in active)
    sending = _sending(active)
    if any(coming):
        yield f"receiving {_amount(*coming)}"
    for name, files, size in sending:
        yield f"sending {_files(files)} to {name}" + (f", {_left(size)}" if size else "")
    if not any(coming) and not sending and active:
        yield _standing(active)
    yield _files(sum(one.files for one in folders))


def _sending(folders: Iterable[Glance]) -> list[tuple[str, int, int]]:
    """The devices that something is on its way to, by name, with files and bytes."""
    found: dict[DeviceID, tuple[str, int, int]] = {}
    for one in folders:
        for other in one.others:
            if other.is_connected and other.files_to_go:
                _, files, size = found.get(other.id, ("", 0, 0))
                found[other.id] = other.name, files + other.files_to_go, size + other.bytes_to_go
    return list(found.values())


def _standing(folders: Sequence[Glance]) -> str:
    """How it stands where nothing is on its way."""
    busy = next((one for one in folders if one.activity is not Activity.IDLE), None)
    if busy is not None:
        if busy.activity is Activity.WAITING:
            return f"{busy.label} waits for the first device"
        return f"looking at the files of {busy.label}" if not busy.is_scanned else f"reading or writing in {busy.label}"
    others = [other for one in folders for other in one.others]
    names = {other.id: other.name for other in others}
    connected = {other.id: other.name for other in others if other.is_connected}
    lagging = {other.id for other in others if not (other.is_connected and other.is_in_sync)}
    in_sync = [name for device, name in names.items() if device not in lagging]
    if not names:
        return "on no other device yet"
    if connected and not in_sync:
        return f"comparing with {_devices(list(connected.values()))}"
    if not in_sync:
        return f"not connected with {_devices(list(names.values()))}"
    if len(in_sync) == len(names):
        return f"in sync with {_devices(in_sync)}"
    return f"in sync with {len(in_sync)} of {len(names)} devices"


def _devices(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} devices"


def _files(count: int) -> str:
    return f"{count:,} file{'s' if count != 1 else ''}"


def _left(size: int) -> str:
    return f"{size_text(size)} left"


def _amount(files: int, size: int) -> str:
    return f"{_files(files)}, {_left(size)}" if size else _files(files)


class StatusLine:
    """Tells it for one device."""

    def __init__(self, own: DeviceID, folders: Mapping[FolderID, Folder], peers: Peers) -> None:
        self._own = own
        self._folders = folders
        self._peers = peers

    def sentence(self) -> str:
        """How it stands now."""
        return sentence([self._glance(folder) for folder in self._folders.values()], self._peers.listen_port)

    async def run(self, tell: Callable[[str], None]) -> None:
        """Tell how it stands, and whenever that changes, until cancelled."""
        told = ""
        while True:
            changes = [folder.state.changed for folder in self._folders.values()]
            changes.append(self._peers.members_changed)
            now = self.sentence()
            if now != told:
                told = now
                tell(now)
            await trio.sleep(_PAUSE_S)
            await self._change(changes)

    async def _change(self, changes: Iterable[trio.Event]) -> None:
        """Return when something has changed; where something is on its way also after a while."""
        async with trio.open_nursery() as nursery:
            if any(folder.state.transfers.lines(trio.current_time()) for folder in self._folders.values()):
                nursery.cancel_scope.deadline = trio.current_time() + _LOOK_AGAIN_S
            for change in changes:
                nursery.start_soon(cancel_when, change, nursery.cancel_scope)

    def _glance(self, folder: Folder) -> Glance:
        state, blobs = folder.state, folder.files.blobs
        is_complete = folder.is_complete()
        arrived = sum(state.progress.arrived.values())
        return Glance(
            folder.label,
            state.activity,
            state.pause_reason,
            bool(state.question.reason),
            state.is_scanned,
            len(folder.files),
            0 if is_complete else folder.files.tally.files_to_go,
            0 if is_complete else max(0, blobs.wanted_bytes - arrived),
            tuple(self._other(folder, device) for device in sorted(folder.membership.devices) if device != self._own),
        )

    def _other(self, folder: Folder, device: DeviceID) -> Other:
        session, name = self._peers.session(device, folder.id), folder.name_of(device)
        if session is None:
            return Other(device, name, is_connected=False, is_in_sync=False)
        told = session.agreement
        is_in_sync = folder.state.settled and folder.is_complete() and told.in_sync
        behind = told.behind if told.compared else {}
        entries = folder.catalogue.entries
        size = sum(entries[entry].content.size for entry in islice(behind, _MOST_ADDED) if entry in entries)
        lines = folder.state.transfers.lines(trio.current_time())
        sent = sum(one.done for one in lines if one.key.way is Way.SENDING and one.key.device == device and one.path)
        return Other(device, name, True, is_in_sync, len(behind), max(0, size - sent))
