"""What `yp2p purge` is about: of a path, the entries, their names and documents, and the contents that they had.

Theory of operation
    A path means the file that is there, or what is beneath the directory; each that was deleted there; and where
    nothing is or was left there, the file that had that name last (`file_log.name_now`). What the manifest's log says
    of these entries tells the rest: the names that they had, the documents of former generations (a text that became a
    blob, or was made anew), the contents of what is no text.

    Of an entry that *stays* the present stays. Of one that was deleted nothing does.

    A document of which the manifest's log knows no more whose it was belongs to no path. It goes with the whole folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from yp2p.documents.manifest import Entry
from yp2p.errors import UsageError
from yp2p.files.root import is_ours
from yp2p.folder.catalogue import MANIFEST_INDEX
from yp2p.folder.folder import Folder
from yp2p.history.entry_changes import changes_of
from yp2p.history.file_log import name_now
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Kind
from yp2p.store import tables


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
    """

    path: str
    stays: frozenset[EntryID]
    gone: frozenset[EntryID]
    names: frozenset[str]
    texts: frozenset[DocumentID]
    forgotten: frozenset[DocumentID]
    contents: dict[bytes, int]
    unknown: frozenset[DocumentID]

    @property
    def entries(self) -> frozenset[EntryID]:
        return self.stays | self.gone

    def has_name(self, path: str) -> bool:
        """Whether something at this path is meant: it is or was one of their names, or beneath what is meant."""
        return path in self.names or is_beneath(path, self.path)


def is_beneath(path: str, directory: str) -> bool:
    """Whether a path is that one or beneath it, in the folder."""
    return not is_ours(path) and (not directory or path == directory or path.startswith(f"{directory}/"))


async def scope_of(folder: Folder, path: str) -> Scope:
    """What is meant by a path in the folder. Raises UsageError: there is and was nothing there."""
    wanted = await name_now(folder, path)
    stays, gone = _entries(folder, wanted)
    if not stays and not gone and path:
        raise UsageError(f"there is no file {path!r} in {folder.path}, and there never was one of that name")
    changes = await changes_of(folder, (*stays, *gone))
    former = [one for change in changes for one in (change.entry, change.before) if one is not None]
    names = {one.path for one in (*former, *stays.values(), *gone.values())}
    names |= {folder.catalogue.layout().path_of[entry] for entry in stays}
    texts = {entry.document for entry in stays.values() if entry.kind is Kind.TEXT}
    forgotten = {one.document for one in (*former, *gone.values()) if one.kind is Kind.TEXT} - texts
    unknown = _of_nobody(folder, texts | forgotten)
    if not wanted:
        forgotten, unknown = forgotten | unknown, set()
    return Scope(
        wanted, frozenset(stays), frozenset(gone), frozenset(names | {path, wanted}),
        frozenset(texts), frozenset(forgotten), _contents(former, stays), frozenset(unknown),
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


def _of_nobody(folder: Folder, known: Iterable[DocumentID]) -> set[DocumentID]:
    """The documents of the log that no entry has or had, and no file is made of."""
    named = {entry.document for entry in folder.catalogue.entries.values()}
    in_use = {record.document for record in folder.files.values()}
    return tables.log.documents_of(folder.database.rows, folder.id) - named - in_use - {*known} - MANIFEST_INDEX.keys()


def _contents(former: Iterable[Entry], stays: dict[EntryID, Entry]) -> dict[bytes, int]:
    now = {entry.content.hash for entry in stays.values()}
    blobs = [one.content for one in former if one.kind is Kind.BLOB]
    return {content.hash: content.size for content in blobs if content.hash not in now and content.size}
