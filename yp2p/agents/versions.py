"""The text of a file under a name that stands for exactly this text: what an edit is made of.

Theory of operation
    A document is the sum of its log, so a row of the log is a version (`history/versions.py`). Its name here is the
    number of that row and a hash of the document's ID and the text. Whoever names it gets the text as it was read, to
    the character, or hears why not: rows are thinned, purged and come back from backups, and another file can have the
    path by now. The hash tells in every such case.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import stat
from dataclasses import dataclass, replace

import trio

from yp2p.documents.registers import Entry
from yp2p.documents.text import TextReplica
from yp2p.errors import UsageError, VersionUnknown
from yp2p.files.inspect import Stamp
from yp2p.folder.folder import Folder
from yp2p.folder.lookup import entry_at
from yp2p.identity import DocumentID
from yp2p.protocol.state_vectors import StateVector

# A file that was saved, or made, a moment ago is waited for so long.
LOOK_S = 1.0
_NAME = re.compile(r"([0-9]{1,18})-([0-9a-f]{16})")


@dataclass(frozen=True, slots=True)
class Head:
    """What a text is now: the last row of its log, and the text."""

    seq: int
    text: str

    def name(self, document: DocumentID) -> str:
        return f"{self.seq}-{_hash(document, self.text)}"


@dataclass(frozen=True, slots=True)
class Base:
    """What a text was at a version, and the state vector then."""

    text: str
    clocks: StateVector


def _hash(document: DocumentID, text: str) -> str:
    return hashlib.sha256(b"yp2p version v1" + document + text.encode()).hexdigest()[:16]


async def find_text(folder: Folder, path: str) -> Entry:
    """The text at a path, with what was saved there a moment ago. Raises UsageError: there is none, and why."""
    with trio.move_on_after(LOOK_S):
        while not is_looked_at(folder, path):
            await folder.state.changed.wait()
    entry = entry_at(folder, path)
    check_alive(folder, entry, path)
    if entry.document not in folder.texts.digests:
        raise UsageError(f"the text of {path} has not come to this device yet")
    return entry


def check_alive(folder: Folder, entry: Entry, path: str) -> None:
    """Raises UsageError: the file is not there any more."""
    if not folder.catalogue.is_alive(entry):
        raise UsageError(
            f"{path} was deleted, and nothing was changed;"
            f" `yp2p restore {shlex.quote(str(folder.path / path))}@VERSION` brings it back"
        )


def check_still(folder: Folder, entry: Entry, path: str, version: str) -> None:
    """What an edit was made of, asked again when time has passed: its text may be no file's by now.

    Raises:
        UsageError: the file is not there any more.
        VersionUnknown: it is another text, or none.
        FolderError: this device only reads.
    """
    folder.membership.check_may_write()
    now = folder.catalogue.entries.get(entry.id)
    if now is None or now.document != entry.document:
        raise _unknown(folder, path, version)
    check_alive(folder, now, path)


def is_looked_at(folder: Folder, path: str) -> bool:
    """Whether the file at a path is as it was looked at last; also where nobody will look."""
    if folder.state.pause_reason or folder.files.ignored.rules.ignores(path):
        return True
    try:
        status = os.lstat(folder.path / path)
    except (OSError, ValueError):
        return True
    if not stat.S_ISREG(status.st_mode):
        return True
    record, stamp = folder.files.by_path(path), Stamp.of(status)
    # Without the time of the last change of its status, which a new name or mode changes as well.
    return record is not None and replace(record.stamp, ctime_ns=stamp.ctime_ns) == stamp


def head(folder: Folder, entry: Entry) -> Head:
    """What a text is now."""
    return Head(*folder.texts.head(entry.document))


async def read(folder: Folder, path: str) -> tuple[Entry, str, str]:
    """The text of a file, and the name of this version: with its entry. Raises UsageError."""
    entry = await find_text(folder, path)
    found = head(folder, entry)
    await folder.database.pending().wait()  # a version that is named is stored
    return entry, found.text, found.name(entry.document)


def base_of(folder: Folder, entry: Entry, path: str, version: str) -> Base:
    """What a text was at a version.

    Raises:
        UsageError: that is no name of a version.
        VersionUnknown: it is not kept, or is another file's.
    """
    parts = _NAME.fullmatch(version)
    if parts is None:
        raise UsageError(
            f"{version[:60]!r} is no version;"
            f" `yp2p read {shlex.quote(str(folder.path / path))}` tells the one that it reads"
        )
    seq, wanted = int(parts[1]), parts[2]
    now = head(folder, entry)
    if seq > now.seq:
        raise _unknown(folder, path, version)
    live = folder.texts.open(entry.document)
    replica: TextReplica = live.text if seq == now.seq else folder.texts.at(entry.document, seq)
    base = Base(replica.text(), replica.clocks())
    if _hash(entry.document, base.text) != wanted:
        raise _unknown(folder, path, version)
    return base


def _unknown(folder: Folder, path: str, version: str) -> VersionUnknown:
    return VersionUnknown(
        f"version {version} of {path} is not kept here any more, or is of another file; nothing was changed: "
        f"`yp2p read {shlex.quote(str(folder.path / path))}`, and make the edit in that"
    )
