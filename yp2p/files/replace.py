"""Putting content in place so that neither a crash nor another program's save can lose anything.

Theory of operation (invariant 3)
    1. A file is made under a fresh name in `.yp2p/tmp`, with the new content, and forced to the disk
       (`temporary_files.py`). Without that, a file exchanged into place is *empty* after a power cut (20 of 20).
    2. After a crash one must know whether step 3 happened, or a rendered file would be taken for a person's edit. For a
       replacement the name tells: it holds the entry, the version and the inode of the new file, so another inode
       under that name means that the exchange happened (and the file system orders the two renames). On a disk that
       was copied file by file every inode is another one: what is under the name is the version itself then, and
       nothing was put. A new file leaves no name behind, so the caller records an intent in the store first.
    3. `exchange` holds a read lease on the file at the path, checks that it still is the base, and swaps the two
       names (renameat2, RENAME_EXCHANGE). The swap is atomic and loses nothing: what was at the path is now under
       the temporary name. It looks at what came out; if that is not the base, somebody saved in between, and the
       caller gets it to ingest.
    4. What came out stays for a while and is looked at again: a program that had it open may write to it still.

    New files go in by `install_new` (RENAME_NOREPLACE); deleted ones go out by `move_away`, into the trash.

    A file can have other names (hard links), also outside of the folder. What is written under those reaches the file
    that came out as well, and is nothing that was saved here: the caller is told that it `is_linked`. Into the trash
    goes a copy of such a file, which nobody else writes to.

    Where the file system lacks the exchange (`Root.capabilities`), the old file moves to the temporary name plus
    `ASIDE`, the new one takes the path where nothing may be, and the old one the temporary name: the same end, with the
    same evidence. A crash in between leaves the name with `ASIDE`, and `settle_aside` finishes or undoes the exchange.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum, auto

from yp2p.files import permissions
from yp2p.files.copies import copy_to
from yp2p.files.inspect import (
    LEASED,
    MAX_TEXT_BYTES,
    NO_STAMP,
    Busy,
    Finding,
    Found,
    Stamp,
    inspect,
    mode_of,
    read_chunk_hashes,
    read_lease,
    read_whole,
)
from yp2p.files.open_directory import OpenDirectory
from yp2p.files.placing import placing
from yp2p.files.root import TMP, TRASH, Root, has_other_names
from yp2p.files.syscalls import RENAME_EXCHANGE, RENAME_NOREPLACE, rename
from yp2p.files.temporary_files import Filling, create_temporary, discard, fill_temporaries
from yp2p.files.temporary_names import ASIDE, Purpose, Temporary
from yp2p.machine import reason as reason_of
from yp2p.protocol.blobs import blob_hash
from yp2p.protocol.entries import Kind, Mode, symlink_hash


class Outcome(Enum):
    """How an attempt to change the disk went."""

    DONE = auto()
    BUSY = auto()  # somebody has the file open for writing: wait for it to be closed
    CHANGED = auto()  # what is at the path is not the base: ingest it first
    BLOCKED = auto()  # the file system says no; `reason` says why


@dataclass(frozen=True, slots=True)
class Result:
    """`stamp` of the file put in place, None where somebody may have written to it since; `unexpected` is what came out
    instead of the base; `mode` is what that had, and `is_linked` whether it has other names."""

    outcome: Outcome
    stamp: Stamp | None = None
    displaced: Stamp | None = None
    unexpected: Finding | None = None
    reason: str = ""
    mode: Mode | None = None
    is_linked: bool = False


@contextmanager
def _holding(root: Root, path: str, base: bytes | None, base_stamp: Stamp, kind: Kind) -> Iterator[Stamp | Result]:
    """The file at `path` under a read lease, if it still is the base; otherwise how things stand."""
    try:
        descriptor = root.open_file(path)
    except OSError as error:
        target = root.read_link(path) if error.errno == errno.ELOOP else None
        if target is not None and base in (None, symlink_hash(target)):
            yield Stamp.of(root.lstat(path) or os.fstat(root.descriptor))
            return
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO):
            yield Result(Outcome.CHANGED)
        elif error.errno == errno.EAGAIN:
            yield Result(Outcome.BUSY, reason=LEASED)
        else:
            yield Result(Outcome.BLOCKED, reason=reason_of(error))
        return
    with ExitStack() as stack:
        stack.callback(os.close, descriptor)
        try:
            stack.enter_context(read_lease(descriptor))
        except Busy:
            yield Result(Outcome.BUSY, reason="another program has it open for writing")
            return
        status = os.fstat(descriptor)
        before = Stamp.of(status)
        if base is None or before == base_stamp:
            yield before
        elif base_stamp.inode and before.size != base_stamp.size:
            yield Result(Outcome.CHANGED)
        elif _content(descriptor, before.size, kind) == base:
            yield before
        else:
            yield Result(Outcome.CHANGED)


def _content(descriptor: int, size: int, kind: Kind) -> bytes:
    if kind is Kind.BLOB:
        return blob_hash(size, list(read_chunk_hashes(descriptor)))
    return hashlib.sha256(read_whole(descriptor, size)).digest()


def exchange(
    root: Root, temporary: Temporary, path: str, base: bytes, base_stamp: Stamp, kind: Kind = Kind.TEXT
) -> Result:
    """Swap the temporary file and the file at `path`, if that still has the content hash `base` of its `kind`."""
    try:
        with _holding(root, path, base, base_stamp, kind) as held:
            if isinstance(held, Result):
                return held
            with (
                root.parent(temporary.name) as (tmp, name),
                root.parent(path) as (parent, target),
                placing(tmp, name) as stamp_of_placed,
            ):
                if root.capabilities.exchange:
                    rename(tmp, name, parent, target, RENAME_EXCHANGE)
                else:
                    _exchange_by_hand(root, tmp, name, parent, target)
                stamp = stamp_of_placed()
        return _look(root, temporary, stamp, held)
    except FileExistsError:
        return Result(Outcome.CHANGED, reason="a file of that name is there")
    except OSError as error:
        return Result(Outcome.BLOCKED, reason=reason_of(error))


def _exchange_by_hand(root: Root, tmp: int, name: str, parent: int, target: str) -> None:
    os.rename(target, name + ASIDE, src_dir_fd=parent, dst_dir_fd=tmp)
    try:
        _rename_to_free(root, tmp, name, parent, target)
    except OSError:
        _rename_to_free(root, tmp, name + ASIDE, parent, target)
        raise
    os.rename(name + ASIDE, name, src_dir_fd=tmp, dst_dir_fd=tmp)


def _rename_to_free(root: Root, source_directory: int, source: str, target_directory: int, target: str) -> None:
    """Rename to a name where nothing is. Raises FileExistsError."""
    if root.capabilities.no_replace:
        rename(source_directory, source, target_directory, target, RENAME_NOREPLACE)
        return
    if root.capabilities.links:
        os.link(source, target, src_dir_fd=source_directory, dst_dir_fd=target_directory, follow_symlinks=False)
        os.unlink(source, dir_fd=source_directory)
        return
    try:
        os.stat(target, dir_fd=target_directory, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(source, target, src_dir_fd=source_directory, dst_dir_fd=target_directory)
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)


def settle_aside(root: Root, temporary: Temporary, path: str) -> bool:
    """After a crash in the middle of an exchange by hand: finish it, or undo it.

    Returns:
        Whether the old file is where it belongs now; else something else stands at `path`, and the old file is kept
        under its name with `ASIDE`.
    """
    with root.parent(temporary.name) as (tmp, name), root.parent(path) as (parent, target):
        if root.lstat(temporary.name) is None:
            os.rename(name + ASIDE, name, src_dir_fd=tmp, dst_dir_fd=tmp)
            return True
        try:
            _rename_to_free(root, tmp, name + ASIDE, parent, target)
        except FileExistsError:
            return False
        return True


def _look(root: Root, temporary: Temporary, stamp: Stamp | None, before: Stamp) -> Result:
    """What came out of the place in which a file with this stamp is now."""
    displaced = root.lstat(temporary.name)
    if displaced is None:
        return Result(Outcome.DONE, stamp)
    out = Stamp.of(displaced)
    same = out.inode == before.inode and (out.size, out.mtime_ns) == (before.size, before.mtime_ns)
    mode = mode_of(displaced) if stat.S_ISREG(displaced.st_mode) else None
    unexpected = None if same else inspect(root, temporary.name, None, MAX_TEXT_BYTES, trust_stamp=False)
    return Result(Outcome.DONE, stamp, out, unexpected, mode=mode, is_linked=has_other_names(displaced))


def install_new(root: Root, temporary: Temporary, path: str) -> Result:
    """Put the temporary file at `path`, where nothing may be."""
    return put_all_new(root, [(temporary, path)])[0]


def put_all_new(root: Root, items: Sequence[tuple[Temporary, str]]) -> list[Result]:
    """Put temporary files at paths where nothing may be; files of one directory behind each other are quickest."""
    if not items:
        return []
    try:
        with root.parent(items[0][0].name) as (tmp, _), root.keeping_open() as directories:
            return [_install_new(root, tmp, directories, temporary, path) for temporary, path in items]
    except OSError as error:  # `.yp2p/tmp` is gone
        return [_blocked(error)] * len(items)


def _install_new(root: Root, tmp: int, directories: OpenDirectory, temporary: Temporary, path: str) -> Result:
    name = temporary.name.rpartition("/")[2]
    try:
        try:
            return _put(root, tmp, name, *directories.parent(path))
        except FileNotFoundError:  # somebody removed the directory that was opened
            directories.close()
            return _put(root, tmp, name, *directories.parent(path))
    except FileExistsError:
        return Result(Outcome.CHANGED, reason="a file of that name is there")
    except OSError as error:
        return _blocked(error)


def _put(root: Root, tmp: int, name: str, parent: int, target: str) -> Result:
    with placing(tmp, name) as stamp_of_placed:
        _rename_to_free(root, tmp, name, parent, target)
        return Result(Outcome.DONE, stamp_of_placed())


def _blocked(error: OSError) -> Result:
    return Result(Outcome.BLOCKED, reason=reason_of(error))


def move_away(
    root: Root, path: str, target: str, base: bytes | None, base_stamp: Stamp, kind: Kind = Kind.TEXT
) -> Result:
    """Rename `path` to `target`, where nothing may be, if it still has the content hash `base` of its `kind` (None:
    any). Into the trash goes a copy of what has other names."""
    try:
        with _holding(root, path, base, base_stamp, kind) as held:
            if isinstance(held, Result):
                return held
            root.make_parents(target)
            if target.startswith(f"{TRASH}/") and root.is_linked(path):
                return _copy_away(root, path, target, held)
            return _rename_away(root, path, target, held)
    except FileExistsError:
        return Result(Outcome.CHANGED, reason="a file of that name is there")
    except OSError as error:
        return Result(Outcome.BLOCKED, reason=reason_of(error))


def _rename_away(root: Root, path: str, target: str, held: Stamp) -> Result:
    """Rename a file that was just looked at. Raises OSError."""
    with root.parent(path) as (parent, name), root.parent(target) as (into, new):
        _rename_to_free(root, parent, name, into, new)
        moved = Stamp.of(os.stat(new, dir_fd=into, follow_symlinks=False))
        if (moved.inode, moved.size, moved.mtime_ns) == (held.inode, held.size, held.mtime_ns):
            return Result(Outcome.DONE, moved)
        # Somebody put another file there since we looked: back with it, it is to be looked at first.
        _rename_to_free(root, into, new, parent, name)
        return Result(Outcome.CHANGED)


def _copy_away(root: Root, path: str, target: str, held: Stamp) -> Result:
    """Leave a durable copy of a file at `target`, and take its name away. Raises OSError."""
    try:
        copy = copy_to(root, path, held, target)
        away = f"{TMP}/{secrets.token_hex(8)}"
        result = _rename_away(root, path, away, held)
    except OSError as error:
        discard(root, target)
        if error.errno == errno.ESTALE:
            return Result(Outcome.CHANGED)
        raise
    discard(root, away if result.outcome is Outcome.DONE else target)
    return Result(Outcome.DONE, copy) if result.outcome is Outcome.DONE else result


def set_mode(root: Root, purpose: Purpose, path: str, mode: Mode, kind: Kind) -> Stamp | None:
    """Give a file its permissions; where it has other names, put a copy in its place, which has none.

    Returns:
        The stamp of the file in place; None when somebody changed it just now, so that it is to be looked at first.

    Raises:
        OSError: it cannot have them, or not now.
    """
    if not root.is_linked(path):
        return permissions.set_mode(root, path, mode)
    status = root.lstat(path)
    if status is None:
        return None
    stamp = Stamp.of(status)
    temporary = create_temporary(root, path, purpose)
    [failure] = fill_temporaries(
        root, [Filling(temporary, path, None, mode, stamp.mtime_ns, copy_of=(path, stamp, b""))]
    )
    if failure is not None:
        discard(root, temporary.name)
        raise failure
    result = exchange(root, temporary, path, b"", stamp, kind)
    if result.outcome is Outcome.DONE and result.unexpected is not None and result.displaced is not None:
        saved = Temporary(temporary.name, result.displaced.inode)  # somebody saved meanwhile: back with that
        if exchange(root, saved, path, b"", result.stamp or NO_STAMP, kind).outcome is not Outcome.DONE:
            return None  # it is evidence, for the next start
        result = Result(Outcome.CHANGED)
    discard(root, temporary.name)
    if result.outcome in (Outcome.BUSY, Outcome.BLOCKED):
        raise OSError(errno.EBUSY, result.reason, path)
    return result.stamp


def was_exchanged(root: Root, temporary: Temporary) -> bool:
    """After a crash: whether something else is under the name of a replacement, or nothing."""
    status = root.lstat(temporary.name)
    return status is None or status.st_ino != temporary.inode


def was_installed(root: Root, temporary: Temporary) -> bool:
    """After a crash: whether a new file was put in place, which takes its temporary name away."""
    return root.lstat(temporary.name) is None


def read_displaced(root: Root, name: str, stamp: Stamp) -> Finding | None:
    """Look again at what came out: what it is now when somebody wrote to it since or still may, else None."""
    found = inspect(root, name, None, MAX_TEXT_BYTES, trust_stamp=False)
    same = (found.stamp.size, found.stamp.mtime_ns) == (stamp.size, stamp.mtime_ns)
    gone = found.found is Found.MISSING
    return None if gone or (same and found.found is not Found.BUSY) else found
