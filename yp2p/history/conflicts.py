"""Places of texts that two devices changed apart: both versions, and a person's word on what is to stand.

What stands at such a place was decided when the devices met (`documents/meeting.py`), and told with both versions
(`folder/notices.py`). A person may decide otherwise: that is an edit like any other, and can be undone. What was
changed at the place since is not overwritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from yp2p.documents.diff import hunks
from yp2p.documents.layout import is_conflict_name, plain_name
from yp2p.errors import UsageError
from yp2p.folder.authors import Maker
from yp2p.folder.folder import Folder
from yp2p.folder.lookup import entry_at
from yp2p.folder.notices import Notice, Versions
from yp2p.identity import EntryID
from yp2p.threeway.lines import ended

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
    return sorted(path for path in folder.catalogue.layout().entry_at if is_conflict_name(path))


def list_conflicts(folders: Iterable[Folder]) -> list[dict[str, Any]]:
    """All of them; and the files that were kept beside another one, which have no versions."""
    found: list[dict[str, Any]] = []
    for folder in folders:
        paths, texts = folder.catalogue.layout().path_of, dict[EntryID, str]()
        for conflict in conflicts_of(folder):
            versions, entry = conflict.versions, conflict.notice.entry
            if entry not in paths:
                continue
            if entry not in texts:
                texts[entry] = folder.texts.open(folder.catalogue.entries[entry].document).text.text()
            found.append(
                {
                    "folder": folder.label, "root": str(folder.path), "path": paths[entry], "kind": "place",
                    "number": conflict.notice.id, "at": conflict.notice.at, "line": _line_now(texts[entry], versions),
                    "reported_by": folder.name_of(versions.reported_by) if versions.reported_by else None,
                    "stands": versions.stands, "this": _version(folder, versions.ours, versions.makers[0]),
                    "other": _version(folder, versions.theirs, versions.makers[1]),
                }
            )  # fmt: skip
        found += [
            {"folder": folder.label, "root": str(folder.path), "path": path, "kind": "file", "beside": plain_name(path)}
            for path in conflict_files(folder)
        ]
    return found


def _version(folder: Folder, text: str, maker: Maker) -> dict[str, Any]:
    return {"text": text, "devices": [folder.name_of(device) for device in maker.devices], "at": maker.at}


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
    found = [
        one for one in conflicts_of(folder, entry.id)
        if one.notice.id == number or (number is None and _is_sure(one.versions))
    ]  # fmt: skip
    if not found:
        what = f"conflict {number}" if number is not None else "conflict"
        raise UsageError(f"there is no {what} in {path}; `yp2p conflicts` lists them")
    live = folder.texts.open(entry.document)
    before = live.text.text()
    after = before if keep == "now" else _settled(before, path, found, keep)
    # no await since the text was read
    commit = None
    if after != before:
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


def _is_sure(versions: Versions) -> bool:
    """Whether it may be resolved without its number: it was found here, or reported by an author of a version."""
    return not versions.reported_by or any(versions.reported_by in maker.devices for maker in versions.makers)


def _settled(text: str, path: str, found: Sequence[Conflict], keep: str) -> str:
    """A text with what a person wants at these places. Raises UsageError."""
    for conflict in found:
        versions = conflict.versions
        place = find(text, versions)
        if place is None:
            raise UsageError(
                f"{path} was changed since at what was line {versions.line}, so nothing was done; "
                "`yp2p conflicts --json` shows both versions, to be put in by hand, and --keep now settles it as it is"
            )
        start, stop = place
        text = "".join(ended([text[:start], _kept(versions, keep, text), text[stop:]]))
    return text


def _kept(versions: Versions, keep: str, text: str) -> str:
    """What a person wants at a place, with the line ends of the text."""
    kept = "".join(ended([versions.ours, versions.theirs])) if keep == "both" else (
        versions.ours if keep == "this" else versions.theirs
    )  # fmt: skip
    kept = kept.replace("\r\n", "\n")
    return kept.replace("\n", "\r\n") if 2 * text.count("\r\n") > text.count("\n") else kept


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
