"""Which folders a client may see, and what it calls the files in them.

A path is one in the folder; where there are several, it begins with the folder's label, which may have slashes, or,
where that could mean something else as well, with its ID or the beginning of it. Labels are chosen by others: so what a
client was shown is the same file when it comes back. No path leads out of what may be seen: it is made plain before
anything is asked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from yp2p.errors import UsageError

_ID_CHARS = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """A folder that may be seen: how it is called, its ID, and its directory.

    `is_only`: it alone may be seen, and paths go without its name.
    """

    name: str
    id: str
    root: str
    is_only: bool = False

    def shown(self, inside: str) -> str:
        """What a client calls a file in it."""
        return inside if self.is_only else f"{self.name}/{inside}"


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
        found = [Seen(_name(folder, every), folder["id"], folder["path"]) for folder in every]
        seen = [] if self._wanted else found
        for name in self._wanted:
            meant = [one for one, folder in zip(found, every, strict=True) if self._is(one, name, folder["label"])]
            if len(meant) != 1:
                raise UsageError(f"{'several folders are' if meant else 'no folder is'} called {name!r} here")
            seen += meant
        seen = list(dict.fromkeys(seen))
        return [replace(one, is_only=len(seen) == 1) for one in seen]

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
        raise UsageError(_not_there(name, folders))

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
        for one in folders:
            if inside == one.name or inside.startswith(f"{one.name}/"):
                return one, inside[len(one.name) + 1 :]
        raise UsageError(_not_there(inside.partition("/")[0], folders))

    def absolute(self, path: str) -> str:
        """Where a file is. Raises UsageError."""
        folder, inside = self.locate(path)
        return os.path.join(folder.root, inside) if inside else folder.root


def _name(folder: dict[str, Any], every: Sequence[dict[str, Any]]) -> str:
    """How a folder is called: by a name that, in front of a path, means no other one of these."""
    label, others = folder["label"], [one for one in every if one is not folder]
    is_plain = os.path.normpath(label) == label and not os.path.isabs(label) and label.split("/")[0] not in (".", "..")
    if is_plain and not any(_meet(label, name) for one in others for name in (one["label"], one["id"])):
        return str(label)
    short = folder["id"][:_ID_CHARS]
    return short if not any(one["id"].startswith(short) for one in others) else str(folder["id"])


def _meet(label: str, name: str) -> bool:
    """Whether a path can begin with either."""
    first = label.split("/")[0]
    return (
        label == name or label.startswith(f"{name}/") or name.startswith(f"{label}/")
        or (len(first) >= _ID_CHARS and name.startswith(first))
    )  # fmt: skip


def _not_there(name: str, folders: Sequence[Seen]) -> str:
    return f"no folder {name!r} can be seen here; there is {_listed(folders)}"


def _listed(folders: Sequence[Seen]) -> str:
    return ", ".join(repr(one.name) for one in folders) or "none"
