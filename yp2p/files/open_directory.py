"""Many files go into few directories: the last one is kept open for the next file, and not looked up again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yp2p.files.root import Root

# Somebody may move a directory away while it is open: after so many files its path is asked again where it is.
_MOST_USES = 16


class OpenDirectory:
    """The directory that a file went into last, kept open for the next one. Use `Root.keeping_open`."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._path = ""
        self._used = 0
        self._descriptor: int | None = None

    def parent(self, path: str) -> tuple[int, str]:
        """The descriptor of the directory above `path`, which is made where it is missing, and the name in it.

        Raises:
            OSError: it cannot be made (ENOTDIR: a file is in the way) or opened.
        """
        directory, _, name = path.rpartition("/")
        if not directory:
            return self._root.descriptor, name
        if self._descriptor is None or directory != self._path or self._used >= _MOST_USES:
            if directory != self._path:
                self._root.make_parents(path)
            self.close()
            self._descriptor, self._path = self._root.open(directory, os.O_DIRECTORY | os.O_PATH), directory
        self._used += 1
        return self._descriptor, name

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        self._path, self._used = "", 0
        if descriptor is not None:
            os.close(descriptor)
