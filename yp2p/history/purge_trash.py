"""Whose the items of the trash were, for `yp2p purge`.

Theory of operation
    Nothing in the trash says of which file an item was: it has the path that the file had. A path can have been that of
    several files one after the other, and who can write into a folder can give each file any name and any content. So a
    former name alone says nothing. An item was of a file that is meant where the manifest's log says that this file had
    its path when it came into the trash, by the time at which this device heard of that, and of no other file that it
    had that path ever.

    What a person here names means the items at that path as well, and, at a path of no other file, those that hold what
    a version held. What another device asks for means neither: in doubt the item stays, and people are told so.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from yp2p.files import trash
from yp2p.files.trash import Item
from yp2p.folder.folder import Folder
from yp2p.history.entry_changes import all_changes
from yp2p.history.purge_scope import Scope
from yp2p.history.trash import on_root


@dataclass(frozen=True, slots=True)
class Trash:
    """What is in the trash, and whose it was.

    Attributes:
        others: the paths of items that other entries have or had.
        since: the paths that entries which are meant have or had, with when this device heard that first (seconds since
            1970).
    """

    items: Sequence[Item] = ()
    others: Set[str] = frozenset()
    since: Mapping[str, float] = field(default_factory=dict)

    def is_theirs(self, scope: Scope, item: Item) -> bool:
        """Whether an item was of what is meant, by its path and the time at which it came."""
        if scope.is_named(item.path):
            return True
        if item.path in self.others or item.path not in self.since or not scope.is_of_then(item.removed_at):
            return False
        return item.removed_at >= time.strftime("%Y-%m-%dT%H%M%S", time.gmtime(self.since[item.path]))

    def is_by_content(self, scope: Scope, item: Item) -> bool:
        """Whether an item goes where it holds what a version held."""
        return scope.asked_at is None and (item.path not in self.others or item.path in scope.names)


async def look_up(folder: Folder, scope: Scope) -> Trash:
    """What is in the trash now. Raises FolderError: the root cannot be used."""
    items: list[Item] = await on_root(folder, trash.items)
    paths = {item.path for item in items if not scope.is_named(item.path)}
    if not paths:
        return Trash(items)
    since: dict[str, float] = {}
    at_hand = folder.catalogue.layout().path_of.items()
    others = {path for entry, path in at_hand if path in paths and entry not in scope.entries}
    for change in await all_changes(folder, lambda entry: entry.path in paths):
        for entry in (change.before, change.entry):
            if entry is None or entry.path not in paths:
                continue
            if entry.id not in scope.entries:
                others.add(entry.path)
            else:
                since[entry.path] = min(change.at, since.get(entry.path, change.at))
    return Trash(items, others, since)
