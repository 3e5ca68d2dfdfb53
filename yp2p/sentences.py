"""How folders and devices are doing, in a sentence each. The one place where that is worded: `yp2p status`, the page of
`yp2p up` and the local API say the same.

All of it is made of what `GET /v1/status` answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from yp2p.printable import size_text

# The condition of a member of a large folder that is there and has no link with this device.
THROUGH_OTHERS = "reached through other devices"


@dataclass(frozen=True, slots=True)
class ToGo:
    """What is left of all folders: here, or on the device that has most left."""

    files: int
    bytes: int
    bytes_per_s: float
    seconds_left: float | None

    @classmethod
    def of(cls, status: dict[str, Any]) -> ToGo:
        folders = status["folders"]
        here = [folder["progress"] for folder in folders]
        behind = [max((device["behind"] or 0 for device in folder["devices"]), default=0) for folder in folders]
        files = sum(max(own["files_to_go"], others) for own, others in zip(here, behind, strict=True))
        times = [own["seconds_left"] for own in here if own["files_to_go"] or own["bytes_to_go"]]
        return cls(
            files,
            sum(own["bytes_to_go"] for own in here),
            sum(own["bytes_per_s"] for own in here),
            max(times) if times and None not in times else None,
        )

    def text(self) -> str:
        """Such as `1,234 files, 12.3 MiB to go, 4.5 MiB/s, 12 s left`."""
        parts = [f"{self.files:,} files"]
        if self.bytes:
            parts.append(size_text(self.bytes))
        parts[-1] += " to go"
        if self.bytes_per_s >= 1:
            parts.append(f"{size_text(round(self.bytes_per_s))}/s")
        if self.seconds_left is not None:
            parts.append(f"{self.seconds_left:.0f} s left")
        return ", ".join(parts)


def summary(status: dict[str, Any]) -> str:
    """Whether what is here is on the other devices, in one line."""
    folders = status["folders"]
    if not folders:
        return "Nothing is shared yet. `yp2p up DIR` shares a directory; `yp2p join DIR` takes part in one."
    waiting = [folder for folder in folders if folder["awaiting_confirmation"]]
    if waiting:
        return f"Not in sync: {_names(waiting)} waits for your decision, see below."
    failing = [folder for folder in folders if _is_stopped(folder)]
    if failing:
        return f"Not in sync: {failing[0]['label']}: {failing[0]['problem']}"
    busy = [folder for folder in folders if _is_busy(folder)]
    if busy:
        return f"Not in sync yet: {busy[0]['label']} is {of_folder(busy[0])}."
    alone = [folder for folder in folders if not connected(folder)]
    if alone:
        return f"On this device only, as far as it knows: no other device is connected for {_names(alone)}."
    absent = [member for folder in folders for member in folder["devices"] if not member["connected"]]
    away = sorted({member["name"] for member in absent if not _is_through_others(member)})
    through = len({member["id"] for member in absent if _is_through_others(member)})
    are = "is" if through == 1 else "are"
    passed_on = f" {through:,} more {are} reached through them (`yp2p wait --all` asks each)." if through else ""
    if away:
        return f"In sync with every connected device. Not connected: {', '.join(away)}.{passed_on}"
    if through:
        return f"In sync with every connected device.{passed_on}"
    return "In sync: all folders are the same on all devices."


def of_folder(folder: dict[str, Any]) -> str:
    """How a folder is doing, in some words."""
    if folder["awaiting_confirmation"]:
        return "waiting for your decision"
    if _is_stopped(folder):
        return str(folder["problem"])
    to_go = ToGo.of({"folders": [folder | {"devices": []}]})
    if to_go.files or to_go.bytes:
        return f"receiving: {to_go.text()}"
    if folder["state"] not in ("idle", "working"):
        return str(folder["state"])
    if not folder["devices"]:
        return "on no other device yet"
    here = connected(folder)
    if not here:
        return "no other device is connected"
    behind = [member["name"] for member in here if not member["in_sync"]]
    if behind:
        return f"sending to {', '.join(behind)}"
    through = sum(map(_is_through_others, folder["devices"]))
    more = f"; {through:,} more {'is' if through == 1 else 'are'} reached through these" if through else ""
    return f"in sync with {', '.join(member['name'] for member in here)}{more}"


def of_member(member: dict[str, Any]) -> str:
    """How far a device is in a folder, in words that go on behind its name."""
    lacks = member.get("lacks", member["behind"])
    behind = f"{lacks:,} file{'' if lacks == 1 else 's'} behind" if lacks else ""
    if _is_through_others(member):
        return THROUGH_OTHERS
    if not member["connected"]:
        return behind or ("had all of it" if lacks == 0 else "not connected")
    if member["in_sync"]:
        return "has all of it"
    return ", ".join(filter(None, (member["condition"], behind))) or "comparing"


def connected(folder: dict[str, Any]) -> list[dict[str, Any]]:
    """The devices of a folder that are there."""
    return [member for member in folder["devices"] if member["connected"]]


def _is_through_others(member: dict[str, Any]) -> bool:
    return not member["connected"] and member.get("condition") == THROUGH_OTHERS


def _is_stopped(folder: dict[str, Any]) -> bool:
    """Whether its problem keeps it from being synced; others only say what is not as it could be."""
    return bool(folder["problem"]) and (folder["state"] == "paused" or not connected(folder))


def _is_busy(folder: dict[str, Any]) -> bool:
    progress = folder["progress"]
    is_receiving = bool(progress["files_to_go"] or progress["bytes_to_go"]) or folder["state"] != "idle"
    return is_receiving or not all(member["in_sync"] for member in connected(folder))


def _names(folders: list[dict[str, Any]]) -> str:
    return ", ".join(folder["label"] for folder in folders)
