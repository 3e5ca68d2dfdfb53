"""Which paths a folder may hold: the check that no peer's path passes around (invariant 14).

A path is relative, in normal form, separated by `/`, and written as text in which bytes that are not UTF-8
appear as lone surrogates (PEP 383). On the wire and in the manifest it is those bytes again.
"""

from __future__ import annotations

from yp2p.errors import MessageFault

# ext4, btrfs and xfs: 255 bytes a name. PATH_MAX is 4096 with the root in front of it.
MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 3072
# Each directory above a file is a path of its own, in the layout, the rules on what is ignored, the watcher: without a
# cap a path of 3 KB would be two megabytes of them. The deepest trees of packages have some forty.
MAX_PATH_NAMES = 128
# A path of so few characters of ASCII is in no way too long. Others may have no bytes at all.
_SURELY_SHORT = min(MAX_NAME_BYTES, MAX_PATH_NAMES) - 1
# A checkout's hooks are code that runs by itself: a peer that may write into them owns the machine. The same
# holds for the other version control directories; `.yp2p` is our own. Compared without case, because some
# file systems do.
RESERVED_NAMES = frozenset({".git", ".hg", ".svn", ".bzr", ".yp2p"})


def encode_path(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def decode_path(data: bytes) -> str:
    """Raises MessageFault when the path may not enter a folder."""
    path = data.decode("utf-8", "surrogateescape")
    reason = path_problem(path)
    if reason is not None:
        raise MessageFault(f"a path that may not enter a folder: {reason}")
    return path


def is_reserved(name: str) -> bool:
    """Whether a name belongs to version control or to yp2p itself."""
    return name.casefold() in RESERVED_NAMES


def points_outside(path: str, target: bytes) -> bool:
    """Whether a symlink at `path` with this target names something outside of the folder, by its words alone."""
    if target.startswith(b"/"):
        return True
    depth = path.count("/")
    for name in target.split(b"/"):
        depth += {b"..": -1, b".": 0, b"": 0}.get(name, 1)
        if depth < 0:
            return True
    return False


def length_problem(path: str) -> str | None:
    """Say how a path is too long for a folder, or None when it is not."""
    if len(path) <= _SURELY_SHORT and path.isascii():
        return None
    if len(encode_path(path)) > MAX_PATH_BYTES:
        return f"its path has more than {MAX_PATH_BYTES} bytes"
    if path.count("/") >= MAX_PATH_NAMES:
        return f"it is more than {MAX_PATH_NAMES - 1} directories deep"
    if max(map(len, encode_path(path).split(b"/"))) > MAX_NAME_BYTES:
        return f"a name in it has more than {MAX_NAME_BYTES} bytes"
    return None


def path_problem(path: str) -> str | None:
    """Say why a path may not enter a folder, or None when it may."""
    if not path:
        return "it is empty"
    names = set(path.split("/"))
    if not names.isdisjoint(("", ".", "..")):
        return "it is not in normal form"
    if "\x00" in path:
        return "it has a NUL byte"
    reserved = RESERVED_NAMES.intersection(path.casefold().split("/"))
    if reserved:
        return f"{min(reserved)!r} is a reserved name"
    return length_problem(path)
