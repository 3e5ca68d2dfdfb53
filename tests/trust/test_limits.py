"""Which statements are kept: the same on every device, and whoever says much takes nothing from others."""

from __future__ import annotations

import pytest
from room import Peer

from yp2p.trust import limits
from yp2p.trust.limits import kept
from yp2p.trust.statements import Role, Statement


def _kept(founder: Peer, *statements: Statement) -> set[Statement]:
    return set(kept(founder.identity.device_id, statements).values())


def _said(peer: Peer, count: int) -> list[Statement]:
    """Grants, each made of what the first one was."""
    return [Peer(peer.name, peer.known).grant(Peer(f"{peer.name} {number}")) for number in range(count)]


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_STATEMENTS", 24)
    monkeypatch.setattr(limits, "MAX_STATEMENTS_OF_ONE", 8)


def test_what_strangers_say_is_not_kept() -> None:
    a, stranger = Peer.founder("a"), Peer.founder("stranger")
    said = _said(stranger, 5)
    assert _kept(a, *a.known, *said) == a.known
    assert _kept(a, *a.known, *stranger.known, *said, a.grant(stranger)) == a.known, "nor what he said before"
    let_in = Peer("stranger", a.known)
    assert let_in.acknowledge() in _kept(a, *a.known, *let_in.known)


def test_what_a_member_names_of_strangers_is_not_kept() -> None:
    a, b = Peer.founder("a"), Peer("b")
    a.grant(b)
    stranger = Peer("stranger", a.known)
    for _ in range(50):
        stranger.acknowledge()
        stranger.known.add(stranger.grant(Peer("x")))
    b.acknowledge(*stranger.known)
    assert _kept(a, *a.known, *b.known) == a.known


@pytest.mark.parametrize("role", [Role.READER, Role.MEMBER])
def test_what_others_than_administrators_say_of_others_is_not_kept(role: Role) -> None:
    a, b = Peer.founder("a"), Peer("b")
    a.grant(b, role)
    raised = b.fork(b.known)
    raised.grant(raised)
    said = [b.fork(b.known).remove(a), b.fork(b.known).grant(Peer("x")), *raised.known, raised.remove(a)]
    kept_too = [b.fork(b.known).remove(b), b.fork(b.known).acknowledge()]
    assert _kept(a, *b.known, *said, *kept_too) == {*a.known, *kept_too}
    a.grant(b, Role.ADMINISTRATOR)
    later = b.remove(a)
    assert later in _kept(a, *b.known)


def test_who_fills_its_share_takes_nothing_from_others_and_can_still_remove() -> None:
    a, b = Peer.founder("a"), Peer("b")
    a.grant(b)
    said = _said(b, 20)
    found = _kept(a, *b.known, *said)
    assert len(found) == len(a.known) + 8
    removal = b.remove(a)
    late = a.grant(Peer("late"))
    assert {removal, late} <= _kept(a, *found, *b.known, *a.known)


def test_what_others_name_is_not_pushed_out_by_what_is_dated_back() -> None:
    a, b = Peer.founder("a"), Peer("b")
    first = set(a.known)
    a.grant(b)
    let_in = b.grant(Peer("c"))
    a.known |= b.known
    a.acknowledge()
    forged = [Peer("b", first).grant(Peer(f"x {number}")) for number in range(20)]
    assert let_in in _kept(a, *a.known, *forged)


def test_those_nearer_to_the_founder_come_first() -> None:
    a, b = Peer.founder("a"), Peer("b")
    a.grant(b)
    near = [Peer(f"near {number}") for number in range(4)]
    said = [b.grant(peer) for peer in near]
    further = [statement for peer in near for statement in _said(peer, 8)]
    found = _kept(a, *a.known, *b.known, *further)
    assert set(said) <= found
    assert len(found) <= 24 + 1
    counts = [sum(one.issuer == peer.identity.public for one in found) for peer in near]
    assert max(counts) - min(counts) <= 1, "of each as many"


def test_who_removes_much_does_not_use_up_what_others_answer_removals_with() -> None:
    a, thief, b, c = Peer.founder("a"), Peer("thief"), Peer("b"), Peer("c")
    for peer in (thief, b, c):
        a.grant(peer)
    for number in range(20):
        c.acknowledge(thief.remove(Peer(f"nobody {number}")))
        c.known = _kept(a, *c.known)
    removal = b.remove(thief)
    answer = c.acknowledge(removal)
    assert {removal, answer} <= _kept(a, *a.known, *b.known, *thief.known, *c.known)


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.MEMBER])
def test_what_is_kept_does_not_depend_on_the_order(role: Role) -> None:
    a, b = Peer.founder("a"), Peer("b")
    a.grant(b, role)
    said = _said(b, 20)
    one, other = _kept(a, *a.known, *said[:9]), _kept(a, *a.known, *said[9:])
    assert _kept(a, *one, *other) == _kept(a, *other, *one) == _kept(a, *a.known, *said)
