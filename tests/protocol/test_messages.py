"""Messages: round trips, and nothing but our own error for any bytes."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yp2p.errors import InvalidUpdate, MessageFault
from yp2p.identity import DeviceID, DocumentID, EntryID, FolderID
from yp2p.protocol import awareness, channel, messages
from yp2p.protocol.reconcile import Leaf, ReconcileTree, branch_of
from yp2p.protocol.wire import write_varint

ids = st.binary(min_size=16, max_size=16)
hashes = st.binary(min_size=32, max_size=32)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
leaves = st.lists(st.tuples(ids, st.builds(Leaf, ids, hashes, hashes)), max_size=3).map(tuple)
firsts = st.integers(0, messages.MAX_CHUNKS - 99)
u32 = st.integers(min_value=0, max_value=2**32 - 1)
sides = st.builds(messages.Side, names, st.lists(hashes, max_size=3).map(tuple), st.integers(0, messages.MAX_TIME_MS))

ALL: st.SearchStrategy[Any] = st.one_of(
    st.builds(messages.Hello, st.lists(st.integers(0, 255), max_size=3).map(tuple), ids, names, u32, names),
    st.builds(messages.Goodbye, names, st.booleans()),
    st.builds(messages.FolderState, ids, hashes, hashes, hashes, st.booleans(), u32, u32),
    st.builds(messages.FolderCondition, ids, st.sampled_from(messages.Condition), st.lists(ids, max_size=3).map(tuple)),
    st.builds(messages.Keeping, ids, u32, st.lists(ids, max_size=3).map(tuple)),
    st.builds(messages.FolderLinks, ids, st.lists(hashes, max_size=3).map(tuple)),
    st.builds(messages.Membership, ids, st.lists(st.binary(max_size=9), max_size=3).map(tuple)),
    st.builds(messages.ManifestQuery, ids),
    st.builds(messages.ManifestVersions, ids, st.lists(hashes, min_size=64, max_size=64).map(tuple)),
    st.builds(messages.TreeQuery, ids),
    st.builds(
        messages.LeavesQuery,
        ids,
        st.lists(st.tuples(st.integers(0, 255), st.binary(min_size=512, max_size=512)), max_size=3).map(tuple),
    ),
    st.builds(
        messages.Leaves,
        ids,
        leaves,
        st.booleans(),
        st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2**64 - 1)), max_size=3).map(tuple),
    ),
    st.builds(messages.Pull, ids, st.lists(ids, max_size=3).map(tuple)),
    st.builds(messages.CountedQuery, ids, hashes, st.lists(ids, max_size=3).map(tuple)),
    st.builds(messages.Documents, ids, st.lists(st.tuples(ids, st.binary(max_size=9)), max_size=3).map(tuple)),
    st.builds(messages.Ack, ids, leaves),
    st.builds(messages.KeepQuery, ids, u32, leaves),
    st.builds(
        messages.PurgeNews,
        ids,
        st.lists(st.binary(max_size=9), max_size=3).map(tuple),
        st.lists(st.binary(max_size=9), max_size=3).map(tuple),
    ),
    st.builds(messages.ChunkHashesQuery, ids, hashes),
    st.builds(messages.ChunkHashes, ids, hashes, st.lists(hashes, max_size=3).map(b"".join)),
    st.builds(messages.Fetch, ids, st.lists(st.tuples(hashes, firsts, st.integers(0, 99)), max_size=3).map(tuple)),
    st.builds(messages.Chunks, ids, st.lists(st.tuples(hashes, u32, st.binary(max_size=9)), max_size=3).map(tuple)),
    st.builds(messages.SamplesQuery, ids, hashes),
    st.builds(messages.Samples, ids, hashes, st.lists(st.binary(min_size=34, max_size=34), max_size=3).map(b"".join)),
    st.builds(messages.ChannelData, ids, ids, st.binary(max_size=20)),
    st.builds(messages.ChannelClose, ids, ids),
    st.builds(
        messages.BothChanged,
        ids,
        ids,
        st.booleans(),
        u32,
        names,
        names,
        names,
        st.tuples(sides, sides),
    ),
    st.builds(
        messages.FolderOffers,
        st.lists(st.builds(messages.Offer, ids, ids, hashes, st.integers(1, 3), names), max_size=3).map(tuple),
    ),
    st.builds(messages.LinkCheck, u32, st.booleans()),
    st.builds(
        messages.LinkChecked,
        u32,
        st.integers(0, messages.MAX_TIME_MS),
        st.sampled_from(messages.Reached),
        st.booleans(),
    ),
    st.builds(messages.OfferReply, ids, ids, st.sampled_from(messages.Reply)),
    st.builds(messages.OfferGranted, ids, st.booleans(), st.lists(st.binary(max_size=9), max_size=3).map(tuple)),
    st.builds(messages.OfferListing, ids, st.binary(max_size=20)),
)


@given(ALL)
def test_round_trip(message: Any) -> None:
    assert messages.decode(messages.encode(message)) == message


@given(ALL, st.integers(min_value=0, max_value=400))
def test_cut_off_messages(message: Any, size: int) -> None:
    data = messages.encode(message)
    if size < len(data) and not isinstance(message, messages.ChannelData):
        with pytest.raises(MessageFault):
            messages.decode(data[:size])


@given(st.binary(max_size=100))
def test_garbage(data: bytes) -> None:
    try:
        messages.decode(data)
    except MessageFault:
        pass


def test_later_messages_are_ignored_and_others_refused() -> None:
    assert messages.decode(b"\x90anything") == messages.Unknown(0x90)
    with pytest.raises(MessageFault, match="0x7f does not exist"):
        messages.decode(b"\x7f")
    with pytest.raises(MessageFault, match="too many"):
        messages.decode(messages.encode(messages.ManifestQuery(bytes(16))) + b"x")  # type: ignore[arg-type]


def test_an_offer_has_a_role_and_is_answered_with_what_there_is() -> None:
    offer = messages.Offer(bytes(16), FOLDER, DeviceID(HASH), 3, "music")
    for role in (0, 4, 255):
        with pytest.raises(MessageFault, match="role that does not exist"):
            messages.decode(messages.encode(messages.FolderOffers((replace(offer, role=role),))))
    reply = messages.encode(messages.OfferReply(bytes(16), FOLDER, messages.Reply.LOOK))
    with pytest.raises(MessageFault, match="means nothing"):
        messages.decode(reply[:-1] + b"\x04")


def test_an_offer_has_caps() -> None:
    offer = messages.Offer(bytes(16), FOLDER, DeviceID(HASH), 3, "x" * messages.MAX_LABEL_BYTES)
    most = messages.FolderOffers((offer,) * messages.MAX_OFFERS)
    assert messages.decode(messages.encode(most)) == most
    for more in (
        messages.FolderOffers((offer,) * (messages.MAX_OFFERS + 1)),
        messages.FolderOffers((replace(offer, label="x" * (messages.MAX_LABEL_BYTES + 1)),)),
        messages.OfferGranted(bytes(16), True, (b"x",) * (messages.STATEMENTS_OF_PART + 1)),
        messages.OfferGranted(bytes(16), True, (bytes(messages.MAX_STATEMENT_BYTES + 1),)),
        messages.OfferListing(bytes(16), bytes(messages.MAX_LISTING_BYTES + 1)),
    ):
        with pytest.raises(MessageFault):
            messages.decode(messages.encode(more))


FOLDER, HASH = FolderID(bytes(16)), bytes(32)


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (messages.FolderLinks(FOLDER, (DeviceID(HASH),) * 4097), "4097 devices in one message, more than 4096"),
        (messages.Membership(FOLDER, (b"",) * 4097), "4097 statements in one message, more than 4096"),
        (messages.Documents(FOLDER, ((DocumentID(bytes(16)), b""),) * 1025), "1025 documents in one message"),
        (messages.Chunks(FOLDER, ((HASH, 0, b""),) * 1025), "1025 chunks in one message, more than 1024"),
        (messages.Fetch(FOLDER, ((HASH, 0, 0),) * 1025), "1025 ranges in one message, more than 1024"),
        (messages.Leaves(FOLDER, (), True, ((0, 0),) * 257), "257 buckets in one message, more than 256"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_list_has_a_cap(message: messages.Message, what: str) -> None:
    """Of small items that say nothing a message has room for millions, which take a second to read."""
    with pytest.raises(MessageFault, match=what):
        messages.decode(messages.encode(message))


def test_hashes_of_chunks_stay_bytes_until_they_are_known_to_be_those_of_a_blob() -> None:
    """As objects those of one message are twice its 32 MiB."""
    hashes = bytes(32 * 1000)
    decoded = messages.decode(messages.encode(messages.ChunkHashes(FOLDER, HASH, hashes)))
    assert isinstance(decoded, messages.ChunkHashes)
    assert decoded.hashes == hashes


provider_messages = st.one_of(
    st.builds(channel.Step1, st.binary(max_size=300)),
    st.builds(channel.Step2, st.binary(max_size=300)),
    st.builds(channel.Updates, st.lists(st.binary(max_size=20), min_size=1, max_size=4).map(tuple)),
    st.builds(channel.AwarenessUpdate, st.binary(max_size=30)),
    st.builds(channel.Have, st.binary(max_size=30)),
    st.builds(channel.Shown, st.lists(hashes, max_size=4).map(tuple)),
    st.builds(channel.Since, st.lists(st.integers(0, 1 << 53), max_size=4).map(sorted).map(tuple)),
    st.builds(channel.Saved, st.lists(hashes, max_size=4).map(tuple)),
    st.builds(channel.Showed, st.integers(0, 1 << 53), st.integers(0, 1 << 53)),
)


@given(provider_messages)
def test_provider_messages_round_trip(message: channel.ProviderMessage) -> None:
    assert channel.decode(channel.encode(message)) == message


@given(st.binary(max_size=60))
def test_provider_and_awareness_garbage(data: bytes) -> None:
    for decode in (channel.decode, awareness.decode):
        try:
            decode(data)
        except InvalidUpdate:
            pass


@given(st.binary(max_size=200))
def test_of_hashes_there_are_whole_ones_or_none(data: bytes) -> None:
    message = b"\x43" + write_varint(len(data)) + data
    if len(data) % 32:
        with pytest.raises(InvalidUpdate, match="half a hash"):
            channel.decode(message)
    else:
        shown = channel.decode(message)
        assert isinstance(shown, channel.Shown)
        assert b"".join(shown.contents) == data


def test_no_more_hashes_are_taken_than_a_program_may_say() -> None:
    most = channel.Shown((bytes(32),) * channel.MAX_SHOWN)
    assert channel.decode(channel.encode(most)) == most
    with pytest.raises(InvalidUpdate, match="more than"):
        channel.decode(channel.encode(channel.Shown((*most.contents, bytes(32)))))


def test_no_more_times_are_taken_than_texts_and_none_that_no_clock_shows() -> None:
    most = channel.Since((1 << 53,) * channel.MAX_SHOWN)
    assert channel.decode(channel.encode(most)) == most
    for wrong in ((1,) * (channel.MAX_SHOWN + 1), (1 + (1 << 53),)):
        with pytest.raises(InvalidUpdate):
            channel.decode(channel.encode(channel.Since(wrong)))


def test_awareness_news_and_leaving() -> None:
    states = awareness.AwarenessStates()
    mine = states.set_own(1, {"name": "a"})
    other = awareness.AwarenessStates()
    assert other.apply(awareness.decode(awareness.encode([mine])), own=2) == [mine]
    assert other.apply([mine], own=2) == [], "old news is not relayed"
    assert states.apply([awareness.Presence(1, 9, None)], own=1) == [], "nobody speaks for us"
    assert [p.state for p in other.leave([1])] == [None]
    assert other.present() == []


@given(st.lists(st.tuples(ids, hashes), max_size=30))
def test_the_tree_depends_on_its_leaves_alone(items: list[tuple[Any, bytes]]) -> None:
    one, two = ReconcileTree(), ReconcileTree()
    for entry, content in items:
        one.set(entry, Leaf(entry, bytes(32), content))
    for entry, _ in reversed(items):
        two.set(entry, Leaf(entry, bytes(32), bytes(32)))
    for entry, content in items:
        two.set(entry, Leaf(entry, bytes(32), content))
    assert one.root() == two.root()
    assert one.differing(two.buckets()) == []
    if items:
        entry = items[0][0]
        two.remove(entry)
        assert one.differing(two.buckets()) == [entry[0]]
        assert entry in one.leaves(entry[0])
        assert entry not in two.leaves(entry[0])


def test_leaves_of_the_branches_that_differ_are_all_that_differ() -> None:
    rng = random.Random(5)
    one, two = ReconcileTree(), ReconcileTree()
    entries = [EntryID(bytes([7]) + rng.randbytes(15)) for _ in range(500)]
    for entry in entries:
        leaf = Leaf(DocumentID(rng.randbytes(16)), rng.randbytes(32), rng.randbytes(32))
        one.set(entry, leaf)
        two.set(entry, leaf)
    assert one.branches(7) == two.branches(7)
    assert one.differing_branches(7, two.branches(7)) == (1 << 64) - 1, "nothing can be told, so everything is compared"
    changed = rng.sample(entries, 5)
    for entry in changed:
        two.set(entry, Leaf(DocumentID(bytes(16)), bytes(32), bytes(32)))
    two.remove(changed[0])
    mask = two.differing_branches(7, one.branches(7))
    assert mask == sum({1 << branch_of(entry) for entry in changed})
    assert mask == one.differing_branches(7, two.branches(7))
