"""Device IDs: derived, written and read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yp2p.errors import MessageFault, UsageError
from yp2p.identity import DeviceID, Identity, PublicIdentity, format_device_id, parse_device_id

ids = st.binary(min_size=32, max_size=32).map(DeviceID)


@given(ids)
def test_round_trip(device_id: DeviceID) -> None:
    text = format_device_id(device_id)
    assert [len(group) for group in text.split("-")] == [7] * 8
    assert parse_device_id(text.lower().replace("-", " ")) == device_id


@given(ids, st.integers(min_value=0, max_value=55), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_one_wrong_character_is_noticed(device_id: DeviceID, position: int, character: str) -> None:
    text = format_device_id(device_id).replace("-", "")
    wrong = text[:position] + character + text[position + 1 :]
    if wrong == text:
        assert parse_device_id(wrong) == device_id
        return
    with pytest.raises(UsageError, match="mistyped"):
        parse_device_id(wrong)


@pytest.mark.parametrize("text", ["", "ABC", "!" * 56])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a device ID"):
        parse_device_id(text)


def test_keys_are_derived_from_the_seed_alone() -> None:
    one, again, other = Identity(b"1" * 32), Identity(b"1" * 32), Identity(b"2" * 32)
    assert one.public == again.public
    assert one.device_id != other.device_id
    assert one.public.noise_key != one.public.signing_key
    assert one.pairwise_secret(other.public.noise_key) == other.pairwise_secret(one.public.noise_key)


def test_signatures() -> None:
    device = Identity(b"1" * 32)
    signature = device.sign(b"statement")
    assert device.public.verify(signature, b"statement")
    assert not device.public.verify(signature, b"another statement")
    assert not Identity(b"2" * 32).public.verify(signature, b"statement")


def test_a_seed_never_shows_in_a_repr() -> None:
    assert "1111" not in repr(Identity(b"1" * 32))


# Encodings of points of small order, and of numbers that are no reduced coordinate (RFC 7748, RFC 8032).
SMALL_X25519 = [
    "00" * 32,
    "01" + "00" * 31,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ec" + "ff" * 30 + "7f",
]
SMALL_ED25519 = [
    "00" * 32,
    "01" + "00" * 31,
    "00" * 31 + "80",
    "01" + "00" * 30 + "80",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "ec" + "ff" * 30 + "7f",
]
NOT_REDUCED = ["ed" + "ff" * 30 + "7f", "ee" + "ff" * 30 + "7f", "ff" * 32, "00" * 31 + "80"]
NO_POINT = ["02" + "00" * 31, "07" + "00" * 31]  # y, for which no x is on Ed25519


@pytest.mark.parametrize("key", [*SMALL_X25519, *NOT_REDUCED])
def test_a_noise_key_that_nobody_can_have_made_is_refused(key: str) -> None:
    with pytest.raises(MessageFault, match=f"{key}.*X25519"):
        PublicIdentity.received(Identity(b"1" * 32).public.signing_key, bytes.fromhex(key))


@pytest.mark.parametrize("key", [*SMALL_ED25519, *NOT_REDUCED[:3], *NO_POINT])
def test_a_signing_key_that_nobody_can_have_made_is_refused(key: str) -> None:
    with pytest.raises(MessageFault, match=f"{key}.*Ed25519"):
        PublicIdentity.received(bytes.fromhex(key), Identity(b"1" * 32).public.noise_key)


@pytest.mark.parametrize("key", [*SMALL_ED25519, *NOT_REDUCED[:3]])
def test_nothing_verifies_under_a_key_of_small_order(key: str) -> None:
    public = PublicIdentity(bytes.fromhex(key), bytes(32))
    assert not any(public.verify(bytes.fromhex(r) + bytes(32), b"any message") for r in SMALL_ED25519)


@given(st.binary(min_size=32, max_size=32))
def test_the_keys_of_any_device_are_taken(seed: bytes) -> None:
    public = Identity(seed).public
    assert PublicIdentity.received(public.signing_key, public.noise_key) == public
