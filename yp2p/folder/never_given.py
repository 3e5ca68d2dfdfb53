"""Contents that nobody can give any more: their entries came, and then whoever brought them lost the right to write.

Theory of operation
    An entry and its content travel one after the other. Where the device that brought an entry is made a reader, or is
    removed, in between, its text is taken from it no more; and a reader withdraws the text, which no member has, but
    not the entry, which a member has (`withdrawing.py`). A blob is taken from a reader as well, but its person may have
    overwritten or removed it, which nobody hears of. All would wait for that content for ever.

    So a member lets go of such an entry: it deletes it, and says that it has seen nothing of the text. Any other member
    that has something of the text has it beyond that, and the entry is alive there, and is here as soon as that one is
    connected. The file of whoever made it stays, as one that was added there.

    A deletion of a blob is beaten by nobody. So of a blob is let go only when every other device of the folder is
    connected, has said that it has not got it (`peers/blob_exchange.py`), and it is not in the trash here either.

    Where the content was to come in the place of another one, that is the content again. Nothing like a deletion would
    make way for a text that another member has: of a text that is done where nobody else may write. A former blob need
    not be here: it is asked for like any other. Where nobody has that one either, it is let go of in its turn, and so
    on, always for an older one. Where this device does not know what all the former ones were, it leaves it to another
    one, or to people: somebody may have a file with one of them.

Invariants
    * Only entries go whose content is not here, by the word of a device that may write no more.
    * No file of this device goes.
"""

from __future__ import annotations

from collections.abc import Collection, Set
from dataclasses import dataclass

import structlog

from yp2p.documents.manifest import Manifest
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Change, Deletion, Entry, index_of
from yp2p.folder.catalogue import manifest_document_id
from yp2p.folder.folder import Folder
from yp2p.folder.turns import Slice, any_of
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.protocol.entries import BEFORE_BYTES, Kind
from yp2p.protocol.state_vectors import encode_state_vector
from yp2p.store import tables
from yp2p.trust.membership import Evaluation

log = structlog.get_logger()


@dataclass(slots=True)
class _Version:
    """A content that an entry had: which device named it first, and the entry when it had it last."""

    named_by: DeviceID
    entry: Entry


class NeverGiven:
    """Lets go of the contents of one folder that nobody can give any more. `run` does the work."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._looked_at: set[tuple[EntryID, DocumentID]] = set()  # blobs that are nowhere, and were decided on

    async def run(self) -> None:
        """Look whenever a device lost the right to write, this one may write again, or a blob is found to be nowhere,
        until cancelled."""
        folder, silenced = self._folder, frozenset[DeviceID]()
        seen: tuple[Evaluation, bool] | None = None
        while True:
            changed, before = [folder.observers.uncounted.rights_changed, folder.state.changed], seen
            seen = (folder.membership.evaluation, self._may_decide())
            if seen != before:
                known, silenced = silenced, self._silenced() if self._may_decide() else frozenset[DeviceID]()
                if silenced - known:
                    await self.let_go()
            if silenced and not self._blobs_nowhere() <= self._looked_at:
                await self.let_go()
            await any_of(changed if silenced else changed[:1])

    async def let_go(self) -> int:
        """Let go of those that there are; gives how many."""
        folder, silenced = self._folder, self._silenced()
        await folder.database.pending().wait()
        lacking, nowhere = self._lacking(), self._blobs_nowhere()
        changes: list[tuple[DocumentID, Change]] = []
        for index in {index_of(entry) for entry in lacking}:
            for entry, versions in (await self._versions(index, lacking)).items():
                changes += self._change(entry, versions, silenced)
        self._looked_at = nowhere
        # no await: what is lacked, and who may write, is as it was
        lacking = self._lacking() if self._may_decide() else {}
        wanted = [change for version, change in changes if lacking.get(change.entry) == version]
        if wanted:
            commit = folder.catalogue.take_back(wanted)
            folder.state.touch()
            log.info("contents_never_given", folder=folder.label, count=len(wanted))
            await commit.wait()
        return len(wanted)

    def _may_decide(self) -> bool:
        """Whether this device writes, and what is here counts."""
        return not self._folder.membership.is_reader and not self._folder.observers.uncounted.doubted

    def _silenced(self) -> frozenset[DeviceID]:
        membership = self._folder.membership
        others = membership.everybody().keys() - {self._folder.clients.device}
        return frozenset(device for device in others if not membership.takes_from(device))

    def _lacking(self) -> dict[EntryID, DocumentID]:
        """The live entries whose text is not here, or whose blob is nowhere, and which text or version that is."""
        catalogue = self._folder.catalogue
        named = {catalogue.entry_of.get(one) for one in catalogue.named.missing()}
        found = [catalogue.entries[entry] for entry in named if entry in catalogue.entries]
        texts = {entry.id: entry.document for entry in found if catalogue.is_alive(entry) and not self._is_here(entry)}
        return texts | dict(self._blobs_nowhere())

    def _blobs_nowhere(self) -> set[tuple[EntryID, DocumentID]]:
        """The entries whose blob no device of the folder has, by what each says; and which version that is."""
        folder, blobs = self._folder, self._folder.files.blobs
        others = folder.membership.devices.keys() - {folder.clients.device}
        lacking = blobs.given_by_none(others) if others else {content.hash for content in blobs.wanted.values()}
        nowhere = lacking & blobs.searched - blobs.downloaded.keys() - blobs.fetching - blobs.installing
        entries = folder.catalogue.entries
        return {
            (entry, entries[entry].document)
            for entry in blobs.who_wants(nowhere)
            if entry in entries and entries[entry].content.hash in nowhere and folder.catalogue.is_alive(entries[entry])
        }

    async def _versions(self, index: int, lacking: Collection[EntryID]) -> dict[EntryID, dict[bytes, _Version]]:
        """What these had in turn, as far as the log tells, by hash or document: what was named first comes first."""
        folder, replica, slice_ = self._folder, ManifestReplica(1), Slice()
        versions: dict[EntryID, dict[bytes, _Version]] = {}
        for _, _, origin, data in tables.log.rows(folder.database.rows, folder.id, manifest_document_id(index)):
            replica.apply(data)
            for one, entry in Manifest.read_changed(replica, index).items():
                if one in lacking and entry is not None:
                    first = versions.setdefault(one, {}).setdefault(_key(entry), _Version(DeviceID(origin), entry))
                    first.entry = entry
            if slice_.is_long:
                await slice_.end()
        return versions

    def _is_here(self, entry: Entry) -> bool:
        return entry.kind is not Kind.TEXT or entry.document in self._folder.texts.digests

    def _change(
        self, entry: EntryID, versions: dict[bytes, _Version], silenced: Set[DeviceID]
    ) -> list[tuple[DocumentID, Change]]:
        """What lets go of the content of an entry that may have had another one before; and of which."""
        folder, now = self._folder, self._folder.catalogue.entries[entry]
        found = versions.get(_key(now))
        if found is None or found.named_by not in silenced:
            return []
        older = list(versions)[: list(versions).index(_key(now))]
        before = next((versions[key].entry for key in reversed(older) if self._is_here(versions[key].entry)), None)
        if before is None and (_has_others(now, versions) or entry in folder.files):
            return []
        if before is None or not folder.catalogue.is_alive(before):
            return [(now.document, Change(entry, deletion=Deletion(now.document, encode_state_vector({}))))]
        if now.kind is Kind.TEXT and self._may_others_write():
            return []
        is_text = before.kind is Kind.TEXT
        content = before.content if is_text else before.content.after(now.content.hash, now.content.before)
        return [(now.document, Change(entry, content=content))]

    def _may_others_write(self) -> bool:
        membership = self._folder.membership
        others = membership.devices.keys() - {self._folder.clients.device}
        return any(membership.takes_from(device) for device in others)


def _key(entry: Entry) -> bytes:
    """What tells a content from others that an entry had: a content that comes back is the same one here."""
    return entry.document if entry.kind is Kind.TEXT else entry.content.hash


def _has_others(now: Entry, versions: Collection[bytes]) -> bool:
    """Whether an entry had contents that this device does not know."""
    known = {key[:BEFORE_BYTES] for key in versions}
    return any(before not in known for before in now.content.before)
