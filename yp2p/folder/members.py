"""Who takes part in a folder: the signed statements of this device's copy, and what follows from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from yp2p.errors import MessageFault
from yp2p.identity import DeviceID, FolderID
from yp2p.store import tables
from yp2p.store.database import Commit, Database
from yp2p.trust.membership import Member, Statement, evaluate, read_statement

# A room has dozens of devices. Without a cap one member could make every other one store and check statements forever.
MAX_STATEMENTS = 4096


class Membership:
    """The statements of one folder. `members` follows from them."""

    def __init__(self, folder: FolderID, founder: DeviceID, database: Database) -> None:
        self._folder = folder
        self.founder = founder
        self._database = database
        self._statements: dict[bytes, Statement] = {}
        self.members: dict[DeviceID, Member] = {}
        self.on_change: Callable[[], None] = lambda: None

    def load(self) -> None:
        for body in tables.statement.read_all(self._database.rows, self._folder):
            self._statements[body] = read_statement(body, self._folder)
        self.members = evaluate(self.founder, self._statements.values())

    def statements(self) -> tuple[bytes, ...]:
        return tuple(sorted(self._statements))

    def next_counter(self) -> int:
        return 1 + max((statement.counter for statement in self._statements.values()), default=0)

    def add(self, bodies: Iterable[bytes]) -> Commit | None:
        """Take signed statements; gives the commit when there was news. Raises MessageFault for a forged one."""
        news = {body: read_statement(body, self._folder) for body in bodies if body not in self._statements}
        if not news:
            return None
        if len(self._statements) + len(news) > MAX_STATEMENTS:
            raise MessageFault(f"more than {MAX_STATEMENTS} membership statements for one folder")
        self._statements.update(news)
        self.members = evaluate(self.founder, self._statements.values())
        commit = self._database.submit([tables.statement.insert(self._folder, body) for body in news])
        self.on_change()
        return commit

    def digest(self) -> bytes:
        return hashlib.sha256(b"".join(hashlib.sha256(body).digest() for body in self.statements())).digest()
