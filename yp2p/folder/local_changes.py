"""Where the disk of a device that only reads differs from what all others have: it stays as it is, and is shown.

Nothing of this is stored. The record of a file still says what was put in place, so every scan finds the difference
again. The first scan after the device may write takes it for an edit of that version.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum


class LocalChange(Enum):
    """What is otherwise; the value is what `status` says."""

    CHANGED = "changed"
    REMOVED = "removed"
    ADDED = "added"
    MODE = "mode"  # executable or not, private or not; the content is what all have


@dataclass(slots=True)
class LocalChanges:
    """The paths where something is otherwise; `told` is called when that changes.

    Attributes:
        is_outdated: whether all files have to be looked at, as what all have is something else by now.
    """

    told: Callable[[], None] = lambda: None
    paths: dict[str, LocalChange] = field(default_factory=dict)
    is_outdated: bool = False

    def note(self, path: str, change: LocalChange) -> None:
        """Something is otherwise at a path."""
        if self.paths.get(path) is not change:
            self.paths[path] = change
            self.told()

    def done(self, path: str) -> None:
        """What all have is at a path, or nothing."""
        if self.paths.pop(path, None) is not None:
            self.told()

    def keeps(self, path: str) -> bool:
        """Whether the file at a path is to stay as it is, or away."""
        return self.paths.get(path) in (LocalChange.CHANGED, LocalChange.REMOVED)

    def begin_anew(self) -> None:
        """What all have is something else by now: everything is looked at anew."""
        self.is_outdated = True
        self.clear()

    def clear(self) -> None:
        """This device may write from now on, or reads from now on: everything is looked at anew."""
        if self.paths:
            self.paths.clear()
            self.told()
