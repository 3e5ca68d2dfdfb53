"""The manifest: which entries a folder has, in 64 documents.

An entry is what its registers say (`registers.py`): its path, its content, whether it is deleted.

By a claim a device says that it writes with a client ID. One that it signed is never undone by what somebody writes in
its place: whoever knows the claim writes it again (`folder/catalogue.py`).

An edit beats a delete (invariant 7): a delete names the state vector that its author saw, and counts only while
the document is contained in it. Removing text does not move a state vector and so does not revive. What is no text has
no document: its delete names the version, and counts while that is the content.

Of two deletes that were made at the same time the register keeps one, and it may be that of the device that had seen
less. No delete undoes another one: a device that knew one that counted, and sees another in its place, writes both as
one (`folder/catalogue.py`).

Documents that nobody uses rest (`manifest_replica.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import (
    Bookmark,
    Change,
    Claim,
    Entry,
    client_and_owner,
    entry_of,
    entry_of_bookmark,
    index_of,
    is_bookmark,
    read_entry,
)
from yp2p.identity import EntryID
from yp2p.protocol.messages import MANIFEST_DOCUMENTS
from yp2p.protocol.ysync import Checked, Shape, check

# Of a text with more a peer could fill the memory of every member.
MAX_BOOKMARKS = 256


class Manifest:
    """All entries of a folder, kept in step with the 64 documents.

    Args:
        stored: gives all updates that a document was made of, by its number.
    """

    def __init__(self, client_id: int, stored: Callable[[int], Iterable[bytes]] = lambda _: ()) -> None:
        self._stored = stored
        self.replicas = [ManifestReplica(client_id, partial(stored, index)) for index in range(MANIFEST_DOCUMENTS)]
        self.entries: dict[EntryID, Entry] = {}
        self.claims: dict[int, dict[bytes, bytes]] = {}  # by client ID: signatures by owner, which nobody checked
        self._replaced: list[tuple[Claim, bytes | None]] = []
        self.bookmarks: dict[EntryID, dict[str, Bookmark]] = {}  # by their key
        self._digest: tuple[tuple[int, ...], bytes] = ((), b"")

    def load(self, index: int, updates: Iterable[bytes]) -> None:
        self.replicas[index].load(updates)
        self._refresh(index)

    def reload(self, index: int, updates: Iterable[bytes], client_id: int | None = None) -> set[EntryID]:
        """Make one document anew from its updates; gives all entries it may hold.

        Args:
            client_id: what it is written with from now on, where that is another one.
        """
        client_id = self.replicas[index].client_id if client_id is None else client_id
        self.replicas[index] = ManifestReplica(client_id, partial(self._stored, index))
        before = {entry for entry in self.entries if index_of(entry) == index}
        for client in [client for client in self.claims if client % MANIFEST_DOCUMENTS == index]:
            del self.claims[client]
        for entry in before & self.bookmarks.keys():
            del self.bookmarks[entry]
        self.replicas[index].load(updates)
        touched = before | self._refresh(index)
        for entry in before:
            self.entries.pop(entry, None)
        self.entries |= self._parse(self.replicas[index], before)
        return touched

    def rest(self) -> bool:
        """Let go of the documents that nobody used since the last time; tells whether there were any.

        All they hold has to be stored.
        """
        return sum(replica.rest() for replica in self.replicas) > 0

    def receive(self, index: int, data: bytes) -> tuple[bytes | None, set[EntryID]]:
        """`check` a peer's update, and `take` it."""
        return self.take(index, check(data, Shape.MANIFEST))

    def take(self, index: int, update: Checked) -> tuple[bytes | None, set[EntryID]]:
        """Apply a peer's update to one document: what was news, and the entries it touched."""
        news = self.replicas[index].take(update)
        return news, self._refresh(index)

    def write_as(self, index: int, client_id: int) -> None:
        """Write into one document with another client ID from now on."""
        state = self.replicas[index].state()
        self.replicas[index] = ManifestReplica(client_id, partial(self._stored, index))
        self.replicas[index].load([state])
        self._refresh(index)

    def write(
        self, changes: Iterable[Change | Claim | Bookmark], client_id: int | None = None
    ) -> dict[int, bytes]:  # fmt: skip
        """Write registers, one transaction a document; gives the updates by document number.

        Args:
            client_id: what to write with, where that is another ID than ours: one that is nowhere in the documents.
        """
        values: dict[int, dict[str, bytes]] = {}
        for change in changes:
            values.setdefault(change.index, {}).update(change.registers())
        updates: dict[int, bytes] = {}
        for index, registers in values.items():
            update = self._written(self.replicas[index], registers, client_id)
            if update is not None:
                updates[index] = update
            self._refresh(index)
        return updates

    @staticmethod
    def _written(replica: ManifestReplica, registers: Mapping[str, bytes], client_id: int | None) -> bytes | None:
        if client_id is None:
            return replica.write(registers)
        fork = ManifestReplica(client_id)
        fork.load([replica.state()])
        made = fork.write(registers)
        return replica.apply(made) if made is not None else None

    def versions(self) -> tuple[bytes, ...]:
        return tuple(replica.version() for replica in self.replicas)

    def digest(self, at: tuple[int, ...]) -> bytes:
        """The hash of everything that the documents say; `at` is another one whenever one of them has changed."""
        if self._digest[0] != at:
            self._digest = at, hashlib.sha256(b"".join(self.versions())).digest()
        return self._digest[1]

    def _refresh(self, index: int) -> set[EntryID]:
        touched: set[EntryID] = set()
        for key in self.replicas[index].take_changed_keys():
            entry = entry_of(key)
            if entry is not None:  # as almost all are
                if index_of(entry) == index:
                    touched.add(entry)
            elif (claimed := client_and_owner(key)) is not None:
                self._refresh_claim(index, key, *claimed)
            elif is_bookmark(key):
                self._refresh_bookmark(index, key)
        parsed = self._parse(self.replicas[index], touched)
        for entry in touched - parsed.keys():
            self.entries.pop(entry, None)
        self.entries |= parsed
        return touched

    def _refresh_claim(self, index: int, key: str, client: int, owner: bytes) -> None:
        if client % MANIFEST_DOCUMENTS != index:
            return
        found, known = self.replicas[index].claim_signature(key), self.claims.get(client, {}).get(owner)
        if known is not None and found != known:
            self._replaced.append((Claim(client, owner, known), found))
        elif found is not None:
            self.claims.setdefault(client, {})[owner] = found

    def take_replaced_claims(self) -> list[tuple[Claim, bytes | None]]:
        """The known claims in whose place something else stands since the last call; None: nothing that is one."""
        replaced, self._replaced = self._replaced, []
        return replaced

    def take_claim(self, known: Claim, found: Claim | None) -> None:
        """What stands in the place of a known claim is to be known instead."""
        owners = self.claims.setdefault(known.client, {})
        owners.pop(known.owner, None)
        if found is not None:
            owners[found.owner] = found.signature

    @staticmethod
    def claims_in(replica: ManifestReplica) -> list[Claim]:
        """The claims of a document, another one than ours, that came since this was asked last."""
        found: list[Claim] = []
        for key in replica.take_changed_keys():
            claimed = client_and_owner(key)
            signature = replica.claim_signature(key) if claimed is not None else None
            if claimed is not None and signature is not None:
                found.append(Claim(*claimed, signature))
        return found

    def _refresh_bookmark(self, index: int, key: str) -> None:
        entry = entry_of_bookmark(key)
        if index_of(entry) != index:
            return
        found, known = self.replicas[index].bookmark(key), self.bookmarks.get(entry, {})
        if found is None:
            known.pop(key, None)
        elif len(known) < MAX_BOOKMARKS or key in known:
            self.bookmarks.setdefault(entry, {})[key] = found

    @classmethod
    def read(cls, replica: ManifestReplica, index: int) -> list[Entry]:
        """The entries that changed in a document, another one than ours, since this was asked last."""
        return [entry for entry in cls.read_changed(replica, index).values() if entry is not None]

    @classmethod
    def read_changed(cls, replica: ManifestReplica, index: int) -> dict[EntryID, Entry | None]:
        """The same, and None for those that cannot be read."""
        entries = {entry_of(key) for key in replica.take_changed_keys()}
        mine = {entry for entry in entries if entry is not None and index_of(entry) == index}
        return {**dict.fromkeys(mine), **cls._parse(replica, mine)}

    @classmethod
    def _parse(cls, replica: ManifestReplica, entries: Iterable[EntryID]) -> dict[EntryID, Entry]:
        """The entries that can be read."""
        read = {entry: read_entry(entry, values) for entry, values in replica.registers(entries).items()}
        return {entry: found for entry, found in read.items() if found is not None}
