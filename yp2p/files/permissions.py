"""Owner, permissions and attributes of the files that are written here. Blocks; belongs in a worker thread."""

from __future__ import annotations

import errno
import os
import stat
from functools import cache
from pathlib import Path

from yp2p.files.inspect import Stamp
from yp2p.files.new_files import ACL, CREATION_MASK
from yp2p.files.root import Root
from yp2p.protocol.entries import Mode

# What the kernel says of whoever has no number here (user_namespaces(7)).
_NOBODY = 65534
_USERS = Path("/proc/self/uid_map")


def permissions(before: int, mode: Mode) -> int:
    """The permission bits of a file with this mode; `before` are those it had, or was made with."""
    bits = before
    if Mode.PRIVATE in mode:
        bits &= ~0o077
    elif not bits & 0o077:
        bits |= 0o066 & ~CREATION_MASK
    return bits | (bits & 0o444) >> 2 if Mode.EXECUTABLE in mode else bits & ~0o111


def set_permissions(root: Root, descriptor: int, like: str | None, mode: Mode) -> None:
    """Give a file that was made here its permissions; owner and attributes as well where it replaces another.

    Args:
        like: the path whose owner, permissions and attributes are kept; None for a new file.

    Raises:
        OSError: it cannot have them.
    """
    status = root.lstat(like) if like is not None else None
    if status is None or not stat.S_ISREG(status.st_mode):
        made_with = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if made_with != (bits := permissions(made_with & 0o777, mode)):
            os.fchmod(descriptor, bits)
        return
    own = os.fstat(descriptor)
    _check_is_known(status)
    if (status.st_uid, status.st_gid) != (own.st_uid, own.st_gid):
        _give_to(descriptor, status.st_uid, status.st_gid)
    bits = permissions(stat.S_IMODE(status.st_mode) & 0o777, mode)  # what comes from elsewhere never runs as another
    os.fchmod(descriptor, bits)
    source = root.open_file(like or "")
    try:
        names = os.listxattr(source)
        if ACL not in names and ACL in os.listxattr(descriptor):
            os.removexattr(descriptor, ACL)  # it was made where new files get one
        for attribute in names:
            if not (attribute == "security.capability" or (Mode.PRIVATE in mode and attribute == ACL)):
                os.setxattr(descriptor, attribute, os.getxattr(source, attribute))
        os.fchmod(descriptor, bits)  # an access control list comes with bits of its own
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
    finally:
        os.close(source)


def _check_is_known(status: os.stat_result) -> None:
    """Raises PermissionError: whose a file is has no number in the user namespace of this process, or all the same."""
    if _NOBODY in (status.st_uid, status.st_gid) and not _knows_all_users():
        raise PermissionError(
            errno.EPERM,
            "it belongs to a user or group that the unit of the daemon does not know; see its PrivateUsers=",
        )


@cache
def _knows_all_users() -> bool:
    try:
        return "4294967295" in _USERS.read_text()
    except OSError:
        return True


def _give_to(descriptor: int, user: int, group: int) -> None:
    """Raises OSError, whose words say whose the file is where it cannot be given to them."""
    try:
        os.fchown(descriptor, user, group)
    except PermissionError as error:
        raise PermissionError(
            error.errno,
            f"it belongs to another user or group ({user}:{group}), and only root may keep that; see `chown`",
        ) from error


def open_own(root: Root, name: str, flags: int) -> int:
    """Open a file in `.yp2p/tmp` that is to be written, whatever permissions it was given.

    What could not be put in the place of a file has the permissions of that one already, and is filled again for the
    next attempt. Raises OSError.
    """
    try:
        return root.open_file(name, flags)
    except PermissionError:
        found = root.open(name, os.O_PATH)
        try:
            if stat.S_ISREG(os.fstat(found).st_mode):
                os.chmod(f"/proc/self/fd/{found}", 0o600)
        finally:
            os.close(found)
        return root.open_file(name, flags)


def set_mode(root: Root, path: str, mode: Mode) -> Stamp:
    """Give a file its permissions, under all its names. Raises OSError."""
    descriptor = root.open_file(path)
    try:
        os.fchmod(descriptor, permissions(stat.S_IMODE(os.fstat(descriptor).st_mode), mode))
        return Stamp.of(os.fstat(descriptor))
    finally:
        os.close(descriptor)
