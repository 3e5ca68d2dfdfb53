"""Keys, membership, pairing: what is accepted, and what is not."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yp2p.errors import DamagedError, MessageFault, PairingError, PairingFault, UsageError
from yp2p.identity import FolderID, Identity
from yp2p.pairing.exchange import (
    MAX_FAILED_ATTEMPTS,
    Code,
    Grant,
    Intent,
    Listed,
    PairingRun,
    PairingWindow,
    announced_digits,
    decode_listing,
    encode_listing,
    make_code,
    parse_code,
)
from yp2p.protocol.entries import Kind
from yp2p.protocol.names import path_problem
from yp2p.protocol.wire import Writer
from yp2p.trust.keyfile import load_identity

FOLDER = FolderID(b"f" * 16)
A, B, C, D = (Identity(bytes([number]) * 32) for number in range(1, 5))


def test_the_key_is_made_once_with_tight_permissions(tmp_path: Path) -> None:
    path = tmp_path / "device.key"
    identity = load_identity(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_identity(path).device_id == identity.device_id
    path.chmod(0o644)
    load_identity(path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "garbage", "yp2p-device-seed-v1 12", "yp2p-device-seed-v1 zz"])
def test_a_damaged_key_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "device.key"
    path.write_text(text)
    with pytest.raises(DamagedError, match="left as it is"):
        load_identity(path)
    assert path.read_text() == text


def test_a_key_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "device.key")
    with pytest.raises(DamagedError, match="no regular file"):
        load_identity(tmp_path / "device.key")


@pytest.mark.parametrize("key", [b"\x01" + bytes(31), bytes(32), b"\xff" * 32])
def test_nobody_pairs_with_a_key_without_an_owner(key: bytes) -> None:
    joiner, sharer = _runs(Code("47", "K7MX2Q"), Code("47", "K7MX2Q"))
    first = joiner.open()
    with pytest.raises(PairingFault, match=key.hex()):
        sharer.answer(first[:2] + key + first[34:])
    with pytest.raises(PairingFault, match=key.hex()):
        joiner.confirm(key + sharer.answer(first)[32:], "laptop")


def test_codes() -> None:
    code = make_code(random.Random(1).randrange)
    assert parse_code(str(code)) == code
    assert parse_code(f" {str(code).lower()} ".replace("-", " ")) == code
    assert code.secret not in repr(code)
    for wrong in ("", "47", "47-K7MX2", "4Z-K7MX2Q", "47-K7MX2O", "47-K7M-X2QQ", "٤٧-K7MX2Q"):
        with pytest.raises(UsageError, match="pairing code"):
            parse_code(wrong)


def _runs(one: Code, two: Code, hashes: tuple[bytes, bytes] = (b"h", b"h")) -> tuple[PairingRun, PairingRun]:
    joiner = PairingRun(one, hashes[0], A.public, B.public.noise_key, scalar=b"\x01" * 32)
    sharer = PairingRun(two, hashes[1], B.public, A.public.noise_key, scalar=b"\x02" * 32)
    return joiner, sharer


def test_pairing_proves_the_code_and_both_keys() -> None:
    code = Code("47", "K7MX2Q")
    joiner, sharer = _runs(code, code)
    first = joiner.open()
    assert announced_digits(first) == "47"
    confirmation = joiner.confirm(sharer.answer(first), "laptop")
    assert sharer.check_confirmation(confirmation) == ("laptop", Intent.JOIN)
    assert sharer.peer == A.public
    assert joiner.peer == B.public


def test_a_wrong_code_is_noticed_by_both_sides() -> None:
    joiner, sharer = _runs(Code("47", "K7MX2Q"), Code("47", "K7MX2R"))
    answer = sharer.answer(joiner.open())
    with pytest.raises(PairingError, match="wrong code"):
        joiner.confirm(answer, "laptop")
    with pytest.raises(PairingError):
        sharer.check_confirmation(bytes(64) + b"\x00\x00\x00\x00\x00")


def test_somebody_in_the_middle_has_another_handshake_on_each_side() -> None:
    code = Code("47", "K7MX2Q")
    joiner, sharer = _runs(code, code, (b"h1", b"h2"))
    with pytest.raises(PairingError):
        joiner.confirm(sharer.answer(joiner.open()), "laptop")


@given(st.binary(max_size=140))
def test_garbage_gives_only_our_errors(data: bytes) -> None:
    code = Code("47", "K7MX2Q")
    joiner, sharer = _runs(code, code)
    for take in (sharer.answer, lambda d: joiner.confirm(d, ""), sharer.check_confirmation, Grant.decode):
        with pytest.raises((PairingFault, PairingError, MessageFault)):
            take(data)


def test_a_window_closes() -> None:
    window = PairingWindow(FOLDER, Code("47", "K7MX2Q"), closes_at=10)
    assert window.is_open(9)
    assert not window.is_open(10)
    window.failed_attempts = MAX_FAILED_ATTEMPTS
    assert not window.is_open(9)
    assert window.is_locked


def test_runs_side_by_side_are_no_misses_and_burn_a_window_once() -> None:
    window = PairingWindow(FOLDER, Code("47", "K7MX2Q"), closes_at=10)
    for _ in range(MAX_FAILED_ATTEMPTS):
        assert window.has_guess_left
        window.begin()
    assert window.is_open(9)
    assert not window.has_guess_left  # each of them may have tried a code already
    assert not window.end(knew_code=False)
    assert not window.end(knew_code=True)  # it takes nothing from the others
    assert window.has_guess_left
    assert not window.end(knew_code=False)
    window.begin()
    assert [window.end(knew_code=False), window.is_locked] == [True, True]


def test_a_grant_round_trip() -> None:
    grant = Grant(FOLDER, A.device_id, "notes", "laptop", (b"a statement", b"another one"))
    assert Grant.decode(grant.encode()) == grant


@given(
    st.lists(
        st.builds(
            Listed,
            st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
                lambda name: path_problem(name) is None
            ),
            st.sampled_from(Kind),
            st.binary(min_size=32, max_size=32),
            st.integers(0, (1 << 64) - 1),
        ),
        max_size=5,
    ),
    st.integers(min_value=1),
)
def test_a_listing_arrives_as_it_was_and_cut_off_it_is_refused(entries: list[Listed], cut: int) -> None:
    data = encode_listing(entries)
    assert decode_listing(data) == entries
    with pytest.raises(MessageFault):
        decode_listing(data[: -(cut % len(data)) or -1])


@pytest.mark.parametrize("path", [b"../x", b"/etc/passwd", b".git/hooks/x", b"a//b", b""])
def test_a_listed_path_is_checked(path: bytes) -> None:
    data = Writer().u32(1).data(path).u8(1).raw(bytes(32)).u64(0).finish()
    with pytest.raises(MessageFault):
        decode_listing(data)


def test_an_intent_that_does_not_exist_is_refused() -> None:
    code = Code("47", "K7MX2Q")
    joiner, sharer = _runs(code, code)
    confirmation = joiner.confirm(sharer.answer(joiner.open()), "laptop", Intent.LOOK)
    assert sharer.check_confirmation(confirmation) == ("laptop", Intent.LOOK)
    with pytest.raises(MessageFault):
        sharer.check_confirmation(confirmation[:-1] + b"\x02")
