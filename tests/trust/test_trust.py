"""Keys, membership, pairing: what is accepted, and what is not."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yp2p.errors import DamagedError, MessageFault, PairingError, PairingFault, UsageError
from yp2p.identity import DeviceID, FolderID, Identity, PublicIdentity
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
from yp2p.trust import membership
from yp2p.trust.keyfile import load_identity
from yp2p.trust.membership import (
    MAX_STATEMENTS_OF_ONE,
    Role,
    Statement,
    counted,
    evaluate,
    read_statement,
    sign_statement,
)

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


def _chain() -> list[Statement]:
    return [
        sign_statement(A, FOLDER, A.public, Role.ADMINISTRATOR, 1, "a"),
        sign_statement(A, FOLDER, B.public, Role.MEMBER, 2, "b"),
        sign_statement(B, FOLDER, C.public, Role.MEMBER, 3, "c"),
    ]


def test_members_are_introduced_by_members() -> None:
    statements = _chain()
    for _ in range(5):
        random.Random(1).shuffle(statements)
        assert set(evaluate(A.device_id, statements)) == {A.device_id, B.device_id, C.device_id}
    assert evaluate(B.device_id, statements) == {}, "another founder says nothing"
    stranger = sign_statement(D, FOLDER, D.public, Role.ADMINISTRATOR, 9, "d")
    assert D.device_id not in evaluate(A.device_id, [*statements, stranger])


def test_removal_wins_until_the_remover_says_otherwise() -> None:
    removed = [*_chain(), sign_statement(A, FOLDER, C.public, Role.REMOVED, 4, "c")]
    assert C.device_id not in evaluate(A.device_id, removed)
    again = [*removed, sign_statement(B, FOLDER, C.public, Role.MEMBER, 5, "c")]
    assert C.device_id not in evaluate(A.device_id, again)
    back = [*again, sign_statement(A, FOLDER, C.public, Role.MEMBER, 6, "c")]
    assert C.device_id in evaluate(A.device_id, back)


def test_a_read_only_member_introduces_nobody() -> None:
    statements = [
        *_chain()[:1],
        sign_statement(A, FOLDER, B.public, Role.READ_ONLY, 2, "b"),
        sign_statement(B, FOLDER, C.public, Role.MEMBER, 3, "c"),
    ]
    assert set(evaluate(A.device_id, statements)) == {A.device_id, B.device_id}


def _said_by(issuer: Identity, subjects: Iterable[PublicIdentity], first: int = 100) -> list[Statement]:
    return [
        sign_statement(issuer, FOLDER, subject, Role.MEMBER, first + number, "")
        for number, subject in enumerate(subjects)
    ]


def _set(*statements: Statement) -> dict[bytes, Statement]:
    return {statement.encode(): statement for statement in statements}


def test_what_strangers_say_counts_for_nothing() -> None:
    said = _said_by(D, [D.public] * 20)
    assert counted(A.device_id, _set(*_chain(), *said)) == _set(*_chain())
    let_in = sign_statement(A, FOLDER, D.public, Role.MEMBER, 4, "d")
    assert counted(A.device_id, _set(*_chain(), *said, let_in)) == _set(*_chain(), *said, let_in)


def test_who_fills_its_share_takes_nothing_from_others() -> None:
    chain, said = _chain(), _said_by(C, [C.public] * (MAX_STATEMENTS_OF_ONE + 5))
    found = counted(A.device_id, _set(*chain, *said))
    assert found == _set(*chain, *said[:MAX_STATEMENTS_OF_ONE]), "the first ones"
    late = sign_statement(B, FOLDER, D.public, Role.MEMBER, 2**63, "late")
    assert late.encode() in counted(A.device_id, found | _set(late))


def test_those_nearer_to_the_founder_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "MAX_STATEMENTS", 12)
    let_in = [Identity(bytes([number]) * 32) for number in range(20, 24)]
    said = _said_by(C, [one.public for one in let_in])
    further = [statement for one in let_in for statement in _said_by(one, [D.public] * 3)]
    found = counted(A.device_id, _set(*_chain(), *said, *further))
    assert len(found) == 12
    assert _set(*_chain(), *said).keys() <= found.keys()
    assert {found[body].issuer.device_id for body in found} >= {one.device_id for one in let_in}, "of each the same"


@pytest.mark.parametrize("issuer", [D, C], ids=["a stranger", "a member"])
def test_what_counts_does_not_depend_on_the_order(issuer: Identity) -> None:
    said = _said_by(issuer, [D.public] * (MAX_STATEMENTS_OF_ONE + 44))
    one, other = _set(*_chain(), *said[:150]), _set(*_chain(), *said[150:])
    first, second = counted(A.device_id, one), counted(A.device_id, other)
    assert counted(A.device_id, first | second) == counted(A.device_id, second | first)
    assert counted(A.device_id, first | second) == counted(A.device_id, one | other)


def _by_passes(founder: DeviceID, statements: list[Statement]) -> dict[DeviceID, Role]:
    """The members after going through all statements again and again, without removals."""
    roles: dict[DeviceID, Role] = {}
    changed = True
    while changed:
        changed = False
        for s in statements:
            issuer, subject = s.issuer.device_id, s.subject.device_id
            own = Role.ADMINISTRATOR if issuer == subject == founder else roles.get(issuer, Role.REMOVED)
            role = min(s.role, own)
            if own >= Role.MEMBER and roles.get(subject, Role.REMOVED) < role:
                roles[subject] = role
                changed = True
    return roles


_SIGNERS = [Identity(bytes([number]) * 32) for number in range(1, 6)]


def _said(issuer: Identity, subject: Identity, role: Role, counter: int) -> Statement:
    """A statement whose signature nobody checks."""
    return Statement(FOLDER, subject.public, role, issuer.public, counter, "name", bytes(64))


said = st.builds(
    _said, st.sampled_from(_SIGNERS), st.sampled_from(_SIGNERS),
    st.sampled_from([Role.READ_ONLY, Role.MEMBER, Role.ADMINISTRATOR]), st.integers(0, 9),
)  # fmt: skip


@given(st.lists(said, max_size=12), st.randoms())
def test_who_is_a_member_does_not_depend_on_the_order(statements: list[Statement], rng: random.Random) -> None:
    statements.append(_said(A, A, Role.ADMINISTRATOR, 1))
    found = evaluate(A.device_id, statements)
    assert {device: member.role for device, member in found.items()} == _by_passes(A.device_id, statements)
    rng.shuffle(statements)
    assert evaluate(A.device_id, statements) == found


def test_a_chain_of_introductions_is_gone_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each lets in the next one, with a smaller counter: a pass for each of them took a quarter of an hour."""
    chain = [PublicIdentity(number.to_bytes(32, "big"), bytes(32)) for number in range(4000)]
    statements = [
        Statement(FOLDER, subject, Role.MEMBER, issuer, 9999 - number, "name", bytes(64))
        for number, (issuer, subject) in enumerate(pairwise(chain))
    ]
    statements.append(Statement(FOLDER, chain[0], Role.ADMINISTRATOR, chain[0], 0, "name", bytes(64)))
    taken: list[int] = []
    take = membership._Evaluation._take
    monkeypatch.setattr(
        membership._Evaluation, "_take", lambda self, number: (taken.append(number), take(self, number))
    )
    assert len(evaluate(chain[0].device_id, statements)) == len(chain)
    assert len(taken) == len(statements)


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_changed_statement_does_not_verify(position: int, change: int) -> None:
    data = bytearray(_chain()[1].encode())
    assert read_statement(bytes(data), FOLDER) == _chain()[1]
    data[position % len(data)] ^= change
    with pytest.raises(MessageFault):
        read_statement(bytes(data), FOLDER)


def test_a_statement_is_for_one_folder() -> None:
    with pytest.raises(MessageFault, match="another folder"):
        read_statement(_chain()[1].encode(), FolderID(b"g" * 16))


_SMALL = PublicIdentity(A.public.signing_key, bytes(32)), PublicIdentity(b"\x01" + bytes(31), A.public.noise_key)


@pytest.mark.parametrize("weak", _SMALL)
def test_a_statement_about_a_key_without_an_owner_is_refused(weak: PublicIdentity) -> None:
    statement = sign_statement(A, FOLDER, weak, Role.MEMBER, 100, "zero")
    with pytest.raises(MessageFault, match="small order"):
        read_statement(statement.encode(), FOLDER)


def test_a_statement_by_a_key_without_an_owner_is_refused() -> None:
    """With R = A of small order and S = 0 every message verifies."""
    point = b"\x01" + bytes(31)
    issuer = PublicIdentity(point, A.public.noise_key)
    forged = Statement(FOLDER, B.public, Role.MEMBER, issuer, 1, "b", point + bytes(32))
    with pytest.raises(MessageFault, match="small order"):
        read_statement(forged.encode(), FOLDER)


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
    grant = Grant(FOLDER, A.device_id, "notes", "laptop", tuple(s.encode() for s in _chain()))
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
