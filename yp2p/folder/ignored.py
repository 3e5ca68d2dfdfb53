"""What this device ignores in one folder: by which rules, which entries, and what a person has to know of the rules."""

from __future__ import annotations

from dataclasses import dataclass, field

from yp2p.files.ignore import IgnoreRules
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind


@dataclass(slots=True)
class Ignored:
    """The rules in force and what they cover; `in` asks for an entry.

    Attributes:
        entries: exactly the live entries at paths that the rules ignore.
        waiting: what others loosened of the rules; people here have to agree. Empty: nothing.
        problem: why the file with the rules is not used. Empty: it is.
    """

    rules: IgnoreRules = field(default_factory=IgnoreRules)
    entries: set[EntryID] = field(default_factory=set)
    waiting: str = ""
    problem: str = ""

    def __contains__(self, entry: EntryID) -> bool:
        return entry in self.entries

    def covers(self, path: str, kind: Kind) -> bool:
        """Whether this device ignores what is at a path."""
        return self.rules.ignores(path, directory=kind is Kind.DIRECTORY)
