"""What of a folder this device has on its disk: everything, or what a person chose.

Theory of operation
    The names of a folder are known everywhere: the manifest, and the documents of all texts, go to every device. What
    is chosen is a list of paths, each a file or a directory, kept for this device alone (tables `chosen` and
    `made_here`). An entry is *unchosen* when its path is neither one of these nor beneath one, and nobody here made it.

    * An unchosen entry without a file here is left alone: nothing is rendered or fetched for it, and it counts as in
      step, like what is ignored. Its blob is not here, and nobody is told that it is (`peers/acks.py`).
    * An unchosen entry whose file is here is synced like any other, so that nothing that is saved in it is lost, until
      the file leaves (`disk/render/unchosen.py`). That its file is missing is no deletion, whoever removed it.
    * A file leaves only while another device, which is connected, says that it keeps that very version
      (`peers/keeping.py`).

    Two devices must not both remove a file because each relies on the other. So a device says that it keeps something
    only where it has chosen it, and an answer counts only for the choice that stood when the question was asked. Let a
    device remove a file, and let the one that it relied on choose otherwise afterwards: that one asks as well, and is
    not told yes by the first. Among any number of devices the one that chose otherwise last has nobody to rely on but
    those that still have the file.

Invariants
    * `unchosen` holds exactly the live entries that are not chosen.
    * What `kept` says was said after the choice that stands now, by a device that had chosen the entry then.
    * The directory has the mark of the choice that the store has. Where it has another one, the store or the directory
      came back from a backup: files that left since would look deleted, so nothing that is missing is a deletion then.
    * A choice is durable before any question is asked because of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from yp2p.files.ignore import IGNORE_FILE
from yp2p.identity import DeviceID, EntryID, FolderID
from yp2p.protocol.names import encode_path
from yp2p.protocol.reconcile import Leaf
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.store.sql import Statement

MARK_BYTES = 16


def _above(path: str) -> Iterable[str]:
    """The directories that a path is in, the nearest first."""
    while path := path.rpartition("/")[0]:
        yield path


class Chosen:
    """Paths that are chosen, each with all that is beneath it; none: everything."""

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self.paths = frozenset(paths)
        self._directories = frozenset(above for path in self.paths for above in _above(path))

    def covers(self, path: str) -> bool:
        """Whether a path is chosen, or a directory that something chosen is in."""
        if not self.paths or path == IGNORE_FILE or path in self._directories or path in self.paths:
            return True
        return any(above in self.paths for above in _above(path))


def choose_statements(folder: FolderID, paths: Iterable[str], mark: bytes) -> list[Statement]:
    """What makes a choice durable, once the directory has its mark."""
    return tables.chosen.replace(folder, map(encode_path, sorted(set(paths)) or [""]), mark)


class Choice:
    """What is chosen of one folder.

    Attributes:
        mark: which choice it is; empty: nobody ever chose.
        unchosen: the live entries that are not chosen, whether their file is here or not.
        number: how many choices there were since the start: answers about another one do not count.
        kept: what another device said that it keeps, and which.
    """

    def __init__(self, folder: FolderID, database: Database) -> None:
        self._folder = folder
        self._database = database
        self._chosen = Chosen()
        self.mark = b""
        self._made_here: set[EntryID] = set()
        self.unchosen: set[EntryID] = set()
        self.number = 0
        self.kept: dict[EntryID, tuple[Leaf, DeviceID]] = {}

    def load(self) -> None:
        """Read it from the store."""
        rows = tables.chosen.read_all(self._database.rows, self._folder)
        self._chosen = Chosen(path.decode("utf-8", "surrogateescape") for path, _ in rows if path)
        self.mark = next((mark for _, mark in rows), b"")
        self._made_here = set(map(EntryID, tables.made_here.read_all(self._database.rows, self._folder)))

    def statements(self, paths: Iterable[str], mark: bytes) -> list[Statement]:
        """What makes a choice durable, once the directory has its mark; `take` comes after that."""
        return [*choose_statements(self._folder, paths, mark), tables.made_here.forget_all(self._folder)]

    def take(self, paths: Iterable[str], mark: bytes) -> None:
        """From now on this is chosen; what was made here where nothing was chosen counts no more."""
        self._chosen = Chosen(paths)
        self.mark = mark
        self._made_here.clear()
        self.number += 1
        self.kept.clear()

    @property
    def paths(self) -> frozenset[str]:
        """What is chosen; empty: everything."""
        return self._chosen.paths

    def has(self, entry: EntryID, path: str) -> bool:
        """Whether an entry at this path is chosen."""
        return self.covers(path) or entry in self._made_here

    def covers(self, path: str) -> bool:
        """Whether a path is chosen, or a directory that something chosen is in."""
        return self._chosen.covers(path)

    def was_made_here(self, entry: EntryID, path: str) -> None:
        """A person here put a file at this path: it stays. Durable with whatever is submitted afterwards."""
        if not self.covers(path) and entry not in self._made_here:
            self._made_here.add(entry)
            self.unchosen.discard(entry)
            self.kept.pop(entry, None)
            self._database.submit([tables.made_here.add(self._folder, entry)])

    @property
    def made_here(self) -> frozenset[EntryID]:
        """What people here made where nothing is chosen."""
        return frozenset(self._made_here)
