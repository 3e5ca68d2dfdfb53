"""What `yp2p status` shows: a device is in sync only with what it has acknowledged (invariant 10)."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping
from typing import Any

import trio

from yp2p.device.choosing import counts
from yp2p.folder.folder import Folder
from yp2p.folder.notices import NoticeKind
from yp2p.folder.standing import why_out
from yp2p.folder.transfers import TEXTS
from yp2p.history.conflicts import conflict_files, conflicts_of
from yp2p.identity import DeviceID, EntryID, FolderID, format_device_id, short_id
from yp2p.peers.neighbours import is_large
from yp2p.peers.peers import Peers
from yp2p.printable import clock_text
from yp2p.protocol.messages import Condition
from yp2p.sentences import THROUGH_OTHERS, WORKING, of_folder, of_member

# What stands between what another device announced and its disk, as `status` says it.
_CONDITIONS = {
    Condition.NONE: "",
    Condition.WORKING: WORKING,
    Condition.PAUSED: "paused there, by a person or because its directory or marker is missing",
    Condition.AWAITING_CONFIRMATION: "paused there: many deletions wait for a decision",
    Condition.APART: "apart after a fault: it takes and sends nothing here for a while, and then tries again",
    Condition.CANNOT_STORE: "paused there: its disk is full or cannot be written",
}


class Status:
    """The state of one device.

    Args:
        present: the awareness states of all who are in a folder.
    """

    def __init__(
        self,
        own: DeviceID,
        peers: Peers,
        folders: Mapping[FolderID, Folder],
        present: Callable[[Folder], list[dict[str, Any]]],
    ) -> None:
        self._own = own
        self._peers = peers
        self._folders = folders
        self._present = present

    def name_of(self, device: DeviceID) -> str:
        return self._peers.devices.called(device) or next(
            (f.membership.members[device].name for f in self._folders.values() if device in f.membership.members), ""
        )

    def device(self, device: DeviceID) -> dict[str, Any]:
        """What is known of a device, and of the link with it."""
        address = self._peers.address_of(device)
        contact = self._peers.devices.contact(device)
        link, name = self._peers.link(device), self.name_of(device)
        return {
            "id": format_device_id(device),
            "name": name,
            "connected": link is not None,
            "reason": "" if link is not None else self._why_not_connected(device, name),
            "paused": contact.choice.is_paused,
            "paused_until": contact.choice.paused_until.at if contact.choice.paused_until is not None else None,
            "version": contact.version,
            "last_seen": time.time() if link is not None else contact.last_seen,
            "address": str(address) if address is not None else None,
            "last_error": self._peers.last_error(device),
            "faults": contact.faults,
            "sent_bytes": link.traffic.sent_bytes if link is not None else 0,
            "received_bytes": link.received_bytes if link is not None else 0,
            "exchanged_bytes": dict(link.traffic.exchanged) if link is not None else {},
        }

    def _why_not_connected(self, device: DeviceID, name: str) -> str:
        if any(self._is_through_others(folder, device) for folder in self._folders.values()):
            return ""
        return self._peers.devices.why_not_connected(device, name)

    def _is_through_others(self, folder: Folder, device: DeviceID) -> bool:
        """Whether a device is there without a link, as in a large folder most are (`peers/neighbours.py`).

        It is announced on this network, or others pass on what it says of itself. Whether it has what is here only the
        device itself can say.
        """
        devices = self._peers.devices
        if device not in folder.membership.devices or not is_large(folder):
            return False
        if self._peers.session(device, folder.id) is not None or devices.neighbours.wants(device):
            return False
        shown = format_device_id(device)
        is_announced = bool(devices.contact(device).reach.announced_by)
        return is_announced or any(one.get("id") == shown for one in self._present(folder))

    def folder(self, folder: Folder) -> dict[str, Any]:
        """How a folder is doing here and, as far as they say, on the other devices."""
        alive = folder.catalogue.layout().path_of
        waiting, beside, notices = folder.files.waiting, conflict_files(folder), folder.notices.counts()
        found = {
            "id": folder.id.hex(),
            "label": folder.label,
            "path": str(folder.path),
            "state": folder.state.activity.value,
            "paused": folder.state.is_left_alone,
            "paused_until": folder.state.left_alone_until,
            "removed": self._own not in folder.membership.members,
            "problem": self.problem(folder),
            "is_reader": folder.membership.is_reader,
            "chosen": sorted(folder.files.choice.paths),
            "local_changes": [{"path": p, "change": c.value} for p, c in sorted(folder.files.local.paths.items())],
            "rules_waiting": folder.files.ignored.waiting,
            "awaiting_confirmation": bool(folder.state.question.reason),
            "file_system": folder.state.file_system.as_dict(),
            "entries": {
                "total": len(alive),
                "here": len(alive) - len(folder.files.tally.absent),
                "to_fetch": len(folder.files.blobs.wanted),
                "bytes_to_fetch": folder.files.blobs.wanted_bytes,
                "not_synced": len(waiting.skipped),
                "waiting": len(waiting.entries),
                "ignored": len(folder.files.ignored.entries),
                **counts(folder),
                "conflicts": len(beside),
                "places_to_settle": sum(1 for _ in conflicts_of(folder)),
            },
            "progress": folder.state.progress.describe(
                folder.files.tally.files_to_go, folder.files.blobs.wanted_bytes, trio.current_time()
            ),
            "notices": {kind.value: notices[kind] for kind in NoticeKind},
            "not_synced": [{"path": p, "reason": r} for p, r in sorted(waiting.skipped.items())],
            "waiting": [
                {"path": _path_of(folder, entry), "reason": reason}
                for entry, reason in waiting.entries.items()
            ],
            "conflicts": beside,
            "quarantined": self._quarantined(folder),
            "devices": [self.member(folder, device) for device in sorted(folder.membership.devices)
                        if device != self._own],
            "presence": self._present(folder),
        }  # fmt: skip
        return found | of_folder(found).fields()

    def transfers(self) -> list[dict[str, Any]]:
        """What is on its way, by file and device."""
        return [line for folder in self._folders.values() for line in self.transfers_of(folder)]

    def transfers_of(self, folder: Folder) -> list[dict[str, Any]]:
        """What is on its way in a folder."""
        now = trio.current_time()
        return [
            {
                "device": self.name_of(line.key.device),
                "folder": folder.label,
                "direction": line.key.way.value,
                "path": line.path,
                "kind": "texts" if line.key.what == TEXTS else "files",
                "files": line.files,
                "bytes_done": line.done,
                "bytes_total": line.total,
                "bytes_per_s": round(line.bytes_per_s),
                "seconds_left": None if line.seconds_left is None else round(line.seconds_left, 1),
            }
            for line in folder.state.transfers.lines(now)
        ]

    def _removed(self, folder: Folder) -> str:
        if self._own in folder.membership.members:
            return ""
        how = f"`yp2p share` on another device, and `yp2p join {shlex.quote(str(folder.path))}` here"
        if not folder.membership.members:
            return f"the store has lost the members of this folder, so nothing is synced; what helps: {how}"
        return (
            f"this device is no member of the folder any more: {self._why_out(folder)}. Nothing is synced, and the"
            f" files stay here. What lets it in again: {how};"
            f" `yp2p folder leave {shlex.quote(str(folder.path))}` forgets the folder"
        )

    def _why_out(self, folder: Folder) -> str:
        """Who removed this device from a folder, and when it heard of it: statements bear no time."""
        membership, at = folder.membership, folder.notices.removed_at
        why = why_out(membership, self._own, lambda one: self.name_of(one) or membership.name_of(one) or short_id(one))
        return f"{why}, as it heard {'on ' if ' ' in clock_text(at) else 'at '}{clock_text(at)}" if at else why

    def problem(self, folder: Folder) -> str:
        """What hinders a folder most; empty when nothing does."""
        state = folder.state
        doubt = folder.observers.uncounted.problem() or folder.observers.unsent.problem()
        if removed := self._removed(folder):  # also of a folder that a person paused
            return f"{removed}. It is paused as well: {state.pause_reason}" if state.pause_reason else removed
        return state.pause_reason or doubt or state.limitation or folder.files.ignored.problem

    def _quarantined(self, folder: Folder) -> list[dict[str, Any]]:
        """The documents that panicked on what some device sent."""
        now, path_of, entry_of = trio.current_time(), folder.catalogue.layout().path_of, folder.catalogue.entry_of
        return [
            {
                "path": path_of.get(entry_of.get(held.document, EntryID(b"")), ""),
                "document": held.document.hex()[:8],
                "device": self.name_of(held.peer),
                "failures": held.failures,
                "retry_in_s": round(held.until - now),
            }
            for held in folder.observers.quarantine.current(now)
        ]

    def in_folder(self, folder: str, device: DeviceID) -> dict[str, Any]:
        """How far a device is in a folder, which is named by its ID in hexadecimal digits."""
        standing = self.member(self._folders[FolderID(bytes.fromhex(folder))], device)
        return {name: standing[name] for name in ("in_sync", "behind", "condition", "summary", "mood", "hint")}

    def member(self, folder: Folder, device: DeviceID) -> dict[str, Any]:
        """How far a device is in a folder."""
        session = self._peers.session(device, folder.id)
        behind = len(session.agreement.behind) if session is not None else None
        is_through_others = self._is_through_others(folder, device)
        lacks = None if is_through_others else folder.observers.away.count(device)
        condition = THROUGH_OTHERS if is_through_others else ""
        found = {
            "id": format_device_id(device),
            "name": self.name_of(device),
            "connected": session is not None,
            "in_sync": session is not None
            and folder.state.settled
            and folder.is_complete()
            and session.agreement.in_sync,
            "behind": behind,
            "lacks": behind if session is not None else lacks,
            "condition": _CONDITIONS[session.agreement.condition] if session is not None else condition,
            "last_seen": time.time() if session is not None else self._peers.devices.contact(device).last_seen,
        }
        kept = len(folder.files.local.paths) if folder.membership.is_reader else 0
        return found | of_member(found, is_paused=bool(folder.state.pause_reason), kept=kept).fields()


def _path_of(folder: Folder, entry: EntryID) -> str:
    """Where an entry belongs, or where its file still is."""
    record = folder.files.get(entry)
    return folder.catalogue.layout().path_of.get(entry) or (record.path if record is not None else "")
