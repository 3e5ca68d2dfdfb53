"""Content registers and the hashes of blobs."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from yp2p.errors import MessageFault
from yp2p.identity import ID_BYTES, DocumentID
from yp2p.protocol.blobs import CHUNK_BYTES, MAX_BLOB_BYTES, blob_hash, chunk_count, chunk_hash, chunk_size
from yp2p.protocol.entries import MAX_BEFORE, Content, Kind, Mode, decode_content

hashes = st.binary(min_size=32, max_size=32)
modes = st.sampled_from([Mode.PLAIN, Mode.EXECUTABLE, Mode.PRIVATE, Mode.EXECUTABLE | Mode.PRIVATE])
times = st.integers(-(1 << 63), (1 << 63) - 1)
contents = st.one_of(
    st.builds(Content.text, st.binary(min_size=16, max_size=16).map(DocumentID), modes, times),
    st.builds(Content.blob, hashes, st.integers(0, MAX_BLOB_BYTES), modes, times),
    st.builds(Content.symlink, st.binary(min_size=1, max_size=99).filter(lambda target: b"\x00" not in target)),
    st.builds(Content.directory),
)


@given(contents, st.lists(hashes, max_size=MAX_BEFORE + 2))
def test_round_trip(content: Content, before: list[bytes]) -> None:
    for one in before:
        content = content.after(one, content.before)
    assert decode_content(content.encode()) == content
    assert [content.replaces(one) for one in before[-MAX_BEFORE:]] == [True] * min(len(before), MAX_BEFORE)
    assert not any(content.replaces(one) for one in set(before[:-MAX_BEFORE]) - set(before[-MAX_BEFORE:]))


@given(contents.map(Content.encode), st.data())
def test_what_is_cut_off_or_longer_is_refused_or_something_else(value: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(value) - 1))
    whole = decode_content(value)
    assume(
        at != 2 + ID_BYTES or whole != Content.text(whole.document, whole.mode)
    )  # without a time it is the same text
    for other in (value[:at], value + b"\x00", bytes([0]) + value[1:], bytes([5]) + value[1:]):
        try:
            assert decode_content(other) != whole
        except MessageFault:
            continue


@pytest.mark.parametrize("target", [b"", b"a\x00b", b"x" * 4096])
def test_a_symlink_leads_somewhere(target: bytes) -> None:
    with pytest.raises(MessageFault):
        decode_content(Content.symlink(target).encode())


def test_versions_of_different_contents_have_different_names() -> None:
    empty = hashlib.sha256(b"").digest()
    named = [Content.blob(empty, 0, Mode.PLAIN, 0), Content.symlink(b"a"), Content.symlink(b"b"), Content.directory()]
    assert len({content.document for content in named}) == 4
    assert {content.kind for content in named} == {Kind.BLOB, Kind.SYMLINK, Kind.DIRECTORY}


def test_chunks() -> None:
    size = 2 * CHUNK_BYTES + 5
    assert chunk_count(size) == 3
    assert [chunk_size(size, index) for index in range(3)] == [CHUNK_BYTES, CHUNK_BYTES, 5]
    data = bytes(range(256)) * (CHUNK_BYTES // 128) + b"12345"
    chunks = [chunk_hash(data[at : at + CHUNK_BYTES]) for at in range(0, size, CHUNK_BYTES)]
    whole = blob_hash(size, chunks)
    assert whole == hashlib.sha256(b"yp2p blob v1" + size.to_bytes(8, "big") + b"".join(chunks)).digest()
    assert whole != blob_hash(size, chunks[::-1])
    assert whole != blob_hash(size - 1, chunks)
