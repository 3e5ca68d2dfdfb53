"""A grammar of all messages that a member can send: each with fields that fit the folder, and some that do not.

A member knows everything that is in the folder, so what is sent here is made of it: entries, documents and their
states, hashes, devices. `OFF` names what is left out, with the reason.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fuzz.mutate import built, mutated

from yp2p.documents.diff import Hunk
from yp2p.documents.manifest import Manifest
from yp2p.documents.positions import Position
from yp2p.documents.registers import Bookmark, Change, Claim, Deletion, index_of
from yp2p.documents.text import TextReplica
from yp2p.folder.catalogue import manifest_document_id
from yp2p.folder.folder import Folder
from yp2p.folder.records import load_log
from yp2p.identity import ID_BYTES, DeviceID, DocumentID, EntryID, FolderID, Identity
from yp2p.pairing.exchange import Listed, encode_listing
from yp2p.peers.presence import AWARENESS_CHANNEL
from yp2p.protocol import awareness, channel, messages
from yp2p.protocol.blobs import SAMPLE_ENTRY_BYTES
from yp2p.protocol.entries import Content, Kind, Mode
from yp2p.protocol.messages import MANIFEST_DOCUMENTS, Message
from yp2p.protocol.reconcile import BRANCH_HASH_BYTES, BRANCHES, BUCKETS, HASH_BYTES, Leaf
from yp2p.trust.purges import REQUEST_BYTES, Outcome, Seen, make_answer, make_request
from yp2p.trust.statements import Role, Signer, StatementHash

OFF = {
    "removals": "any member removes any other one but the founder: roles and removal are not final",
}
_PATHS = ("a.txt", "b.txt", "notes/c.md", "deep", "deep/er", "notes", "evil/x.txt", "A.TXT", "é/😀.txt", ".yp2pignore")
_BAD_PATHS = (b"../up", b"/abs", b".git/hooks/x", b"a//b", b"a/./b", b"x\x00y", b".yp2p/marker", b"", b"n" * 300)
_STATES: tuple[dict[str, Any] | None, ...] = (
    None, {"user": {"name": "\x1b[2J"}}, {"\ud800": 1}, {"a": [{"b": [1, 2, {}]}]}, {"files": ["../x"] * 9},
)  # fmt: skip
_NUMBERS = (0, 1, 2, 255, 65535, (1 << 31) - 1, (1 << 32) - 1)


@dataclass(frozen=True, slots=True)
class Grammar:
    """Messages of one member about one folder; `folder` is any device's view of it."""

    rng: random.Random
    identity: Identity
    folder: Folder
    client: int

    def message(self) -> Message:
        """Any of them. Few are goodbyes, or nothing would be said."""
        rng = self.rng
        kind = rng.choice([kind for kind in PRODUCTIONS if kind is not messages.Goodbye or rng.random() < 0.1])
        return PRODUCTIONS[kind](self)

    # --- what they are made of ----------------------------------------------------------------------------------

    def _entry(self) -> EntryID:
        known = sorted(self.folder.catalogue.entries)
        return self.rng.choice(known) if known and self.rng.random() < 0.9 else EntryID(self.rng.randbytes(16))

    def _document(self) -> DocumentID:
        known = sorted(self.folder.catalogue.entry_of)
        return self.rng.choice(known) if known and self.rng.random() < 0.9 else DocumentID(self.rng.randbytes(16))

    def _hash(self) -> bytes:
        known = [record.content for _, record in sorted(self.folder.files.items())]
        return self.rng.choice(known) if known and self.rng.random() < 0.7 else self.rng.randbytes(HASH_BYTES)

    def _devices(self) -> tuple[DeviceID, ...]:
        known = sorted(self.folder.membership.members)
        strangers = [DeviceID(self.rng.randbytes(32)) for _ in range(self.rng.randrange(3))]
        return tuple(self.rng.sample(known, self.rng.randint(0, len(known))) + strangers)

    def _number(self) -> int:
        return self.rng.choice(_NUMBERS)

    def _leaves(self) -> tuple[tuple[EntryID, Leaf], ...]:
        rng = self.rng
        tree = self.folder.leaves.tree()
        own = [item for bucket in range(BUCKETS) for item in tree.leaves(bucket).items()]
        made = [(self._entry(), Leaf(self._document(), self._hash(), self._hash())) for _ in range(rng.randrange(3))]
        return tuple(rng.sample(own, rng.randint(0, len(own))) + made)

    def _state(self, document: DocumentID) -> list[bytes]:
        return [data for _, data in load_log(self.folder.database, self.folder.id, document)]

    # --- the state of a folder ----------------------------------------------------------------------------------

    def hello(self) -> Message:
        return messages.Hello((1,), self.rng.randbytes(16), "\x1b[2Jmallory", self._number(), "x y")

    def goodbye(self) -> Message:
        return messages.Goodbye("no reason \x1b[31m")

    def folder_state(self) -> Message:
        digests = [self.rng.choice((self.rng.randbytes(32), self._hash())) for _ in range(3)]
        settled = self.rng.random() < 0.5
        return messages.FolderState(self.folder.id, *digests, settled, self._number(), self._number())

    def folder_condition(self) -> Message:
        waiting = tuple(self._entry() for _ in range(self.rng.randrange(4)))
        return messages.FolderCondition(self.folder.id, self.rng.choice(list(messages.Condition)), waiting)

    def folder_links(self) -> Message:
        return messages.FolderLinks(self.folder.id, self._devices())

    def membership(self) -> Message:
        """Statements about itself, and about devices that it introduces."""
        rng, folder = self.rng, self.folder
        stated = []
        for _ in range(rng.randrange(4)):
            subject = self.identity if rng.random() < 0.6 else Identity(rng.randbytes(32))
            signer = Signer(self.identity, folder.id)
            known = [StatementHash(hashlib.sha256(body).digest()) for body in folder.membership.statements()]
            previous = rng.sample(known, min(len(known), rng.randrange(4)))
            previous = [*previous, StatementHash(rng.randbytes(HASH_BYTES))] if rng.random() < 0.1 else previous
            role = rng.choice((Role.MEMBER, Role.READER, Role.ADMINISTRATOR))
            name = rng.choice(("m", "\x1b]0;x\x07", "é" * 100))
            made = rng.choice(
                (
                    signer.grant(previous, subject.public, role, name),
                    signer.remove(previous, subject.public, rng.choice((Role.REMOVED, Role.MEMBER))),
                    signer.acknowledge(previous),
                )
            )
            stated.append(made.encode())
        return messages.Membership(folder.id, (*folder.membership.statements(), *stated))

    # --- comparing ----------------------------------------------------------------------------------------------

    def manifest_query(self) -> Message:
        return messages.ManifestQuery(self.folder.id)

    def manifest_versions(self) -> Message:
        versions = list(self.folder.catalogue.manifest.versions())
        for index in self.rng.sample(range(MANIFEST_DOCUMENTS), self.rng.randrange(5)):
            versions[index] = self.rng.randbytes(HASH_BYTES)
        return messages.ManifestVersions(self.folder.id, tuple(versions))

    def tree_query(self) -> Message:
        return messages.TreeQuery(self.folder.id)

    def tree_buckets(self) -> Message:
        return messages.TreeBuckets(self.folder.id, tuple(self.rng.randbytes(HASH_BYTES) for _ in range(BUCKETS)))

    def leaves_query(self) -> Message:
        buckets = self.rng.sample(range(BUCKETS), self.rng.choice((1, 3, BUCKETS)))
        size = BRANCHES * BRANCH_HASH_BYTES
        return messages.LeavesQuery(self.folder.id, tuple((bucket, self.rng.randbytes(size)) for bucket in buckets))

    def leaves(self) -> Message:
        branches = [(self.rng.randrange(BUCKETS), self.rng.getrandbits(64)) for _ in range(self.rng.randrange(4))]
        return messages.Leaves(self.folder.id, self._leaves(), self.rng.random() < 0.5, tuple(branches))

    def pull(self) -> Message:
        return messages.Pull(self.folder.id, tuple(self._document() for _ in range(self.rng.choice((1, 5, 1024)))))

    def counted_query(self) -> Message:
        device = self.rng.choice(sorted(self.folder.membership.members))
        return messages.CountedQuery(self.folder.id, device, tuple(self._document() for _ in range(5)))

    def documents(self) -> Message:
        wanted = [self._document() for _ in range(self.rng.randrange(4))]
        return messages.Documents(self.folder.id, tuple((document, self._update(document)) for document in wanted))

    def ack(self) -> Message:
        return messages.Ack(self.folder.id, self._leaves())

    def keep_query(self) -> Message:
        return messages.KeepQuery(self.folder.id, self._number(), self._leaves())

    def keeping(self) -> Message:
        return messages.Keeping(
            self.folder.id, self._number(), tuple(self._entry() for _ in range(self.rng.randrange(4)))
        )

    def purge_news(self) -> Message:
        """Requests and answers that are signed by this member, by nobody, or of another folder."""
        entries = {self._entry(): Seen(self.rng.random() < 0.7, self.rng.randbytes(self.rng.randrange(40)))}
        identity = self.rng.choice((self.identity, Identity(self.rng.randbytes(32))))
        folder = self.folder.id if self.rng.random() < 0.9 else FolderID(self.rng.randbytes(ID_BYTES))
        request = make_request(identity, folder, self.rng.randbytes(REQUEST_BYTES), entries)
        known = [asked.request.id for asked in self.folder.observers.purges]
        answer = make_answer(
            identity, folder, self.rng.choice([request.id, *known]), self.rng.choice(list(Outcome))
        )  # fmt: skip
        bodies = [
            mutated(self.rng, [body]) if self.rng.random() < 0.2 else body for body in (request.body, answer.body)
        ]
        return messages.PurgeNews(self.folder.id, (bodies[0],), (bodies[1],))

    def link_check(self) -> Message:
        return messages.LinkCheck(self._number(), self.rng.random() < 0.5)

    def link_checked(self) -> Message:
        reached = self.rng.choice(list(messages.Reached))
        return messages.LinkChecked(self._number(), self.rng.getrandbits(40), reached, self.rng.random() < 0.5)

    # --- blobs --------------------------------------------------------------------------------------------------

    def chunk_hashes_query(self) -> Message:
        return messages.ChunkHashesQuery(self.folder.id, self._hash())

    def chunk_hashes(self) -> Message:
        hashes = self.rng.randbytes(HASH_BYTES * self.rng.randrange(4))
        return messages.ChunkHashes(self.folder.id, self._hash(), hashes)

    def fetch(self) -> Message:
        wanted = tuple(
            (self._hash(), self.rng.randrange(3), self.rng.randint(0, 8)) for _ in range(self.rng.randrange(9))
        )
        return messages.Fetch(self.folder.id, wanted)

    def chunks(self) -> Message:
        contents = [self.rng.randbytes(self.rng.choice((0, 10, 70_000))) for _ in range(self.rng.randrange(4))]
        chunks = tuple((self._hash(), self.rng.randrange(3), content) for content in contents)
        return messages.Chunks(self.folder.id, chunks)

    def samples_query(self) -> Message:
        return messages.SamplesQuery(self.folder.id, self._hash())

    def samples(self) -> Message:
        samples = self.rng.randbytes(SAMPLE_ENTRY_BYTES * self.rng.randrange(4))
        return messages.Samples(self.folder.id, self._hash(), samples)

    # --- documents ----------------------------------------------------------------------------------------------

    def channel_data(self) -> Message:
        rng = self.rng
        if rng.random() < 0.15:
            data = channel.encode(channel.AwarenessUpdate(self._presence()))
            return messages.ChannelData(self.folder.id, AWARENESS_CHANNEL, data)
        document = self._document() if rng.random() < 0.5 else manifest_document_id(rng.randrange(MANIFEST_DOCUMENTS))
        update = self._update(document)
        payload: channel.ProviderMessage = rng.choice(
            (
                channel.Step1(rng.choice((b"\x00", rng.randbytes(9)))),
                channel.Step2(update),
                channel.Updates((update,)),
                channel.Updates((update, self._update(document))),
                channel.Answer((update,)),
                channel.Have(b"\x00"),
            )
        )
        return messages.ChannelData(self.folder.id, document, channel.encode(payload))

    def channel_close(self) -> Message:
        return messages.ChannelClose(self.folder.id, self._document())

    def _update(self, document: DocumentID) -> bytes:
        """What a member may write, or what is nearly that."""
        rng = self.rng
        state = self._state(document)
        if rng.random() < 0.1:
            root = b"\x07entries" if document.startswith(b"yp2p-manifest") else b"\x06source"
            return mutated(rng, state) if state and rng.random() < 0.5 else built(rng, root, {})
        if document.startswith(b"yp2p-manifest"):
            return self._registers()
        replica = TextReplica.from_updates(self.client, state)
        others = sorted(replica.clocks())
        if others and rng.random() < 0.15:  # in the name of another device
            replica = TextReplica.from_updates(rng.choice(others), state)
        text = replica.text()
        at = rng.randint(0, len(text))
        hunk = rng.choice((Hunk(at, at, "evil\n"), Hunk(0, len(text), ""), Hunk(at, min(len(text), at + 3), "")))
        return replica.edit([hunk]) or b"\x00\x00"

    def _registers(self) -> bytes:
        """What a member may write to the manifest: also what is nonsense there."""
        rng, entry = self.rng, self._entry()
        manifest = Manifest(self.client)
        index = index_of(entry)
        manifest.load(index, self._state(manifest_document_id(index)))
        found = manifest.entries.get(entry)
        document = found.document if found is not None else self._document()
        clocks = TextReplica.from_updates(1, self._state(document)).state_vector()
        changes: Sequence[Change | Claim | Bookmark] = (
            Change(entry, path=rng.choice(_PATHS)),
            Change(entry, deletion=Deletion(document, clocks)),
            Change(entry, deletion=Deletion(self._document(), b"\x00")),
            Change(entry, revive=True),
            Change(entry, mode=Mode(rng.randrange(4))),
            Change(EntryID(rng.randbytes(16)), rng.choice(_PATHS), Content.text(self._document(), Mode.PLAIN)),
            Change(entry, content=Content.symlink(rng.choice((b"../../etc/passwd", b"a.txt", b"/dev/zero")))),
            Change(entry, content=Content.directory()),
            Change(entry, origin=rng.choice(("desk-2026-11-29", "../x-2026-11-29", "\u202e-2026-11-29", "x" * 200))),
            Change(entry, content=Content.blob(self._hash(), 3, Mode.PLAIN, 0)),
            Claim(
                rng.getrandbits(32), rng.choice(self._devices() or (self.identity.device_id,))[:8], rng.randbytes(64)
            ),
            Bookmark(entry, "b", Position(1, 0, 0)),
        )
        if rng.random() < 0.8:
            updates = manifest.write([rng.choice(changes)])
            return next(iter(updates.values()), b"\x00\x00")
        values = {entry.hex() + rng.choice("pcmdn"): rng.choice((b"\x01" + rng.choice(_BAD_PATHS), rng.randbytes(20)))}
        return manifest.replicas[index].write(values) or b"\x00\x00"

    def _presence(self) -> bytes:
        states = [(self.rng.getrandbits(32), self.rng.choice(_STATES)) for _ in range(self.rng.randrange(5))]
        return awareness.encode([awareness.Presence(client, self._number(), state) for client, state in states])

    def both_changed(self) -> Message:
        rng, folder, entry = self.rng, self.folder, self._entry()
        sides = [messages.Side("a\x1b[31m\n", self._devices()[:60], rng.choice((0, 10**14))) for _ in range(2)]
        settled = rng.random() < 0.5
        return messages.BothChanged(folder.id, entry, settled, self._number(), "s\n", "", "b\n", (sides[0], sides[1]))

    # --- folders that are offered -------------------------------------------------------------------------------

    def _offer_id(self) -> bytes:
        return self.rng.choice((bytes(16), self.rng.randbytes(16)))

    def _folder(self) -> FolderID:
        return self.rng.choice((self.folder.id, FolderID(bytes(16)), FolderID(self.rng.randbytes(16))))

    def folder_offers(self) -> Message:
        rng = self.rng
        labels = ("music", "\x1b]0;x\x07", "é" * 400, "", "\u202e")
        return messages.FolderOffers(
            tuple(
                messages.Offer(
                    self._offer_id(), self._folder(), DeviceID(rng.randbytes(32)), rng.randint(1, 3), rng.choice(labels)
                )
                for _ in range(rng.choice((0, 1, 2, messages.MAX_OFFERS)))
            )
        )

    def offer_reply(self) -> Message:
        return messages.OfferReply(self._offer_id(), self._folder(), self.rng.choice(list(messages.Reply)))

    def offer_granted(self) -> Message:
        statements = self.rng.choice((self.folder.membership.statements()[: messages.STATEMENTS_OF_PART], ()))
        return messages.OfferGranted(self._offer_id(), self.rng.random() < 0.5, statements)

    def offer_listing(self) -> Message:
        entries = [] if self.rng.random() < 0.5 else [Listed("../up", Kind.TEXT, self._hash(), self._number())]
        return messages.OfferListing(self._offer_id(), encode_listing(entries))


PRODUCTIONS: dict[type[Message], Callable[[Grammar], Message]] = {
    messages.Hello: Grammar.hello,
    messages.Goodbye: Grammar.goodbye,
    messages.FolderState: Grammar.folder_state,
    messages.FolderCondition: Grammar.folder_condition,
    messages.FolderLinks: Grammar.folder_links,
    messages.Membership: Grammar.membership,
    messages.ManifestQuery: Grammar.manifest_query,
    messages.ManifestVersions: Grammar.manifest_versions,
    messages.TreeQuery: Grammar.tree_query,
    messages.TreeBuckets: Grammar.tree_buckets,
    messages.LeavesQuery: Grammar.leaves_query,
    messages.Leaves: Grammar.leaves,
    messages.Pull: Grammar.pull,
    messages.CountedQuery: Grammar.counted_query,
    messages.Documents: Grammar.documents,
    messages.Ack: Grammar.ack,
    messages.KeepQuery: Grammar.keep_query,
    messages.Keeping: Grammar.keeping,
    messages.PurgeNews: Grammar.purge_news,
    messages.LinkCheck: Grammar.link_check,
    messages.LinkChecked: Grammar.link_checked,
    messages.ChunkHashesQuery: Grammar.chunk_hashes_query,
    messages.ChunkHashes: Grammar.chunk_hashes,
    messages.Fetch: Grammar.fetch,
    messages.Chunks: Grammar.chunks,
    messages.SamplesQuery: Grammar.samples_query,
    messages.Samples: Grammar.samples,
    messages.ChannelData: Grammar.channel_data,
    messages.ChannelClose: Grammar.channel_close,
    messages.BothChanged: Grammar.both_changed,
    messages.FolderOffers: Grammar.folder_offers,
    messages.OfferReply: Grammar.offer_reply,
    messages.OfferGranted: Grammar.offer_granted,
    messages.OfferListing: Grammar.offer_listing,
}
