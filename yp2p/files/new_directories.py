"""New directories below a watched one: finding what came into them before they were watched themselves.

The kernel tells of a new directory, and a watch is set on it a moment later. What came in between is found by listing
the directory then. What *went* in between is not: a file that was put there from another device, and that somebody
removed at once, is only known by its record. So once a directory was listed, and everything that was being put in place
has its record, the files that are known in it and were not found are looked for (`ChangedPaths.take_listed`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from yp2p.files.root import Root

# So many prefixes are compared with a path faster than the path is cut.
_FEW = 16


def _above(path: str) -> Iterable[str]:
    parent = path.rpartition("/")[0]
    while parent:
        yield parent
        parent = parent.rpartition("/")[0]


def gone(root: Root, listed: Mapping[str, set[str]], known: Iterable[str]) -> set[str]:
    """The known paths below directories that were listed, which were not found there, and at which nothing is. Blocks.

    Args:
        known: paths of files; of a large folder they are many.
    """
    if len(listed) <= _FEW:
        prefixes = tuple(f"{directory}/" for directory in listed)
        known = (path for path in known if path.startswith(prefixes))
    missing = (path for path in known if any(path not in listed[above] for above in _above(path) if above in listed))
    return {path for path in missing if _is_gone(root, path)}


def _is_gone(root: Root, path: str) -> bool:
    try:
        return root.lstat(path) is None
    except OSError:
        return False
