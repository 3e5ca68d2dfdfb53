"""How the entries of a folder and the files on this disk stand to each other, counted as they change.

Theory of operation
    Whether an entry counts follows from where the layout has it, from whether a file of it is here, and from whether it
    is left out, not chosen, or waits for a content. Whatever changes one of these says so of that entry
    (`Folder.count`). So to ask for the counts takes as long in a folder of a hundred thousand files as in one of ten.

Invariants
    * All of its attributes are what one gets who looks at all entries (`tests/tallies.py` does).
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from yp2p.documents.layout import CONFLICT, is_conflict_name
from yp2p.identity import EntryID

_Key = TypeVar("_Key")


class Standing(NamedTuple):
    """What counts of one entry, beside its path; `is_wanted`: its file is to have another content."""

    has_file: bool
    is_ignored: bool
    is_unchosen: bool
    is_wanted: bool
    is_directory: bool


class Tally:
    """What is counted in one folder.

    Attributes:
        absent: the live entries that have no file here.
        to_come: those of them that are to have one, and those whose file is to have another content.
        not_here: the files that are not here by choice.
        leaving: the files that are not chosen, and still here.
        beside: the paths of live entries that stand beside another file, by entry.
    """

    def __init__(self) -> None:
        self.absent: set[EntryID] = set()
        self.to_come: set[EntryID] = set()
        self.not_here: set[EntryID] = set()
        self.leaving: set[EntryID] = set()
        self.beside: dict[EntryID, str] = {}

    @property
    def files_to_go(self) -> int:
        """How many entries have no file yet, or an older one."""
        return len(self.to_come)

    def note(self, entry: EntryID, path: str | None, standing: Standing) -> None:
        """How it stands with an entry now; `path` is where it belongs, None: it is no live entry."""
        has_file, is_absent = standing.has_file, path is not None and not standing.has_file
        is_left_alone = standing.is_ignored or standing.is_unchosen
        is_unchosen_file = standing.is_unchosen and not standing.is_directory
        _keep(self.absent, entry, is_absent)
        _keep(self.to_come, entry, standing.is_wanted if has_file else is_absent and not is_left_alone)
        _keep(self.not_here, entry, is_unchosen_file and not has_file)
        _keep(self.leaving, entry, is_unchosen_file and has_file)
        # Of ten thousand paths hardly one has that in it, and to see so takes a tenth of the time.
        if path is not None and CONFLICT in path and is_conflict_name(path):
            self.beside[entry] = path
        else:
            self.beside.pop(entry, None)


def _keep(entries: set[_Key], entry: _Key, is_in: bool) -> None:
    (entries.add if is_in else entries.discard)(entry)
