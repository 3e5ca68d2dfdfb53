"""Making files below `.yp2p/tmp` as they would be made in the directory that they are for.

Theory of operation
    What a new file gets from its directory it gets when it is made: the group (setgid), the access control list, the
    security label, the project of a quota, flags like chattr(1)'s `C`. A rename changes none of that. So a file that is
    to be put in place later is made in that directory, without a name (O_TMPFILE) so that nobody sees it, and gets its
    name below `.yp2p/tmp` by a link. Where that directory gives just what `.yp2p/tmp` gives, as nearly everywhere, the
    file is made there at once.

    On a file system without such files, and for a directory that nothing can be made in, there remain the group and the
    access control list, which can be given to a file that is there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from yp2p.files.root import TMP, Root

ACL = "system.posix_acl_access"
_DEFAULT_ACL = "system.posix_acl_default"
_SECURITY = "security."
# ioctl_iflags(2), ioctl_fsgetxattr(2): the flags that new files get from their directory, and the project.
_GET_FLAGS, _GET_ATTRIBUTES = 0x80006601 | struct.calcsize("l") << 16, 0x801C581F
_INHERITED_FLAGS = 0x2280C4CC
_ATTRIBUTES = struct.Struct("5I8x")


def _read_umask() -> int:
    """From proc(5): to ask by setting another one would let other threads make files with that meanwhile."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1], 8) for line in status if line.startswith("Umask:"))


# The umask of this process, as it was started: what new files are not allowed.
CREATION_MASK = _read_umask()


@dataclass(frozen=True, slots=True)
class _Gives:
    """What a directory gives to the files that are made in it."""

    group: int
    is_setgid: bool
    acl: bytes
    labels: tuple[tuple[str, bytes], ...]
    flags: int
    project: int


class NewFiles:
    """Makes files of one batch below `.yp2p/tmp`: what directories give is looked at once."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._known: dict[str, _Gives] = {}
        self._tmp: int | None = None  # `.yp2p/tmp`, while it is kept open

    @contextmanager
    def keeping_open(self) -> Iterator[None]:
        """For many files: the directory that they are made in is found once."""
        with self._root.parent(f"{TMP}/") as (self._tmp, _):
            try:
                yield
            finally:
                self._tmp = None

    def make(self, name: str, path: str, flags: int, mode: int = 0o666) -> int:
        """An empty file under a name in `.yp2p/tmp` where nothing is, that is to be put at `path`; gives a descriptor.

        Args:
            flags: how it is opened; where only to be read, the watcher is not told.

        Raises:
            OSError: it cannot be made.
        """
        directory, gives = self._above(path)
        if gives == self._of(TMP):
            return self._make(name, flags | os.O_CREAT | os.O_EXCL, mode)
        try:
            return self._make_unnamed(name, directory, flags, mode)
        except FileExistsError:
            raise
        except OSError:  # the file system cannot, or the directory is not ours to write to
            descriptor = self._root.open(name, flags | os.O_CREAT | os.O_EXCL, mode)
            _give(descriptor, gives, mode)
            return descriptor

    def _make(self, name: str, flags: int, mode: int) -> int:
        """Make a file in `.yp2p/tmp`; that is made again where somebody removed it."""
        if self._tmp is not None:
            with suppress(FileNotFoundError):
                return os.open(name.rpartition("/")[2], flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=self._tmp)
        return self._root.open(name, flags, mode)

    def give_group(self, name: str, path: str) -> None:
        """Give a symlink in `.yp2p/tmp` the group that it would have had from the directory of `path`."""
        gives = self._above(path)[1]
        with suppress(OSError), self._root.parent(name) as (directory, link):
            if gives.group != os.stat(link, dir_fd=directory, follow_symlinks=False).st_gid and gives.is_setgid:
                os.chown(link, -1, gives.group, dir_fd=directory, follow_symlinks=False)

    def _make_unnamed(self, name: str, directory: str, flags: int, mode: int) -> int:
        """Make a file in a directory and give it a name in `.yp2p/tmp`. Raises OSError: nothing has that name by us."""
        made = self._root.open(directory or ".", os.O_TMPFILE | os.O_RDWR, mode)
        try:
            with self._root.parent(name) as (tmp, new):
                os.link(f"/proc/self/fd/{made}", new, dst_dir_fd=tmp, follow_symlinks=True)
                try:
                    return self._open_by_name(made, name, flags)
                except OSError:
                    os.unlink(new, dir_fd=tmp)
                    raise
        finally:
            os.close(made)

    def _open_by_name(self, made: int, name: str, flags: int) -> int:
        """So that what is written is not told to who watches the directory. That may give its files' owner no right
        to open them, which only who makes one does not need."""
        try:
            return self._root.open(name, flags)
        except PermissionError:
            mode = stat.S_IMODE(os.fstat(made).st_mode)
            os.fchmod(made, mode | stat.S_IRUSR | stat.S_IWUSR)
            try:
                return self._root.open(name, flags)
            finally:
                os.fchmod(made, mode)

    def _above(self, path: str) -> tuple[str, _Gives]:
        """The directory that is to hold `path`, and what it gives; the next one above where it is still to be made."""
        directory = path.rpartition("/")[0]
        while directory:
            try:
                return directory, self._of(directory)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    return TMP, self._of(TMP)  # putting the file there will say why it does not work
            directory = directory.rpartition("/")[0]
        return "", self._of("")

    def _of(self, directory: str) -> _Gives:
        known = self._known.get(directory)
        if known is None:
            descriptor = self._root.open(directory or ".", os.O_DIRECTORY | os.O_RDONLY)
            try:
                known = self._known[directory] = _read(descriptor)
            finally:
                os.close(descriptor)
        return known


def _read(directory: int) -> _Gives:
    status = os.fstat(directory)
    acl, labels = b"", []
    with suppress(OSError):  # the file system has none
        for name in os.listxattr(directory):
            if name == _DEFAULT_ACL:
                acl = os.getxattr(directory, name)
            elif name.startswith(_SECURITY):
                labels.append((name, os.getxattr(directory, name)))
    flags = project = 0
    with suppress(OSError):
        flags = int.from_bytes(fcntl.ioctl(directory, _GET_FLAGS, bytes(struct.calcsize("l")))[:4], "little")
    with suppress(OSError):
        project = _ATTRIBUTES.unpack(fcntl.ioctl(directory, _GET_ATTRIBUTES, bytes(_ATTRIBUTES.size)))[3]
    is_setgid = bool(status.st_mode & stat.S_ISGID)
    return _Gives(status.st_gid, is_setgid, acl, tuple(sorted(labels)), flags & _INHERITED_FLAGS, project)


def _give(descriptor: int, gives: _Gives, mode: int) -> None:
    """Give a file that was made elsewhere the group and the access control list, as far as that is possible."""
    with suppress(OSError):
        os.fchown(descriptor, -1, gives.group if gives.is_setgid else os.getegid())
    with suppress(OSError):
        if gives.acl:
            os.setxattr(descriptor, ACL, gives.acl)
            os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & mode)
        elif ACL in os.listxattr(descriptor):
            os.removexattr(descriptor, ACL)
            os.fchmod(descriptor, mode & ~CREATION_MASK)
