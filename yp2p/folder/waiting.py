"""What `status` says of files that cannot be synchronised now, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from yp2p.identity import EntryID


@dataclass(slots=True)
class Waiting:
    """Files that cannot be synchronised now, with the reason. Entries come in by `Folder.note_waiting`.

    `changed` is told when an entry waits for another reason than before, or does not wait any more.
    """

    changed: Callable[[], None] = lambda: None
    skipped: dict[str, str] = field(default_factory=dict)  # path: not text, too big...
    entries: dict[EntryID, str] = field(default_factory=dict)  # entry: busy, permission denied...

    def note(self, entry: EntryID, reason: str) -> None:
        """An entry waits, and why."""
        if self.entries.get(entry) != reason:
            self.entries[entry] = reason
            self.changed()

    def done(self, entry: EntryID) -> None:
        """An entry does not wait any more."""
        if self.entries.pop(entry, None) is not None:
            self.changed()
