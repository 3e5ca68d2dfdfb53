"""What two devices changed apart: both versions, who made them and when, and a person's word on what is to stand.

What stands at such a place was decided when the devices met (`documents/meeting.py`), and told with both versions
(`folder/notices.py`). A person may decide otherwise: that is an edit like any other, and can be undone. What was
changed at the place since is not overwritten.

A file that stands beside another one is listed with who made either of them. Both versions of a place, or of a text
that stands beside another one, can be had in one text with markers, for an editor.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from yp2p.documents.diff import hunks
from yp2p.documents.history import versions
from yp2p.documents.layout import plain_name
from yp2p.errors import UsageError
from yp2p.folder.authors import Maker, author_of, rows_of
from yp2p.folder.folder import Folder
from yp2p.folder.lookup import entry_at
from yp2p.folder.notices import Notice, Versions
from yp2p.history.entry_changes import ChangeKind, EntryChange, changes_of
from yp2p.history.undo import settle
from yp2p.identity import DeviceID, EntryID
from yp2p.printable import printable
from yp2p.protocol.entries import Kind
from yp2p.threeway.lines import ended, split_lines
from yp2p.threeway.sequences import blocks

# Places with the same lines that are looked at, for the one that is meant.
_MOST_PLACES = 100
KEEP = ("this", "other", "both", "now")


@dataclass(frozen=True, slots=True)
class Conflict:
    """A place that two devices changed apart, and nobody has settled since."""

    notice: Notice
    versions: Versions


def conflicts_of(folder: Folder, entry: EntryID | None = None) -> Iterator[Conflict]:
    """The places that are not settled, of one file or of all, the oldest first."""
    for notice in folder.notices:
        versions = notice.versions
        if versions is not None and not versions.settled and entry in (None, notice.entry):
            yield Conflict(notice, versions)


def conflict_files(folder: Folder) -> list[str]:
    """Paths of files that stand beside another one."""
    return sorted(set(folder.files.tally.beside.values()))


async def list_conflicts(folders: Iterable[Folder]) -> list[dict[str, Any]]:
    """All of them: the places of texts, and the files that were kept beside another one."""
    found: list[dict[str, Any]] = []
    for folder in folders:
        found += _listed_places(folder)
        found += await _listed_files(folder)
    return found


def _listed_places(folder: Folder) -> Iterator[dict[str, Any]]:
    paths, texts = folder.catalogue.layout().path_of, dict[EntryID, str]()
    for conflict in conflicts_of(folder):
        versions, entry = conflict.versions, conflict.notice.entry
        if entry not in paths:
            continue
        if entry not in texts:
            texts[entry] = folder.texts.open(folder.catalogue.entries[entry].document).text.text()
        yield {
            "folder": folder.label, "root": str(folder.path), "path": paths[entry], "kind": "place",
            "number": conflict.notice.id, "at": conflict.notice.at, "line": _line_now(texts[entry], versions),
            "reported_by": folder.name_of(versions.reported_by) if versions.reported_by else None,
            "stands": versions.stands, "this": _version(folder, versions.ours, versions.makers[0]),
            "other": _version(folder, versions.theirs, versions.makers[1]),
        }  # fmt: skip


async def _listed_files(folder: Folder) -> list[dict[str, Any]]:
    layout = folder.catalogue.layout()
    pairs = [
        (path, layout.entry_at[path], plain_name(path), layout.entry_at.get(plain_name(path)))
        for path in conflict_files(folder)
    ]
    entries = {entry for _, one, _, other in pairs for entry in (one, other) if entry is not None}
    by_entry = dict[EntryID, list[EntryChange]]()
    for change in await changes_of(folder, entries):
        by_entry.setdefault(change.entry.id, []).append(change)
    return [
        {
            "folder": folder.label, "root": str(folder.path), "path": path, "kind": "file", "beside": beside,
            "is_text": all(_is_text(folder, one) for one in (named, copy)),
            "this": _made(folder, by_entry.get(named, []) if named is not None else []),
            "other": _made(folder, by_entry.get(copy, [])),
        }
        for path, copy, beside, named in pairs
    ]  # fmt: skip


def _is_text(folder: Folder, entry: EntryID | None) -> bool:
    found = folder.catalogue.entries.get(entry) if entry is not None else None
    return found is not None and found.kind is Kind.TEXT


def _made(folder: Folder, changes: Sequence[EntryChange]) -> dict[str, Any]:
    """Which devices made a file what it is, and when; nobody, where it is not there."""
    contents = [change for change in changes if change.kind in (ChangeKind.ADDED, ChangeKind.CHANGED)]
    if not contents:
        return {"devices": [], "at": None}
    last = contents[-1]
    devices: tuple[DeviceID, ...] = (last.device,)
    at = last.at
    if last.entry.kind is Kind.TEXT:
        # Who imported a text is who added the entry; what is written later has authors of its own.
        written = list(rows_of(folder, last.entry.document))[1:]
        found = versions(written, lambda client: author_of(folder, client), math.inf, math.inf)
        devices, at = (found[-1].authors, found[-1].at) if found else (devices, at)
    return {"devices": [folder.name_of(device) for device in devices], "at": at}


def _version(folder: Folder, text: str, maker: Maker) -> dict[str, Any]:
    devices = [folder.name_of(device) for device in maker.devices]
    return {"text": text, "devices": devices, "name": maker.name or None, "at": maker.at}


async def resolve(folder: Folder, path: str, keep: str, number: int | None) -> dict[str, Any]:
    """Make what a person wants stand at the places of a file; they are settled then.

    Args:
        keep: `this` (what this device had), `other`, `both`, one after the other, or `now`: what stands there.
        number: of one place; None for all of the file.

    Raises:
        UsageError: there is no such place, or the text there was changed since.
        CrdtPanic: the library panicked; nothing was changed.
    """
    if keep not in KEEP:
        raise UsageError(f"{keep!r} is nothing to keep; it is one of {', '.join(KEEP)}")
    entry = entry_at(folder, path)
    found = _chosen(folder, entry.id, path, number)
    live = folder.texts.open(entry.document)
    before = live.text.text()
    after = before if keep == "now" else _settled(before, path, found, keep)
    # no await since the text was read
    commit = None
    if after != before:
        folder.membership.check_may_write()
        folder.edits.end_undo_group(entry.document)
        with folder.texts.reloading(live):
            update = live.text.edit(hunks(before, after))
        if update is not None:
            commit = folder.edits.record(live, update, None, undo_gap_s=0.0)
            folder.render_queue.want(entry.id)
        folder.edits.end_undo_group(entry.document)
    for conflict in found:
        for message in folder.notices.settle(conflict.notice):
            folder.observers.both_changed(message)
    if commit is not None:
        await commit.wait()
    return {"path": path, "settled": len(found), "changed": after != before}


def _chosen(folder: Folder, entry: EntryID, path: str, number: int | None) -> list[Conflict]:
    """The places that are meant. Raises UsageError: there are none."""
    found = [
        one for one in conflicts_of(folder, entry)
        if one.notice.id == number or (number is None and _is_sure(one.versions))
    ]  # fmt: skip
    if not found:
        what = f"conflict {number}" if number is not None else "conflict"
        raise UsageError(f"there is no {what} in {path}; `yp2p conflicts` lists them")
    return found


def _is_sure(versions: Versions) -> bool:
    """Whether it may be resolved without its number: it was found here, or reported by an author of a version."""
    return not versions.reported_by or any(versions.reported_by in maker.devices for maker in versions.makers)


def _settled(text: str, path: str, found: Sequence[Conflict], keep: str) -> str:
    """A text with what a person wants at these places. Raises UsageError."""
    for conflict in found:
        start, stop = _place(text, path, conflict.versions)
        text = "".join(ended([text[:start], _kept(conflict.versions, keep, text), text[stop:]]))
    return text


def _place(text: str, path: str, versions: Versions) -> tuple[int, int]:
    """Where a place is in a text. Raises UsageError: it was changed since."""
    place = find(text, versions)
    if place is None:
        raise UsageError(
            f"{path} was changed since at what was line {versions.line}, so nothing was done; "
            "`yp2p conflicts --json` shows both versions, to be put in by hand, and --keep now settles it as it is"
        )
    return place


def _kept(versions: Versions, keep: str, text: str) -> str:
    """What a person wants at a place, with the line ends of the text."""
    kept = "".join(ended([versions.ours, versions.theirs])) if keep == "both" else (
        versions.ours if keep == "this" else versions.theirs
    )  # fmt: skip
    return _with_ends_of(text, kept)


def _with_ends_of(text: str, lines: str) -> str:
    """Lines with the line ends that most lines of a text have."""
    lines = lines.replace("\r\n", "\n")
    return lines.replace("\n", "\r\n") if 2 * text.count("\r\n") > text.count("\n") else lines


@dataclass(frozen=True, slots=True)
class Marked:
    """A text with both versions of what was changed apart in it.

    Attributes:
        path: of the file that the text is for.
        copy: of the file that stands beside it, where that is the other version.
        before: the text as it is.
        markers: the lines that may not stay in it.
    """

    path: str
    copy: str | None
    before: str
    text: str
    markers: tuple[str, str]

    def as_dict(self, root: str) -> dict[str, Any]:
        return {
            "root": root, "path": self.path, "copy": self.copy, "before": self.before, "text": self.text,
            "markers": list(self.markers),
        }  # fmt: skip


async def marked(folder: Folder, path: str, number: int | None) -> Marked:
    """A text with both versions in it, for an editor. Raises UsageError: nothing is to be merged, or it is no text."""
    await settle(folder)
    layout = folder.catalogue.layout()
    copies = [one for one in conflict_files(folder) if path in (one, plain_name(one))] if number is None else []
    if not copies:
        return _marked_places(folder, path, number)
    if len(copies) > 1:
        raise UsageError(f"several files stand beside it: {', '.join(copies)}; name the one to merge as FILE")
    copy, named = copies[0], plain_name(copies[0])
    texts: list[str] = []
    for one in (named, copy):
        entry = folder.catalogue.entries.get(layout.entry_at.get(one, EntryID(b"")))
        if entry is None:
            raise UsageError(f"{one} is not there any more, so there is nothing to merge with")
        if entry.kind is not Kind.TEXT:
            raise UsageError(f"{one} is no text, so it cannot be merged; keep this, other or both")
        texts.append(folder.texts.open(entry.document).text.text())
    found = next(one for one in await _listed_files(folder) if one["path"] == copy)
    labels = _label("this", found["this"]), _label("other", found["other"])
    return Marked(named, copy, texts[0], _both(texts[0], texts[1], labels), _markers(labels))


def _marked_places(folder: Folder, path: str, number: int | None) -> Marked:
    entry = entry_at(folder, path)
    found = _chosen(folder, entry.id, path, number)
    before = folder.texts.open(entry.document).text.text()
    labels = "this", "other"
    if len(found) == 1:
        one = found[0].versions
        labels = (
            _label("this", _version(folder, one.ours, one.makers[0])),
            _label("other", _version(folder, one.theirs, one.makers[1])),
        )
    text = before
    for conflict in found:
        start, stop = _place(text, path, conflict.versions)
        block = _block(conflict.versions.ours, conflict.versions.theirs, labels)
        text = "".join(ended([text[:start], _with_ends_of(before, block), text[stop:]]))
    return Marked(path, None, before, text, _markers(labels))


def _label(name: str, version: dict[str, Any]) -> str:
    devices = ", ".join(printable(device) for device in version["devices"])
    at = version["at"]
    return f"{name}: {devices}, {time.strftime('%Y-%m-%d %H:%M', time.localtime(at))}" if at is not None else name


def _markers(labels: tuple[str, str]) -> tuple[str, str]:
    return f"<<<<<<< {labels[0]}", f">>>>>>> {labels[1]}"


def _block(ours: str, theirs: str, labels: tuple[str, str]) -> str:
    first, last = _markers(labels)
    return "".join(ended([f"{first}\n", ours, "=======\n", theirs, f"{last}\n"]))


def _both(this: str, other: str, labels: tuple[str, str]) -> str:
    """Two texts in one: what both have once, with markers around what they have not."""
    one, two = split_lines(this), split_lines(other)
    parts: list[str] = []
    at = 0
    for block in blocks(one, two):
        parts += one[at : block.old_start]
        gone, come = "".join(one[block.old_start : block.old_stop]), "".join(two[block.new_start : block.new_stop])
        parts.append(_with_ends_of(this, _block(gone, come, labels)))
        at = block.old_stop
    return "".join(ended([*parts, *one[at:]]))


def find(text: str, versions: Versions) -> tuple[int, int] | None:
    """Where a place is now: where its text stands between the lines it stood between, or anywhere once."""
    before, stands, behind = versions.before, versions.stands, versions.behind
    between = [
        at + len(before)
        for at in _at_line_starts(text, before + stands + behind)
        if (before or at == 0) and (behind or at + len(before) + len(stands) == len(text))
    ]
    if between:
        start = min(between, key=lambda at: abs(text.count("\n", 0, at) + 1 - versions.line))
        return start, start + len(stands)
    alone = _at_line_starts(text, stands) if stands else []
    return (alone[0], alone[0] + len(stands)) if len(alone) == 1 else None


def _at_line_starts(text: str, lines: str) -> list[int]:
    """Where lines stand in a text: the first places of many."""
    found: list[int] = []
    at = text.find(lines)
    while at >= 0 and len(found) < _MOST_PLACES:
        stop = at + len(lines)
        if (at == 0 or text[at - 1] == "\n") and (lines.endswith("\n") or stop == len(text) or not lines):
            found.append(at)
        following = text.find("\n", at)
        at = text.find(lines, following + 1) if following >= 0 else -1
    return found


def _line_now(text: str, versions: Versions) -> int | None:
    """The line where a place begins now; None where its text was changed since."""
    place = find(text, versions)
    return None if place is None else text.count("\n", 0, place[0]) + 1
