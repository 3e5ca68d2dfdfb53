"""Who takes part in a folder: the signed statements of this device's copy, and what follows from them.

Invariants
    * Which statements count is a function of the set (`trust/membership.py:counted`): what is too much is left out by
      everybody alike, and is no fault of whoever brought it. Only a statement that nobody can have signed is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog
import trio

from yp2p.errors import MessageFault
from yp2p.identity import DeviceID, FolderID
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.store.writer import Commit
from yp2p.trust.membership import MAX_COUNTER, Member, Role, Statement, counted, evaluate, read_statement

# A statement takes half a millisecond to check.
_SLICE = 16

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Removal:
    """A device that is no member any more, and who said so."""

    device: DeviceID
    name: str
    by: DeviceID | None


class Membership:
    """The statements of one folder. `members` follows from them."""

    def __init__(self, folder: FolderID, founder: DeviceID, database: Database) -> None:
        self._folder = folder
        self.founder = founder
        self._database = database
        self._statements: dict[bytes, Statement] = {}
        self.members: dict[DeviceID, Member] = {}
        self.on_change: Callable[[], None] = lambda: None
        self.on_removed: Callable[[Removal], None] = lambda removal: None

    def load(self) -> None:
        bodies = tables.statement.read_all(self._database.rows, self._folder)
        self._statements = counted(self.founder, self._read(bodies))
        self.members = evaluate(self.founder, self._statements.values())

    def _read(self, bodies: Iterable[bytes]) -> dict[bytes, Statement]:
        """Our own rows; one that nobody signed, or that an earlier version took and this one would not, is left out."""
        found: dict[bytes, Statement] = {}
        for body in bodies:
            try:
                found[body] = read_statement(body, self._folder)
            except MessageFault as error:
                log.warning("statement_left_out", reason=str(error), advice="another member sends it, if it counts")
        return found

    def statements(self) -> tuple[bytes, ...]:
        return tuple(sorted(self._statements))

    def next_counter(self) -> int:
        """A counter behind all others, as long as there is one: somebody may have taken the last one."""
        return min(MAX_COUNTER, 1 + max((statement.counter for statement in self._statements.values()), default=0))

    def add(self, bodies: Iterable[bytes]) -> Commit | None:
        """Take signed statements; gives the commit when there was news. Raises MessageFault for a forged one."""
        return self._take({body: read_statement(body, self._folder) for body in self._unknown(bodies)})

    async def receive(self, bodies: Iterable[bytes]) -> Commit | None:
        """`add` what a peer sent, in slices: to check a signature takes time, also of those that are not kept."""
        offered: dict[bytes, Statement] = {}
        for number, body in enumerate(self._unknown(bodies)):
            offered[body] = read_statement(body, self._folder)
            if number % _SLICE == _SLICE - 1:
                await trio.lowlevel.checkpoint()
        return self._take(offered)

    def _unknown(self, bodies: Iterable[bytes]) -> list[bytes]:
        return [body for body in bodies if body not in self._statements]

    def _take(self, offered: dict[bytes, Statement]) -> Commit | None:
        if not offered:
            return None
        before, members = self._statements, self.members
        self._statements = counted(self.founder, before | offered)
        news, gone = self._statements.keys() - before.keys(), before.keys() - self._statements.keys()
        if not news and not gone:
            return None
        self.members = evaluate(self.founder, self._statements.values())
        commit = self._database.submit(
            [
                *(tables.statement.insert(self._folder, body) for body in sorted(news)),
                *(tables.statement.delete(self._folder, body) for body in sorted(gone)),
            ]
        )
        for device in sorted(members.keys() - self.members.keys()):
            self.on_removed(Removal(device, members[device].name, self._removed_by(device)))
        self.on_change()
        return commit

    def _removed_by(self, device: DeviceID) -> DeviceID | None:
        removals = [
            statement
            for statement in self._statements.values()
            if statement.role is Role.REMOVED and statement.subject.device_id == device
        ]
        return max(removals, key=lambda removal: removal.counter).issuer.device_id if removals else None

    def digest(self) -> bytes:
        return hashlib.sha256(b"".join(hashlib.sha256(body).digest() for body in self.statements())).digest()
