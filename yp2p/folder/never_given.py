"""Texts that nobody can give any more: their entries came, and then whoever brought them lost the right to write.

Theory of operation
    An entry and its text travel one after the other. Where the device that brought an entry is made a reader, or is
    removed, in between, its text is taken from it no more; and a reader withdraws the text, which no member has, but
    not the entry, which a member has (`withdrawing.py`). All would wait for that text for ever.

    So a member lets go of such an entry: it deletes it, and says that it has seen nothing of the text. Any other member
    that has something of the text has it beyond that, and the entry is alive there, and is here as soon as that one is
    connected. The file of whoever made it stays, as one that was added there.

    Where the text was to come in the place of a content that is here, that is the content again. Nothing like a
    deletion would make way for a text that another member has: that is done where nobody else may write.

Invariants
    * Only entries go whose text is not here, by the word of a device that may write no more.
    * No file of this device goes.
"""

from __future__ import annotations

from collections.abc import Collection, Set

import structlog

from yp2p.documents.manifest import Manifest
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Change, Deletion, Entry, index_of
from yp2p.folder.catalogue import manifest_document_id
from yp2p.folder.folder import Folder
from yp2p.folder.turns import Slice
from yp2p.identity import DeviceID, EntryID
from yp2p.protocol.entries import Kind
from yp2p.protocol.state_vectors import encode_state_vector
from yp2p.store import tables
from yp2p.trust.membership import Evaluation

log = structlog.get_logger()


class NeverGiven:
    """Lets go of the texts of one folder that nobody can give any more. `run` does the work."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    async def run(self) -> None:
        """Look whenever a device lost the right to write, or this one may write again, until cancelled."""
        folder, silenced = self._folder, frozenset[DeviceID]()
        seen: tuple[Evaluation, bool] | None = None
        while True:
            changed, before = folder.observers.uncounted.rights_changed, seen
            seen = (folder.membership.evaluation, self._may_decide())
            if seen != before:
                known, silenced = silenced, self._silenced() if self._may_decide() else frozenset[DeviceID]()
                if silenced - known:
                    await self.let_go()
            await changed.wait()

    async def let_go(self) -> int:
        """Let go of those that there are; gives how many."""
        folder, silenced = self._folder, self._silenced()
        await folder.database.pending().wait()
        lacking = self._lacking()
        changes: list[Change] = []
        for index in {index_of(entry) for entry in lacking}:
            for entry, before in (await self._brought(index, lacking, silenced)).items():
                changes += self._change(entry, before)
        # no await: what is lacked, and who may write, is as it was
        lacking = self._lacking() if self._may_decide() else set()
        changes = [change for change in changes if change.entry in lacking]
        if changes:
            commit = folder.catalogue.write(changes)
            folder.state.touch()
            log.info("texts_never_given", folder=folder.label, count=len(changes))
            await commit.wait()
        return len(changes)

    def _may_decide(self) -> bool:
        """Whether this device writes, and what is here counts."""
        return not self._folder.membership.is_reader and not self._folder.observers.uncounted.doubted

    def _silenced(self) -> frozenset[DeviceID]:
        membership = self._folder.membership
        others = membership.everybody().keys() - {self._folder.clients.device}
        return frozenset(device for device in others if not membership.takes_from(device))

    def _lacking(self) -> set[EntryID]:
        """The live entries whose text is not here."""
        catalogue = self._folder.catalogue
        named = {catalogue.entry_of.get(one) for one in catalogue.named.missing()}
        found = [catalogue.entries[entry] for entry in named if entry in catalogue.entries]
        return {entry.id for entry in found if catalogue.is_alive(entry) and not self._is_here(entry)}

    async def _brought(
        self, index: int, lacking: Collection[EntryID], silenced: Set[DeviceID]
    ) -> dict[EntryID, Entry | None]:
        """Those whose text was named by rows of silenced devices, and what each was before, as far as that is here."""
        folder, replica, slice_ = self._folder, ManifestReplica(1), Slice()
        rows = tables.log.rows(folder.database.rows, folder.id, manifest_document_id(index))
        before: dict[EntryID, Entry | None] = {}
        named_by: dict[EntryID, DeviceID] = {}
        for _, _, origin, data in rows if any(row[2] in silenced for row in rows) else ():
            replica.apply(data)
            for one, entry in Manifest.read_changed(replica, index).items():
                now = folder.catalogue.entries.get(one)
                if one not in lacking or entry is None or now is None:
                    continue
                if entry.document == now.document:
                    named_by.setdefault(one, DeviceID(origin))
                else:
                    named_by.pop(one, None)
                    before[one] = entry if self._is_here(entry) else before.get(one)
            if slice_.is_long:
                await slice_.end()
        return {one: before.get(one) for one, device in named_by.items() if device in silenced}

    def _is_here(self, entry: Entry) -> bool:
        return entry.kind is not Kind.TEXT or entry.document in self._folder.texts.digests

    def _change(self, entry: EntryID, before: Entry | None) -> list[Change]:
        """What lets go of the text of an entry that may have had another content before."""
        catalogue, now = self._folder.catalogue, self._folder.catalogue.entries[entry]
        if before is None or not catalogue.is_alive(before):
            return [Change(entry, deletion=Deletion(now.document, encode_state_vector({})))]
        if self._may_others_write():
            return []
        is_text = before.kind is Kind.TEXT
        content = before.content if is_text else before.content.after(now.content.hash, now.content.before)
        return [Change(entry, content=content)]

    def _may_others_write(self) -> bool:
        membership = self._folder.membership
        others = membership.devices.keys() - {self._folder.clients.device}
        return any(membership.takes_from(device) for device in others)
