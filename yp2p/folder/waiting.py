"""What `status` says of files that cannot be synchronised now, and why."""

from __future__ import annotations

from dataclasses import dataclass, field

from yp2p.identity import EntryID


@dataclass(slots=True)
class Waiting:
    """Files that cannot be synchronised now, with the reason."""

    skipped: dict[str, str] = field(default_factory=dict)  # path: not text, too big...
    entries: dict[EntryID, str] = field(default_factory=dict)  # entry: busy, permission denied...
