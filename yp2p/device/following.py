"""Follows what happens on this device, for `events.py`: files and notices as they are told, states by comparing.

Theory of operation
    While somebody follows the events, the states of links, devices, folders and transfers are looked at twice a second
    and compared with what was told of them last; what is another one is an event. A folder is looked at where something
    was touched in it (`FolderState.changed`), and now and then in any case. So every part may change as it likes, a
    state that comes and goes within a moment is none, and a flood of changes is one. What may not be missed is told
    where it happens: files that changed (`changed_files.py`), notices, conflicts.

    A state is an event without number and time, by a key that says what it is about; two of them can be compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import structlog
import trio
from msgspec.structs import replace

from yp2p.device.changed_files import ChangedFiles
from yp2p.device.events import (
    ConflictChanged,
    DeviceChanged,
    Event,
    Events,
    FolderChanged,
    LinkChanged,
    MemberChanged,
    NoticeAdded,
    OfferChanged,
    PresenceChanged,
    SyncChanged,
    TransferChanged,
    shown_name,
)
from yp2p.device.members import SHOWN_ROLES
from yp2p.device.status import Status
from yp2p.folder.folder import Folder
from yp2p.folder.notices import Notice, NoticeKind
from yp2p.identity import DeviceID, FolderID
from yp2p.peers.peers import Peers

# How often states are compared, and files are told of that changed. What changes within that time is one event.
_COMPARE_S, _GATHER_S = 0.5, 0.1
_TRANSFER_S = 1.0
_RECOVERY_S = 10.0
# What no touch tells: that a device was renamed here, say.
_ANYWAY_S = 5.0
_CONFLICTS = {NoticeKind.BOTH_CHANGED: "place", NoticeKind.CONFLICT_COPY: "file", NoticeKind.DIVERGED: "file"}

_Key = tuple[str, ...]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Known:
    """The states of a folder, as they were looked at last: to be looked at anew when something was touched, or late."""

    folder: Folder
    touched: trio.Event
    until: float
    states: list[tuple[_Key, Event]]


class Following:
    """Makes the events of one device. `run` does the work.

    Args:
        folders: those of this device, by their IDs.
        offered: what other devices offer, as in `status`.
        present: the awareness states of all who are in a folder; the same list while they are the same.
    """

    def __init__(
        self,
        events: Events,
        folders: dict[FolderID, Folder],
        peers: Peers,
        status: Status,
        offered: Callable[[], list[dict[str, Any]]],
        present: Callable[[Folder], list[dict[str, Any]]],
    ) -> None:
        self.events = events
        self._folders = folders
        self._peers = peers
        self._status = status
        self._offered = offered
        self._present = present
        self._files: dict[FolderID, ChangedFiles] = {}
        self._told: dict[_Key, Event] = {}
        self._of: dict[FolderID, _Known] = {}
        self._transfers_at = 0.0
        self._woken = trio.Event()

    def follow(self, folder: Folder) -> None:
        """Tell what happens in a folder from now on."""
        if self.events.is_followed:
            self._watch_files(folder)
        added = folder.notices.on_added

        def on_added(notice: Notice) -> None:
            added(notice)
            self._notice(folder, notice)

        folder.notices.on_added = on_added
        folder.notices.on_settled = lambda notice: self._conflict(folder, notice, settled=True)

    def _notice(self, folder: Folder, notice: Notice) -> None:
        if not folder.notices.is_own(notice) or not self.events.is_followed:
            return
        self.events.say(
            NoticeAdded(
                folder=folder.id.hex(), label=shown_name(folder.label), number=notice.id, about=notice.kind.value,
                path=shown_name(notice.path), text=shown_name(notice.text),
            )
        )  # fmt: skip
        self._conflict(folder, notice, settled=False)

    def _conflict(self, folder: Folder, notice: Notice, *, settled: bool) -> None:
        kind = _CONFLICTS.get(notice.kind)
        if kind is None or not folder.notices.is_own(notice):
            return
        path = folder.catalogue.layout().path_of.get(notice.entry, notice.path)
        self.events.say(
            ConflictChanged(
                folder=folder.id.hex(), label=shown_name(folder.label), path=shown_name(path),
                type=kind, number=notice.id, settled=settled,  # type: ignore[arg-type]
            )
        )  # fmt: skip

    # --- the loop -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Make events while somebody follows, until cancelled."""
        while True:
            await self.events.until_followed()
            try:
                await self._run_followed()
            except Exception:  # whoever syncs goes on
                log.exception("events_failed", advice="whoever follows the events is told that some are missing")
                self.events.lose()
                await trio.sleep(_RECOVERY_S)
            finally:
                for files in self._files.values():
                    files.end()
                self._files.clear()
                self._of.clear()

    async def _run_followed(self) -> None:
        # no await: what happens from the first event of a stream on is told
        self._told = dict(chain.from_iterable(self._parts()))
        for folder in self._folders.values():
            self._watch_files(folder)
        compared = trio.current_time()
        while self.events.is_followed:
            for left in self._files.keys() - self._folders.keys():
                self._files.pop(left).end()
            with trio.move_on_at(compared + _COMPARE_S):
                await self._woken.wait()
                await trio.sleep(_GATHER_S)
            self._woken = trio.Event()
            for files in list(self._files.values()):
                await files.tell(self.events.say)
            if trio.current_time() >= compared + _COMPARE_S:
                compared = trio.current_time()
                await self._compare()

    def _watch_files(self, folder: Folder) -> None:
        if folder.id not in self._files:
            self._files[folder.id] = ChangedFiles(folder, lambda: self._woken.set())
            self._files[folder.id].begin()

    async def _compare(self) -> None:
        """Tell which states are others than before."""
        now = trio.current_time()
        with_transfers = now >= self._transfers_at + _TRANSFER_S
        if with_transfers:
            self._transfers_at = now
        before, after = self._told, dict[_Key, Event]()
        for part in self._parts():
            after |= part
            await trio.lowlevel.checkpoint()
        if not with_transfers:
            after |= {key: state for key, state in before.items() if isinstance(state, TransferChanged)}
        self._told = after
        for key, state in before.items():
            if key not in after and (last := _ending(state)) is not None:
                self.events.say(last)
        for key, state in after.items():
            if state != before.get(key) and (event := _change(before.get(key), state)) is not None:
                self.events.say(event)

    # --- states -------------------------------------------------------------------------------------------------

    def _parts(self) -> Iterator[Iterable[tuple[_Key, Event]]]:
        """All of them, each device and each folder looked at when it is its turn."""
        for device in list(self._peers.devices.roster.known()):
            yield self._of_device(device)
        for folder in list(self._folders.values()):
            if folder.id in self._folders:
                yield self._known_of(folder)
                yield self._transfers_of(folder)
        yield (
            (
                ("offer", one["folder"], one["device"]),
                OfferChanged(label=shown_name(one["label"]), name=one["name"], role=one["role"], open=True),
            )
            for one in self._offered()
        )

    def _of_device(self, device: DeviceID) -> Iterator[tuple[_Key, Event]]:
        state = self._status.device(device)
        shown, name = state["id"], shown_name(state["name"])
        yield (
            ("device", shown),
            DeviceChanged(device=shown, name=name, change="added", paused=state["paused"]),
        )
        connected = state["connected"]
        yield (
            ("link", shown),
            LinkChanged(
                device=shown, name=name, connected=connected, address=state["address"] if connected else None,
                reason=state["reason"],
            ),
        )  # fmt: skip

    def _known_of(self, folder: Folder) -> list[tuple[_Key, Event]]:
        """The states of a folder, looked at anew where something was touched."""
        known = self._of.get(folder.id)
        now = trio.current_time()
        if known is None or known.touched.is_set() or now >= known.until or known.folder is not folder:
            touched = folder.state.changed
            self._of[folder.id] = known = _Known(folder, touched, now + _ANYWAY_S, list(self._of_folder(folder)))
        return known.states

    def _of_folder(self, folder: Folder) -> Iterator[tuple[_Key, Event]]:
        number, label = folder.id.hex(), shown_name(folder.label)
        yield (
            ("folder", number),
            FolderChanged(
                folder=number, label=label, path=shown_name(str(folder.path)), change="added",
                state=folder.state.activity.value, problem=shown_name(self._status.problem(folder)),
                awaiting_confirmation=bool(folder.state.question.reason),
                entries=len(folder.catalogue.layout().path_of), to_fetch=len(folder.files.blobs.wanted),
                waiting=len(folder.files.waiting.entries), not_synced=len(folder.files.waiting.skipped),
            ),
        )  # fmt: skip
        for device in folder.membership.devices:
            if device != folder.clients.device:
                member = self._status.member(folder, device)
                yield (
                    ("member", number, member["id"]),
                    MemberChanged(
                        folder=number, label=label, device=member["id"], name=shown_name(member["name"]),
                        change="joined", role=SHOWN_ROLES[folder.membership.members[device].role],
                    ),
                )  # fmt: skip
                yield (
                    ("sync", number, member["id"]),
                    SyncChanged(
                        folder=number, label=label, device=member["id"], name=shown_name(member["name"]),
                        connected=member["connected"], in_sync=member["in_sync"], behind=member["behind"],
                        condition=member["condition"],
                    ),
                )  # fmt: skip
        for state in self._present(folder):
            yield (
                ("presence", number, state["id"]),
                PresenceChanged(
                    folder=number, label=label, device=state["id"], name=shown_name(state["device"]),
                    open=[shown_name(path) for path in state["open"]],
                ),
            )  # fmt: skip

    def _transfers_of(self, folder: Folder) -> Iterator[tuple[_Key, Event]]:
        number, label = folder.id.hex(), shown_name(folder.label)
        for one in self._status.transfers_of(folder):
            yield (
                ("transfer", number, one["direction"], one["device"], one["path"], one["kind"]),
                TransferChanged(
                    folder=number, label=label, device=shown_name(one["device"]), direction=one["direction"],
                    path=shown_name(one["path"]), type=one["kind"], files=one["files"], bytes_done=one["bytes_done"],
                    bytes_total=one["bytes_total"], bytes_per_s=one["bytes_per_s"], seconds_left=one["seconds_left"],
                    ended=False,
                ),
            )  # fmt: skip


def _change(before: Event | None, after: Event) -> Event | None:
    """What to tell of a state that is another one than before; None: nothing that matters."""
    match before, after:
        case FolderChanged(), FolderChanged():
            return replace(after, change="changed")
        case DeviceChanged(), DeviceChanged() if before.name != after.name:
            return replace(after, change="renamed")
        case DeviceChanged(), DeviceChanged():
            return replace(after, change="paused" if after.paused else "unpaused")
        case MemberChanged(), MemberChanged():
            return replace(after, change="role") if before.role != after.role else None
        case None, PresenceChanged() if not after.open:
            return None
        case LinkChanged(), LinkChanged() if _without_numbers(before) == _without_numbers(after):
            return None  # the moment from which it is tried again, to the second
        case _:
            return after


def _without_numbers(state: LinkChanged) -> tuple[bool, str | None, str]:
    return state.connected, state.address, re.sub(r"[0-9]", "", state.reason)


def _ending(state: Event) -> Event | None:
    """What to tell of something that is no more; None: what it was about is told of by itself."""
    match state:
        case FolderChanged():
            return replace(state, change="left")
        case DeviceChanged():
            return replace(state, change="removed")
        case MemberChanged():
            return replace(state, change="left")
        case TransferChanged():
            return replace(state, ended=True, seconds_left=None, bytes_per_s=0)
        case OfferChanged():
            return replace(state, open=False)
        case PresenceChanged() if state.open:
            return replace(state, open=[])
        case _:
            return None
