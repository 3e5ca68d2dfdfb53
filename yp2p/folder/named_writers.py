"""Who edits by name on this device: programs that say what they are called (`agents/`).

Theory of operation
    Each of them writes with client IDs of its own, so that whatever it wrote can be told, and taken back, years later.
    One is drawn for a name when it writes first after a start, and goes on being used in all texts. Such an edit is an
    operation on the whole document, so it knows all that was written with that ID before.

Invariants
    * No two edits have one client ID and one clock: where a text has other operations of an ID than this device noted
      (somebody else wrote with it, or the text is less than it was), another one is drawn.
    * A name and its client ID become durable with the first operation that was written with it, and are known from then
      on: what was not written is nobody's.
    * There are at most `_MAX_NAMES` names: each start draws a client ID for one that writes, which every device keeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio

from yp2p.errors import UsageError
from yp2p.folder.client_ids import fresh_client_id
from yp2p.identity import DocumentID, EntryID
from yp2p.printable import printable
from yp2p.protocol.state_vectors import StateVector
from yp2p.store import tables
from yp2p.store.sql import Statement

if TYPE_CHECKING:
    from yp2p.folder.folder import Folder

# Of a caret's name as well (`programs/carets.py`).
LONGEST_NAME = 100
# So long somebody who read or wrote a file is there, as who saved one is.
_HERE_S = 60.0
# Names that are shown as being here; a program that calls itself otherwise each time fills nothing.
_MAX_HERE = 64
# Names are in the store for ever, as the edits are: a program that calls itself otherwise each time (by the moment, by
# a number) is told so instead.
_MAX_NAMES = 1000


@dataclass(slots=True)
class _Here:
    """Since when somebody has been at a file, in seconds since 1970, and when they were last, by trio's clock."""

    since: float
    last: float


class NamedWriters:
    """Those of one folder.

    Attributes:
        names: what they call themselves, by client ID.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.names: dict[int, str] = {}
        self._client: dict[str, int] = {}  # that each writes with now
        self._clocks: dict[tuple[DocumentID, int], int] = {}
        self._here: dict[tuple[str, EntryID], _Here] = {}

    def load(self) -> None:
        self.names = dict(tables.writer.read_all(self._folder.database.rows, self._folder.id))

    def clients(self, name: str) -> set[int]:
        """All client IDs that somebody ever wrote with here. Raises UsageError: there is nobody of that name."""
        found = {client for client, known in self.names.items() if known == name}
        if not found:
            known = ", ".join(repr(one) for one in sorted(set(self.names.values()))[:10]) or "nobody"
            raise UsageError(f"nobody called {name!r} has edited anything here by name; who has: {known}")
        return found

    def check_room(self, name: str) -> None:
        """Raises UsageError: there are too many names for a new one."""
        known = set(self.names.values())
        if name not in known and len(known) >= _MAX_NAMES:
            raise UsageError(
                f"{_MAX_NAMES:,} names have edited {self._folder.label} from this device, and {name!r} is none of them:"
                " a program is to call itself the same each time; nothing was changed"
            )

    def client(self, name: str, document: DocumentID, clocks: StateVector) -> int:
        """What somebody is to write with in a document.

        Args:
            clocks: the state vector of the document.
        """
        client = self._client.get(name)
        if client is None or clocks.get(client, 0) != self._clocks.get((document, client), 0):
            client = self._client[name] = fresh_client_id()
        return client

    def introduced(self, name: str, client: int) -> list[Statement]:
        """What is to become durable with what was just written with a client ID."""
        if client in self.names:
            return []
        self.names[client] = name
        self._folder.edits.own_claims.to_publish.add(client)
        return [tables.writer.insert(self._folder.id, client, name)]

    def wrote(self, document: DocumentID, client: int, clock: int) -> None:
        """Up to which clock something was written."""
        self._clocks[document, client] = clock

    def is_at(self, name: str, entry: EntryID, now: float) -> None:
        """Somebody has read or written a file; `now` in seconds since 1970."""
        self._let_go()
        here = self._here.pop((name, entry), None) or _Here(round(now), 0.0)
        here.last = trio.current_time()
        self._here[name, entry] = here
        while len(self._here) > _MAX_HERE:
            del self._here[next(iter(self._here))]

    def here(self) -> list[dict[str, Any]]:
        """Who is at which file, as presence tells it (`device/presence.py`)."""
        self._let_go()
        paths = self._folder.catalogue.layout().path_of
        return [
            {"path": paths[entry], "since": here.since, "name": name}
            for (name, entry), here in self._here.items()
            if entry in paths
        ]  # fmt: skip

    def _let_go(self) -> None:
        earliest = trio.current_time() - _HERE_S
        self._here = {key: here for key, here in self._here.items() if here.last > earliest}


def checked_name(name: str) -> str:
    """A name as somebody gave it. Raises UsageError: it is none."""
    if not name.strip() or name != name.strip() or len(name) > LONGEST_NAME or printable(name) != name:
        raise UsageError(
            f"{name[:LONGEST_NAME]!r} is no name: give 1 to {LONGEST_NAME} characters that can be shown, without"
            " blanks at its ends"
        )
    return name
