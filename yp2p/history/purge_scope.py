"""What `yp2p purge` is about: of a path, the entries, their names and documents, and the contents that they had.

Theory of operation
    A path means the file that is there, or what is beneath the directory; each that was deleted there; and where
    nothing is or was left there, the file that had that name last (`file_log.name_now`). What the manifest's log says
    of these entries tells the rest: the names that they had, the documents of former generations (a text that became a
    blob, or was made anew), the contents of what is no text.

    Of an entry that *stays* the present stays. Of one that was deleted nothing does.

    Another device's request (`trust/purges.py`) means entries, and of each what its author had seen (`scope_asked`). So
    of a text only those first rows of the log are meant that have nothing else, of what is no text the contents up to
    that one, and of the trash what was there when it was asked for.

    A document of which the manifest's log knows no more whose it was belongs to no path. It goes with the whole folder.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from yp2p.documents.registers import Entry
from yp2p.errors import InvalidUpdate, UsageError
from yp2p.files.root import is_ours
from yp2p.folder.catalogue import MANIFEST_INDEX
from yp2p.folder.folder import Folder
from yp2p.history.entry_changes import EntryChange, changes_of
from yp2p.history.file_log import name_now
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Kind
from yp2p.protocol.state_vectors import StateVector, contains, read_state_vector
from yp2p.protocol.ysync import parse_update
from yp2p.store import tables
from yp2p.trust.purges import Seen


@dataclass(frozen=True, slots=True)
class Scope:
    """What is meant by `path` (empty: the whole folder).

    Attributes:
        stays: the entries that are there; `gone`: those that were deleted.
        names: the paths that they have or had.
        texts: the documents of which the present stays.
        forgotten: those of which nothing does.
        contents: the hashes of what is no text, with the sizes; of what stays without what it is now.
        unknown: documents of which nobody knows what file they were of.
        seen: of each text up to which state vector it is meant; those that are not in it are meant as a whole.
        asked_at: when another device's request for it came, in seconds since 1970.
        said: the path that the person here gave, where that is a former name.
    """

    path: str
    stays: frozenset[EntryID]
    gone: frozenset[EntryID]
    names: frozenset[str]
    texts: frozenset[DocumentID]
    forgotten: frozenset[DocumentID]
    contents: dict[bytes, int]
    unknown: frozenset[DocumentID] = frozenset()
    seen: Mapping[DocumentID, StateVector] = field(default_factory=dict)
    asked_at: float | None = None
    said: str = ""

    @property
    def entries(self) -> frozenset[EntryID]:
        return self.stays | self.gone

    def has_name(self, path: str) -> bool:
        """Whether something at this path is meant: it is or was one of their names, or beneath what is meant."""
        return path in self.names or self.is_named(path)

    def is_named(self, path: str) -> bool:
        """Whether a person here named this path, or a directory that it is beneath."""
        return self.asked_at is None and (is_beneath(path, self.path) or (path == self.said and not is_ours(path)))

    def is_of_then(self, removed_at: str) -> bool:
        """Whether what came into the trash at this time (UTC, as `2026-01-31T120000`) is meant as far as that goes."""
        return self.asked_at is None or removed_at <= time.strftime("%Y-%m-%dT%H%M%S", time.gmtime(self.asked_at))


def is_beneath(path: str, directory: str) -> bool:
    """Whether a path is that one or beneath it, in the folder."""
    return not is_ours(path) and (not directory or path == directory or path.startswith(f"{directory}/"))


def is_within(update: bytes, seen: StateVector) -> bool:
    """Whether somebody with this state vector had what an update has."""
    return contains(seen, {client: stop for client, (_, stop) in parse_update(update).sections.items()})


async def scope_of(folder: Folder, path: str) -> Scope:
    """What is meant by a path in the folder. Raises UsageError: there is and was nothing there."""
    wanted = await name_now(folder, path)
    stays, gone = _entries(folder, wanted)
    if not stays and not gone and path:
        raise UsageError(f"there is no file {path!r} in {folder.path}, and there never was one of that name")
    former = _former(await changes_of(folder, (*stays, *gone)))
    names = _names(folder, former, stays, gone)
    texts = {entry.document for entry in stays.values() if entry.kind is Kind.TEXT}
    forgotten = _documents(folder, (*former, *gone.values()), {*stays, *gone}) - texts
    unknown = _of_nobody(folder, texts | forgotten)
    if not wanted:
        forgotten, unknown = forgotten | unknown, set()
    return Scope(
        wanted, frozenset(stays), frozenset(gone), frozenset(names | {path, wanted}),
        frozenset(texts), frozenset(forgotten), _contents(former, stays), frozenset(unknown), said=path,
    )  # fmt: skip


def _entries(folder: Folder, path: str) -> tuple[dict[EntryID, Entry], dict[EntryID, Entry]]:
    """Those that are there, and those that were deleted there."""
    catalogue = folder.catalogue
    path_of = catalogue.layout().path_of
    stays: dict[EntryID, Entry] = {}
    gone: dict[EntryID, Entry] = {}
    for entry in catalogue.entries.values():
        is_alive = entry.id in path_of
        if is_beneath(path_of.get(entry.id, entry.path), path):
            (stays if is_alive else gone)[entry.id] = entry
    return stays, gone


async def scope_asked(folder: Folder, wanted: Mapping[EntryID, Seen], asked_at: float) -> Scope:
    """What another device asks for, as far as it is here; `asked_at` is when that came, in seconds since 1970."""
    known = {entry: folder.catalogue.entries[entry] for entry in wanted if entry in folder.catalogue.entries}
    path_of = folder.catalogue.layout().path_of
    stays = {entry: found for entry, found in known.items() if entry in path_of}
    gone = {entry: found for entry, found in known.items() if entry not in path_of}
    changes = await changes_of(folder, known)
    former = _former(changes)
    seen = {found.document: _vector(wanted[entry]) for entry, found in known.items() if found.kind is Kind.TEXT}
    # What was written into a deleted text since stays, and its document with it.
    is_behind = {found.document for found in gone.values() if not contains(
        seen.get(found.document, {}), folder.texts.clocks(found.document)
    )}  # fmt: skip
    texts = {found.document for found in stays.values() if found.kind is Kind.TEXT} | is_behind
    of_entry: dict[EntryID, list[EntryChange]] = {entry: [] for entry in known}
    for change in changes:
        of_entry[change.entry.id].append(change)
    contents = _contents([one for entry in known for one in _up_to(of_entry[entry], wanted[entry])], stays)
    return Scope(
        "", frozenset(stays), frozenset(gone), frozenset(_names(folder, former, stays, gone)),
        frozenset(texts & seen.keys()),
        frozenset(_documents(folder, (*former, *gone.values()), known) - texts),
        contents, seen=seen, asked_at=asked_at,
    )  # fmt: skip


def _vector(seen: Seen) -> StateVector:
    """Nothing, where the author had something else than a text."""
    try:
        return read_state_vector(seen.value) if seen.is_text else {}
    except InvalidUpdate:
        return {}


def _up_to(changes: Iterable[EntryChange], seen: Seen) -> Sequence[Entry]:
    """What an entry was by these changes, up to what the author had; nothing, where that is not known here.

    The author can have named anything, so what it does not name stays.
    """
    was = _former(changes)
    last = [number for number, one in enumerate(was) if not seen.is_text and one.content.hash == seen.value]
    return was[: last[-1] + 1] if last else ()


def _former(changes: Iterable[EntryChange]) -> list[Entry]:
    return [one for change in changes for one in (change.before, change.entry) if one is not None]


def _names(
    folder: Folder, former: Iterable[Entry], stays: dict[EntryID, Entry], gone: dict[EntryID, Entry]
) -> set[str]:
    """The paths that entries have and had."""
    names = {one.path for one in (*former, *stays.values(), *gone.values())}
    return names | {folder.catalogue.layout().path_of[entry] for entry in stays}


def _documents(folder: Folder, former: Iterable[Entry], meant: Collection[EntryID]) -> set[DocumentID]:
    """The texts that entries which are meant had; not those that are another entry's now, whoever named them."""
    found = {one.document for one in former if one.kind is Kind.TEXT}
    return found - {entry.document for entry in folder.catalogue.entries.values() if entry.id not in meant}


def _of_nobody(folder: Folder, known: Iterable[DocumentID]) -> set[DocumentID]:
    """The documents of the log that no entry has or had, and no file is made of."""
    named = {entry.document for entry in folder.catalogue.entries.values()}
    in_use = {record.document for record in folder.files.values()}
    return tables.log.documents_of(folder.database.rows, folder.id) - named - in_use - {*known} - MANIFEST_INDEX.keys()


def _contents(former: Iterable[Entry], stays: dict[EntryID, Entry]) -> dict[bytes, int]:
    now = {entry.content.hash for entry in stays.values()}
    blobs = [one.content for one in former if one.kind is Kind.BLOB]
    return {content.hash: content.size for content in blobs if content.hash not in now and content.size}
