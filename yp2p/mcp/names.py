"""Which folders a client may see, and what it calls the files in them.

A path is one in the folder; where there are several, it begins with the folder's label, or, where two have the same,
with the beginning of its ID. No path leads out of what may be seen: it is made plain before anything is asked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from yp2p.errors import UsageError

_ID_CHARS = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """A folder that may be seen: how it is called, its ID, and its directory."""

    name: str
    id: str
    root: str


class Names:
    """The folders that may be seen, as they are now.

    Args:
        status: gives what `yp2p status --json` prints.
        wanted: labels, directories, or the beginnings of IDs; none: all folders.
    """

    def __init__(self, status: Callable[[], dict[str, Any]], wanted: Sequence[str] = ()) -> None:
        self._status = status
        self._wanted = wanted

    def folders(self) -> list[Seen]:
        """Raises UsageError: one that was wanted is not there."""
        every = self._status()["folders"]
        labels = [folder["label"] for folder in every]
        found = [
            Seen(
                folder["label"] if labels.count(folder["label"]) == 1 else folder["id"][:_ID_CHARS],
                folder["id"], folder["path"],
            )
            for folder in every
        ]  # fmt: skip
        if not self._wanted:
            return found
        seen: list[Seen] = []
        for name in self._wanted:
            meant = [one for one in found if self._is(one, name, labels[found.index(one)])]
            if len(meant) != 1:
                raise UsageError(f"{'several folders are' if meant else 'no folder is'} called {name!r} here")
            seen += meant
        return list(dict.fromkeys(seen))

    @staticmethod
    def _is(one: Seen, name: str, label: str) -> bool:
        return name in (label, one.name) or os.path.realpath(name) == one.root or (
            len(name) >= 4 and one.id.startswith(name)
        )  # fmt: skip

    def folder(self, name: str) -> Seen:
        """The folder of this name; the only one without a name. Raises UsageError."""
        folders = self.folders()
        if not name and len(folders) == 1:
            return folders[0]
        for one in folders:
            if name == one.name:
                return one
        raise UsageError(f"no folder {name!r} can be seen here; there is {_listed(folders)}")

    def locate(self, path: str) -> tuple[Seen, str]:
        """The folder that a path is in, and the path in it; empty for the folder itself. Raises UsageError."""
        if "\0" in path:
            raise UsageError("a path has no NUL")
        folders = self.folders()
        plain = os.path.normpath(path) if path else "."
        for one in folders:
            if plain == one.root or plain.startswith(one.root.rstrip("/") + "/"):
                return one, plain[len(one.root.rstrip("/")) + 1 :]
        if os.path.isabs(plain) or plain.split("/")[0] == "..":
            raise UsageError(f"{path!r} is in no folder that can be seen here; there is {_listed(folders)}")
        inside = "" if plain == "." else plain
        if len(folders) == 1:
            return folders[0], inside
        name, _, inside = inside.partition("/")
        return self.folder(name), inside

    def absolute(self, path: str) -> str:
        """Where a file is. Raises UsageError."""
        folder, inside = self.locate(path)
        return os.path.join(folder.root, inside) if inside else folder.root

    def shown(self, folder: Seen, inside: str) -> str:
        """What a client calls a file."""
        return inside if len(self.folders()) == 1 else f"{folder.name}/{inside}"


def _listed(folders: Sequence[Seen]) -> str:
    return ", ".join(repr(one.name) for one in folders) or "none"
