"""How folders and devices are doing, in a sentence each. The one place where that is worded: `yp2p status`, the page of
`yp2p up`, the local API and the page in a browser say the same (docs/decisions/0051-one-source-of-sentences.md).

All of it is made of what `GET /v1/status` answers. What has to be typed in a terminal stands apart from the sentence:
a page has a button for it.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import Enum
from typing import Any

from yp2p.printable import called, clock_text, plural, size_text

# The condition of a member of a large folder that is there and has no link with this device.
THROUGH_OTHERS = "reached through other devices"
# The condition of a member that gets there by itself.
WORKING = "working"


class Mood(Enum):
    """What a sentence looks like at a glance; `good` alone means that nothing is missing anywhere."""

    GOOD = "good"
    BUSY = "busy"  # it gets there by itself
    AWAY = "away"  # it goes on once a device comes back
    LOOK = "look"  # somebody has to look at it
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence.

    Attributes:
        hint: what to type about it in a terminal, as a sentence of its own; empty where there is nothing.
    """

    mood: Mood
    text: str
    hint: str = ""

    def fields(self) -> dict[str, str]:
        """As the local API answers it."""
        return {"summary": self.text, "mood": self.mood.value, "hint": self.hint}

    def __str__(self) -> str:
        """As a terminal shows it."""
        return f"{self.text}{'' if self.text.endswith('.') else ':'} {self.hint}" if self.hint else self.text


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
        parts = [plural(self.files, "file")]
        if self.bytes:
            parts.append(size_text(self.bytes))
        parts[-1] += " to go"
        if self.bytes_per_s >= 1:
            parts.append(f"{size_text(round(self.bytes_per_s))}/s")
        if self.seconds_left is not None:
            parts.append(f"{self.seconds_left:.0f} s left")
        return ", ".join(parts)


def summary(status: dict[str, Any]) -> Said:
    """Whether what is here is on the other devices, in one line."""
    folders = status["folders"]
    if status["store"]["problem"]:
        return Said(Mood.LOOK, f"The store has a problem: {status['store']['problem']}")
    if not folders:
        hint = "`yp2p up DIR` shares a directory; `yp2p join DIR` takes part in one."
        return Said(Mood.UNKNOWN, "Nothing is shared yet.", hint)
    waiting = [folder for folder in folders if folder["awaiting_confirmation"]]
    if waiting:
        return Said(Mood.LOOK, f"Not in sync: {_names(waiting)} waits for your decision.", "See below.")
    failing = [folder for folder in folders if _is_stopped(folder)]
    if failing:
        said = of_folder(failing[0])
        return Said(Mood.LOOK, f"Not in sync: {called(failing[0]['label'])}: {said.text}", said.hint)
    busy = [folder for folder in folders if of_folder(folder).mood is Mood.BUSY]
    if busy:
        return Said(Mood.BUSY, f"Not in sync yet: {called(busy[0]['label'])} is {of_folder(busy[0]).text}.")
    alone = [folder for folder in folders if not connected(folder)]
    if alone:
        return Said(Mood.LOOK, _of_those_alone(alone))
    keeping = [folder for folder in folders if kept_here(folder)]
    if keeping:
        return Said(Mood.LOOK, _of_those_kept(keeping), "`yp2p folder revert` brings back what all have.")
    return _of_those_away([member for folder in folders for member in folder["devices"] if not member["connected"]])


def _of_those_alone(folders: list[dict[str, Any]]) -> str:
    """Of folders with nobody connected: what is on this device only, as far as is known.

    Of each folder the device counts that has most of it. Where of none is known what it has, all may be here only.
    """
    parts: list[str] = []
    nowhere = [folder for folder in folders if not folder["devices"]]
    if nowhere:
        parts.append(f"No other device takes part in {_names(nowhere)} yet: all of it is on this device only.")
    away = [folder for folder in folders if folder["devices"]]
    known = [[lacks for lacks in map(_lacks, folder["devices"]) if lacks is not None] for folder in away]
    here_only = sum(min(each) for each in known if each)
    if not all(known):
        what = "what is here may be"
    elif here_only:
        what = f"{plural(here_only, 'file is', 'files are')}, as far as it knows,"
    else:
        what = "what changes now is"
    if away:
        parts.append(f"No other device is connected for {_names(away)}: {what} on this device only.")
    return " ".join(parts)


def _of_those_kept(folders: list[dict[str, Any]]) -> str:
    """Of folders that this device only reads, and has changed for itself."""
    count = sum(map(kept_here, folders))
    what = f"{plural(count, 'change')} in {_names(folders)} {'is' if count == 1 else 'are'} kept on this device only"
    return f"In sync with every connected device, but {what}."


def kept_here(folder: dict[str, Any]) -> int:
    """How many files a device that only reads has otherwise than all: to the others that is as if it were not."""
    return len(folder["local_changes"]) if folder.get("is_reader") else 0


def _of_those_away(absent: list[dict[str, Any]]) -> Said:
    """Where all that are connected have everything: who is not, and what they lack as far as is known."""
    away: dict[tuple[str, str], list[int | None]] = {}
    for member in absent:
        if not _is_through_others(member):
            away.setdefault((member["name"], member.get("id", "")), []).append(_lacks(member))
    through = len({member["id"] for member in absent if _is_through_others(member)})
    if not absent:
        return Said(Mood.GOOD, "In sync: all folders are the same on all devices.")
    parts = ["In sync with every connected device."]
    if away:
        names = ", ".join(
            f"{called(name)}{_behind_text(sum(filter(None, lacks)), ' ({})')}"
            for (name, _), lacks in sorted(away.items())
        )
        parts.append(f"Not connected: {names}.")
    if through:
        parts.append(f"{through:,} more {'is' if through == 1 else 'are'} reached through them.")
    had_all = all(lacks == 0 for each in away.values() for lacks in each)
    hint = "`yp2p wait --all` asks each." if through else ""
    return Said(Mood.GOOD if had_all and not through else Mood.AWAY, " ".join(parts), hint)


def of_folder(folder: dict[str, Any]) -> Said:
    """How a folder is doing, in some words."""
    if folder.get("removed"):
        return Said(Mood.LOOK, str(folder["problem"]))
    if folder["awaiting_confirmation"]:
        return Said(Mood.LOOK, "waiting for your decision")
    if folder.get("paused"):
        command = f"`yp2p folder unpause {shlex.quote(folder['path'])}`"
        until = f" until {clock_text(folder['paused_until'])}" if folder.get("paused_until") else ""
        return Said(Mood.LOOK, f"paused by you{until}", f"{command} ends that{' sooner' if until else ''}")
    if _is_stopped(folder):
        return Said(Mood.LOOK, str(folder["problem"]) or "paused")
    to_go = ToGo.of({"folders": [folder | {"devices": []}]})
    if to_go.files or to_go.bytes:
        return Said(Mood.BUSY, f"receiving: {to_go.text()}")
    if folder["state"] not in ("idle", "working"):
        return Said(Mood.BUSY, str(folder["state"]))
    if not folder["devices"]:
        return Said(Mood.LOOK, "on no other device yet")
    here = connected(folder)
    if not here:
        return Said(Mood.LOOK, "no other device is connected")
    behind = [member for member in here if not member["in_sync"]]
    taking = [member for member in behind if member["condition"] in ("", WORKING)]  # others take nothing now
    if behind:
        names = ", ".join(called(member["name"]) for member in taking or behind)
        return Said(Mood.BUSY, f"{'sending to' if taking else 'waiting for'} {names}")
    if folder["state"] != "idle":
        return Said(Mood.BUSY, WORKING)
    return _of_folder_in_sync(folder, here)


def _of_folder_in_sync(folder: dict[str, Any], here: list[dict[str, Any]]) -> Said:
    """Where all that are connected have everything: `good` only if all others had it, too."""
    text = f"in sync with {', '.join(sorted(called(member['name']) for member in here))}"
    absent = [member for member in folder["devices"] if not member["connected"]]
    through = sum(map(_is_through_others, absent))
    behind = [member for member in absent if not _is_through_others(member) and _lacks(member) != 0]
    if behind:
        names = (f"{called(member['name'])}{_behind_text(_lacks(member), ' ({})')}" for member in behind)
        text += f"; not connected: {', '.join(sorted(names))}"
    if through:
        text += f"; {through:,} more {'is' if through == 1 else 'are'} reached through these"
    if kept := kept_here(folder):
        text += f"; {plural(kept, 'change is', 'changes are')} kept on this device only"
        return Said(Mood.LOOK, text)
    return Said(Mood.AWAY if behind or through else Mood.GOOD, text)


def of_member(member: dict[str, Any], *, is_paused: bool = False, kept: int = 0) -> Said:
    """How far a device is in a folder, in words that go on behind its name.

    Args:
        is_paused: the folder is, here.
        kept: how many changes are on this device only, as it only reads.
    """
    lacks = _lacks(member)
    behind = _behind_text(lacks)
    if _is_through_others(member):
        return Said(Mood.UNKNOWN, THROUGH_OTHERS)
    if not member["connected"]:
        return Said(Mood.AWAY, behind or ("had all of it" if lacks == 0 else "not connected"))
    if member["in_sync"]:
        if kept:
            return Said(Mood.LOOK, f"has all of it but {plural(kept, 'change')} kept here")
        return Said(Mood.GOOD, "has all of it")
    if member["condition"]:
        mood = Mood.BUSY if member["condition"] == WORKING else Mood.LOOK
        return Said(mood, ", ".join(filter(None, (member["condition"], behind))))
    if is_paused:
        return Said(Mood.UNKNOWN, behind or "not compared meanwhile")
    return Said(Mood.BUSY, behind or "comparing")


def _lacks(member: dict[str, Any]) -> int | None:
    lacks: int | None = member["lacks"] if "lacks" in member else member.get("behind")
    return lacks


def _behind_text(files: int | None, form: str = "{}") -> str:
    return form.format(f"{plural(files, 'file')} behind") if files else ""


def connected(folder: dict[str, Any]) -> list[dict[str, Any]]:
    """The devices of a folder that are there."""
    return [member for member in folder["devices"] if member["connected"]]


def _is_through_others(member: dict[str, Any]) -> bool:
    return not member["connected"] and member.get("condition") == THROUGH_OTHERS


def _is_stopped(folder: dict[str, Any]) -> bool:
    """Whether its problem keeps it from being synced; others only say what is not as it could be."""
    return (
        bool(folder.get("paused")) or folder["state"] == "paused" or (bool(folder["problem"]) and not connected(folder))
    )


def _names(folders: list[dict[str, Any]]) -> str:
    return ", ".join(called(folder["label"]) for folder in folders)
