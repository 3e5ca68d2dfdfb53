"""Moving a directory as a whole. Blocks; belongs in a worker thread."""

from __future__ import annotations

import os
from collections.abc import Iterator, Set

from yp2p.files.root import Root
from yp2p.files.syscalls import RENAME_NOREPLACE, rename


def move_directory(root: Root, source: str, target: str, files: Set[str]) -> bool:
    """Rename a directory to a path where nothing is, if just these files are beneath it; tells whether it did.

    What else is beneath it stays where it is, and so the directory does: it may be left out at its old path, and
    nobody asked for it to be elsewhere.
    """
    if root.capabilities.folds_names or not root.capabilities.no_replace:
        return False
    try:
        if set(_files_beneath(root, source)) != files:
            return False
        root.make_parents(target)
        with root.parent(source) as (parent, name), root.parent(target) as (into, new):
            rename(parent, name, into, new, RENAME_NOREPLACE)
    except OSError:
        root.remove_empty_parents(target)
        return False
    return True


def _files_beneath(root: Root, path: str) -> Iterator[str]:
    """Everything beneath a directory that is none itself. Raises OSError."""
    waiting = [path]
    while waiting:
        directory = waiting.pop()
        descriptor = root.open(directory, os.O_DIRECTORY | os.O_RDONLY)
        try:
            with os.scandir(descriptor) as listing:
                for item in listing:
                    if item.is_dir(follow_symlinks=False):
                        waiting.append(f"{directory}/{item.name}")
                    else:
                        yield f"{directory}/{item.name}"
        finally:
            os.close(descriptor)
