"""Noise against the published vectors, and what it must refuse."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yp2p.errors import HandshakeFailed
from yp2p.protocol.noise import IK, PATTERNS, XX, CipherState, HandshakeState, public_key

_spec = importlib.util.spec_from_file_location("noise_vectors", Path(__file__).with_name("noise_vectors.py"))
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)

_FULL = Path(os.environ.get("YP2P_VECTORS", Path(__file__).parents[3] / "shared" / "vectors")) / "noise.json"


def _all_vectors() -> list[dict[str, Any]]:
    if _FULL.is_file():
        return list(json.loads(_FULL.read_text())["vectors"])
    return list(_module.VECTORS)


def _side(vector: dict[str, Any], prefix: str) -> HandshakeState:
    def key(name: str) -> bytes | None:
        value = vector.get(f"{prefix}_{name}")
        return bytes.fromhex(value) if value else None

    pattern = PATTERNS[vector["protocol_name"].split("_")[1]]
    psks = vector.get(f"{prefix}_psks")
    ephemeral = key("ephemeral")
    assert ephemeral is not None
    return HandshakeState(
        pattern,
        initiator=prefix == "init",
        ephemeral=lambda: ephemeral,
        static=key("static"),
        remote_static=key("remote_static"),
        prologue=key("prologue") or b"",
        psk=bytes.fromhex(psks[0]) if psks else None,
    )


@pytest.mark.parametrize("vector", _all_vectors(), ids=lambda v: v["protocol_name"])
def test_published_vectors(vector: dict[str, Any]) -> None:
    sides = [_side(vector, "init"), _side(vector, "resp")]
    messages = [(bytes.fromhex(m["payload"]), bytes.fromhex(m["ciphertext"])) for m in vector["messages"]]
    turn = 0
    while not sides[0].is_finished:
        payload, ciphertext = messages[turn]
        assert sides[turn % 2].write_message(payload) == ciphertext
        assert sides[1 - turn % 2].read_message(ciphertext) == payload
        turn += 1
    ends = [side.finish() for side in sides]
    assert ends[0].handshake_hash.hex() == vector["handshake_hash"] == ends[1].handshake_hash.hex()
    for payload, ciphertext in messages[turn:]:
        assert ends[turn % 2].sending.encrypt(b"", payload) == ciphertext
        assert ends[1 - turn % 2].receiving.decrypt(b"", ciphertext) == payload
        turn += 1


def test_the_two_patterns_in_use_are_written_down_here() -> None:
    assert {v["protocol_name"].split("_")[1] for v in _module.VECTORS} == {"XX", "IK"}


def _pair(*, right_key: bool = True, prologues: tuple[bytes, bytes] = (b"", b"")) -> tuple[HandshakeState, ...]:
    responder_key = bytes([2]) * 32
    known = public_key(responder_key if right_key else bytes([9]) * 32)
    initiator = HandshakeState(
        IK,
        initiator=True,
        ephemeral=lambda: bytes([3]) * 32,
        static=bytes([1]) * 32,
        remote_static=known,
        prologue=prologues[0],
    )
    responder = HandshakeState(
        IK, initiator=False, ephemeral=lambda: bytes([4]) * 32, static=responder_key, prologue=prologues[1]
    )
    return initiator, responder


def test_the_responder_learns_nothing_when_the_initiator_dials_another_key() -> None:
    initiator, responder = _pair(right_key=False)
    with pytest.raises(HandshakeFailed):
        responder.read_message(initiator.write_message())


def test_different_prologues_do_not_meet() -> None:
    initiator, responder = _pair(prologues=(b"1", b"2"))
    with pytest.raises(HandshakeFailed):
        responder.read_message(initiator.write_message())


def test_an_error_is_final() -> None:
    _, responder = _pair()
    with pytest.raises(HandshakeFailed):
        responder.read_message(bytes(96))
    with pytest.raises(HandshakeFailed):
        responder.read_message(bytes(96))
    with pytest.raises(HandshakeFailed):
        responder.finish()


def test_a_message_out_of_turn_is_refused() -> None:
    initiator, _ = _pair()
    with pytest.raises(HandshakeFailed):
        initiator.read_message(bytes(48))


@given(st.binary(max_size=200))
def test_garbage_gives_only_handshake_failed(data: bytes) -> None:
    for pattern in (IK, XX):
        responder = HandshakeState(pattern, initiator=False, ephemeral=lambda: bytes([4]) * 32, static=bytes([2]) * 32)
        try:
            responder.read_message(data)
        except HandshakeFailed:
            continue
        assert pattern is XX, "only the first XX message, which is not authenticated, may be anything"


@given(st.integers(min_value=0, max_value=79), st.integers(min_value=1, max_value=255))
def test_a_changed_byte_never_authenticates(position: int, change: int) -> None:
    initiator, responder = _pair()
    message = bytearray(initiator.write_message())
    message[position] ^= change
    # X25519 ignores the top bit of a public key (RFC 7748, section 5), but the transcript hash does not.
    with pytest.raises(HandshakeFailed):
        responder.read_message(bytes(message))


def test_rekey_changes_the_key_alike_on_both_sides() -> None:
    one, two = CipherState(bytes(32)), CipherState(bytes(32))
    one.rekey()
    sealed = one.encrypt(b"", b"text")
    with pytest.raises(HandshakeFailed):
        two.decrypt(b"", sealed)
    two.rekey()
    assert two.decrypt(b"", sealed) == b"text"


def test_a_used_up_nonce_is_refused() -> None:
    cipher = CipherState(bytes(32))
    cipher.nonce = 2**64 - 1
    with pytest.raises(HandshakeFailed):
        cipher.encrypt(b"", b"")
