"""CPace against the vectors of draft-irtf-cfrg-cpace-21 (X25519-SHA512)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from effort import many
from hypothesis import given, settings
from hypothesis import strategies as st

from yp2p.errors import PairingFault
from yp2p.protocol.cpace import CPace, calculate_generator, scalar_mult_vfy

# Appendix B.1 of the draft.
CODE = b"Password"
CHANNEL = b"\x0bA_initiator\x0bB_responder"
SID = bytes.fromhex("7e4b4791d6a8ef019b936c79fb7f2c57")
GENERATOR = bytes.fromhex("d04bf6d41f6a289632a2e929fa29bebd51092512a7829fdde7d314b62f05a73f")
YA = bytes.fromhex("21b4f4bd9e64ed355c3eb676a28ebedaf6d8f17bdc365995b319097153044080")
YB = bytes.fromhex("848b0779ff415f0af4ea14df9dd1d3c29ac41d836c7808896c4eba19c51ac40a")
SHARE_A = bytes.fromhex("1d13c89278cdadd826f6d8d7f887701430f8380ddc17611cdd6dc989ce0c9f32")
SHARE_B = bytes.fromhex("248cccf6d5cdc3646f0ad593f9e6cef4e69d4945f8372e623512ecea32185623")
ISK = bytes.fromhex(
    "6e19b875f7a561d6b3ca3dbb9ef42ac55de3e717881018204b8922b4d5e53bb2"
    "aa82c300bea7b65d2b671da71922ddf6472301b79bc270adfa8bf413285f2263"
)
_FULL = Path(os.environ.get("YP2P_VECTORS", Path(__file__).parents[3] / "shared" / "vectors")) / "cpace.json"


def test_generator() -> None:
    assert calculate_generator(CODE, CHANNEL, SID) == GENERATOR


def test_both_sides_reach_the_published_key() -> None:
    a = CPace(CODE, CHANNEL, SID, scalar=YA, associated=b"ADa")
    b = CPace(CODE, CHANNEL, SID, scalar=YB, associated=b"ADb")
    assert (a.share, b.share) == (SHARE_A, SHARE_B)
    key_a = a.finish(b.share, b"ADb", initiator=True)
    key_b = b.finish(a.share, b"ADa", initiator=False)
    assert key_a.isk == key_b.isk == ISK
    assert key_a.verify(key_b.tag)
    assert key_b.verify(key_a.tag)
    assert not key_a.verify(key_a.tag), "a reflected tag is not a confirmation"


def test_small_order_points_are_refused() -> None:
    points = [bytes(32), (1).to_bytes(32, "little"), (2**255 - 20).to_bytes(32, "little")]
    if _FULL.is_file():
        points = [bytes.fromhex(p) for p in json.loads(_FULL.read_text())["X25519_points"].values()]
    for point in points:
        if any(point == bytes.fromhex(valid) for valid in _VALID_TWIST_POINTS):
            continue
        with pytest.raises(PairingFault):
            scalar_mult_vfy(YA, point)


# Y6 and Y9 of the vectors reduce to points of full order: the draft lists them for the inverse check.
_VALID_TWIST_POINTS = (
    "daffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "dbffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "d9ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "cdeb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880",
    "4c9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7",
)


@given(st.binary(min_size=1, max_size=12), st.binary(min_size=1, max_size=12))
@settings(max_examples=many(25))
def test_only_the_same_code_confirms(one: bytes, two: bytes) -> None:
    a = CPace(one, b"ci", b"sid", scalar=YA, associated=b"a")
    b = CPace(two, b"ci", b"sid", scalar=YB, associated=b"b")
    key_a = a.finish(b.share, b"b", initiator=True)
    key_b = b.finish(a.share, b"a", initiator=False)
    assert key_a.verify(key_b.tag) == (one == two)


@given(st.binary(max_size=40))
def test_any_share_gives_a_key_or_a_pairing_fault(share: bytes) -> None:
    side = CPace(CODE, CHANNEL, SID, scalar=YA, associated=b"")
    try:
        side.finish(share, b"", initiator=True)
    except PairingFault:
        pass
