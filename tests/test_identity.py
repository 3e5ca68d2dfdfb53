"""Device IDs: derived, written and read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yp2p.errors import UsageError
from yp2p.identity import DeviceID, Identity, format_device_id, parse_device_id

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
