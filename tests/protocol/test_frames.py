"""Frames: round trips in any chunking, lanes, order within a key, and limits."""

from __future__ import annotations

import pytest
from effort import many
from hypothesis import given, settings
from hypothesis import strategies as st

from yp2p.errors import FrameFault, HandshakeFailed
from yp2p.protocol import frames
from yp2p.protocol.frames import FRAMES_AT_ONCE, FrameDecoder, FrameEncoder, Lane
from yp2p.protocol.noise import CipherState


def _pair() -> tuple[FrameEncoder, FrameDecoder]:
    return FrameEncoder(CipherState(bytes(32))), FrameDecoder(CipherState(bytes(32)))


def _drain(encoder: FrameEncoder) -> bytes:
    return b"".join(iter(encoder.data_to_send, None))


@given(
    st.lists(st.tuples(st.binary(max_size=300), st.sampled_from([Lane.INTERACTIVE, Lane.BULK]))),
    st.integers(min_value=1, max_value=50),
)
def test_round_trip_in_any_chunking(messages: list[tuple[bytes, Lane]], chunk: int) -> None:
    encoder, decoder = _pair()
    for message, lane in messages:
        encoder.send(message, lane)
    wire = _drain(encoder) + encoder.end()
    received: list[bytes] = []
    for start in range(0, len(wire), chunk):
        received += decoder.receive_data(wire[start : start + chunk])
    for lane in (Lane.INTERACTIVE, Lane.BULK):
        sent = [m for m, used in messages if used is lane]
        assert [m for m in received if m in sent][: len(sent)] == sent or sorted(received) == sorted(
            m for m, _ in messages
        )
    assert sorted(received) == sorted(m for m, _ in messages)
    assert decoder.ended
    assert encoder.queued_bytes == 0


@pytest.mark.parametrize("chunk", [7, 300, 100_000])
def test_a_large_message_is_put_together_as_it_comes(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_LARGE_BYTES", 2000)
    monkeypatch.setattr(frames, "MAX_PLAINTEXT_BYTES", 1500)
    encoder, decoder = _pair()
    messages = [bytes(range(256)) * 200, b"small", b"y" * 2001, b"z" * 2000]
    for message in messages:
        encoder.send(message, Lane.BULK)
    wire, received, most = _drain(encoder), list[bytes](), 0
    for start in range(0, len(wire), chunk):
        received += decoder.receive_data(wire[start : start + chunk])
        while decoder.is_behind:
            received += decoder.receive_data(b"")
        most = max(most, len(decoder.bulk._parts))
    assert received == messages
    assert most <= 2, "in one piece"


def test_of_a_message_that_is_dropped_nothing_is_kept() -> None:
    encoder, decoder = _pair()
    for message in (b"large" * 100_000, b"next"):
        encoder.send(message, Lane.BULK)
    frame = encoder.data_to_send()
    assert frame is not None
    assert decoder.receive_data(frame) == []
    assert (decoder.bulk.size, decoder.bulk.head) == (500_000, (b"large" * 13)[: frames.HEAD_BYTES])
    decoder.bulk.drop()
    while (frame := encoder.data_to_send()) is not None:
        received = decoder.receive_data(frame)
        assert not decoder.bulk._parts
    assert received == [b"next"]


def test_typing_overtakes_a_large_message() -> None:
    encoder, decoder = _pair()
    encoder.send(b"b" * 300_000, Lane.BULK)
    first = encoder.data_to_send()
    assert first is not None
    encoder.send(b"key", Lane.INTERACTIVE)
    assert decoder.receive_data(first) == []
    second = encoder.data_to_send()
    assert second is not None
    assert decoder.receive_data(second) == [b"key"]
    assert decoder.receive_data(_drain(encoder)) == [b"b" * 300_000]


def test_messages_of_one_key_stay_in_order_across_lanes() -> None:
    encoder, decoder = _pair()
    encoder.send(b"b" * 200_000, Lane.BULK, b"doc")
    encoder.send(b"later", Lane.INTERACTIVE, b"doc")
    encoder.send(b"other", Lane.INTERACTIVE, b"else")
    assert decoder.receive_data(_drain(encoder)) == [b"other", b"b" * 200_000, b"later"]
    encoder.send(b"again", Lane.INTERACTIVE, b"doc")
    frame = encoder.data_to_send()
    assert frame is not None
    assert decoder.receive_data(frame) == [b"again"]


def test_the_key_is_replaced_on_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "REKEY_INTERVAL", 3)
    encoder, decoder = _pair()
    for number in range(10):
        encoder.send(bytes([number]), Lane.INTERACTIVE)
        assert decoder.receive_data(_drain(encoder)) == [bytes([number])]


def test_an_announced_length_above_the_cap_ends_it_at_once() -> None:
    cipher = CipherState(bytes(32))
    plaintext = bytes([Lane.INTERACTIVE]) + (frames.MAX_INTERACTIVE_BYTES + 1).to_bytes(4, "big")
    sealed = cipher.encrypt(b"", plaintext)
    _, decoder = _pair()
    with pytest.raises(FrameFault, match="more than the INTERACTIVE lane allows"):
        decoder.receive_data(len(sealed).to_bytes(2, "big") + sealed)


@given(st.binary(min_size=1, max_size=200))
@settings(max_examples=many(200))
def test_garbage_gives_only_our_errors(data: bytes) -> None:
    _, decoder = _pair()
    try:
        assert decoder.receive_data(data) == []
    except (FrameFault, HandshakeFailed):
        pass


def test_a_message_too_long_to_send_is_our_own_mistake() -> None:
    encoder, _ = _pair()
    with pytest.raises(ValueError, match="does not fit"):
        encoder.send(bytes(frames.MAX_INTERACTIVE_BYTES + 1), Lane.INTERACTIVE)


def test_tiny_frames_are_opened_some_at_a_time() -> None:
    """A quarter of a megabyte holds thirteen thousand of them, and all other work would wait for the last."""
    cipher, decoder = CipherState(bytes(32)), FrameDecoder(CipherState(bytes(32)))
    message = b"\x00" + (1).to_bytes(4, "big") + b"m"  # of the interactive lane
    sealed = [cipher.encrypt(b"", message) for _ in range(3 * FRAMES_AT_ONCE + 1)]
    wire = b"".join(len(frame).to_bytes(2, "big") + frame for frame in sealed)
    sizes = [len(decoder.receive_data(wire))]
    while decoder.is_behind:
        sizes.append(len(decoder.receive_data(b"")))
    assert sizes == [FRAMES_AT_ONCE] * 3 + [1]
