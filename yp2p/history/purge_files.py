"""The files that go with `yp2p purge`: items of the trash, and what is left in `.yp2p/tmp`. Everything here blocks.

Which items of the trash are meant is told by their paths (`purge_trash.py`), and by what such a file once held: a copy
can lie under another name. What was a version of a text is told from the text's log, as far as an item has
the size of one. What lies in `.yp2p/tmp` has a name that tells of which entry or content it is, or is told by its
content likewise. A file that is on its way there to another place holds the present, and stays.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field

from yp2p.documents.text import TextReplica
from yp2p.files import blobs, trash
from yp2p.files.inspect import MAX_TEXT_BYTES, read_chunk_hashes
from yp2p.files.root import TMP, TRASH, Root
from yp2p.files.temporary_names import ASIDE, is_fresh, read_left, read_parked, read_purpose
from yp2p.folder.packs import stored_rows
from yp2p.history.purge_scope import Scope, is_within
from yp2p.history.purge_trash import Trash
from yp2p.identity import FolderID
from yp2p.protocol.blobs import blob_hash
from yp2p.store.sql import Read
from yp2p.store.tables.log import ALL


@dataclass(frozen=True, slots=True)
class Contents:
    """What files of one size once held, by the hashes of texts (SHA-256) or of blobs. Nothing is in an empty file."""

    sizes: Set[int]
    hashes: Set[bytes]

    def has(self, root: Root, path: str, size: int) -> bool:
        """Whether a file holds any of it."""
        return size in self.sizes and bool(self.hashes & _hashes(root, path, size))


@dataclass(slots=True)
class Doomed:
    """The files that go: items of the trash, copies there under other names, and paths in `.yp2p/tmp`.

    Attributes:
        kept: items that have such a name or hold such a content, and were another file's or may have been: they stay.
        held: what a version held, by its hash, that a file holds now.
    """

    items: list[trash.Item] = field(default_factory=list)
    copies: list[trash.Item] = field(default_factory=list)
    kept: list[trash.Item] = field(default_factory=list)
    temporary: list[str] = field(default_factory=list)
    held: set[bytes] = field(default_factory=set)

    @property
    def in_trash(self) -> list[trash.Item]:
        return [*self.items, *self.copies]


def _hashes(root: Root, path: str, size: int) -> set[bytes]:
    """The hash of a file as that of a text and as that of a blob; none where it cannot be read."""
    try:
        descriptor = root.open_file(path)
    except OSError:
        return set()
    try:
        found = {blob_hash(size, tuple(read_chunk_hashes(descriptor)))}
        if size <= MAX_TEXT_BYTES:
            found.add(hashlib.sha256(os.pread(descriptor, size, 0)).digest())
        return found
    except OSError:
        return set()
    finally:
        os.close(descriptor)


def _texts(read: Read, folder: FolderID, scope: Scope, sizes: Set[int]) -> Iterator[tuple[int, bytes]]:
    """Size and hash of all versions that are meant of texts that have one of these sizes."""
    for document in scope.texts | scope.forgotten:
        replica, seen = TextReplica(1), scope.seen.get(document)
        for stored in stored_rows(read, folder, document, ALL):
            if seen is not None and not is_within(stored.data, seen):
                break
            for single in stored.singles():
                replica.load([single.data])
                size = replica.size()
                if size in sizes:
                    yield size, replica.content()


def doomed(
    root: Root, read: Read, folder: FolderID, scope: Scope, lying: Trash, present: Mapping[bytes, int], kept: Set[str]
) -> Doomed:
    """What goes.

    Args:
        lying: what is in the trash.
        present: the hashes of what files hold now, with their sizes: that is no past, whoever had it before.
        kept: paths in `.yp2p/tmp` that are files of the folder, on their way to another place.
    """
    found = Doomed(items=[item for item in lying.items if lying.is_theirs(scope, item)])
    others = sorted({*lying.items} - {*found.items}, key=lambda item: item.name)
    names = [path for path in _temporary(root) if path not in kept]
    sizes = {item.size for item in others} | {_size(root, path) for path in names} | {*present.values()}
    versions = {*_texts(read, folder, scope, sizes - {0})}
    versions |= {(size, content) for content, size in scope.contents.items()}
    found.held = {content for _, content in versions} & present.keys()
    past = Contents({size for size, _ in versions}, {content for _, content in versions} - present.keys())
    # What another device asks for is not told by content: it can have written there what another file held.
    alike = [
        item for item in others if scope.asked_at is None and past.has(root, f"{TRASH}/{item.name}", item.size)
    ]  # fmt: skip
    found.copies = [item for item in alike if lying.is_by_content(scope, item)]
    named = [item for item in others if scope.has_name(item.path) and scope.is_of_then(item.removed_at)]
    found.kept = sorted({*alike, *named} - {*found.copies}, key=lambda item: item.name)
    found.temporary = [path for path in names if _is_meant(root, path, scope, past)]
    return found


def _temporary(root: Root) -> list[str]:
    descriptor = root.open(TMP, os.O_DIRECTORY | os.O_RDONLY)
    try:
        return [f"{TMP}/{name}" for name in sorted(os.listdir(descriptor))]
    finally:
        os.close(descriptor)


def _size(root: Root, path: str) -> int:
    status = root.lstat(path)
    return status.st_size if status is not None else 0


def _is_meant(root: Root, path: str, scope: Scope, past: Contents) -> bool:
    purpose = read_purpose(path.removesuffix(ASIDE))
    if purpose is not None:
        return purpose[0].entry in scope.entries
    left = read_left(path)
    if left is not None or read_parked(path) is not None:
        return (left[0] if left is not None else read_parked(path)) in scope.gone
    if path.startswith(blobs.PREFIX):
        return any(path == blobs.name_of(content) for content in scope.contents.keys() & past.hashes)
    return is_fresh(path) and past.has(root, path, _size(root, path))


def remove(root: Root, found: Doomed) -> None:
    """Remove them for good. Raises OSError: one cannot be removed; the rest can be tried again."""
    for item in found.in_trash:
        with suppress(FileNotFoundError):
            trash.remove(root, item)
    for path in found.temporary:
        with suppress(FileNotFoundError), root.parent(path) as (directory, name):
            os.unlink(name, dir_fd=directory)
