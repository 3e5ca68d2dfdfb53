"""Which statements are kept: the same on every device, and whoever says much takes nothing from others."""

from __future__ import annotations

import pytest
from room import Peer

from yp2p.trust import limits
from yp2p.trust.ancestry import Ancestry, bits
from yp2p.trust.limits import kept
from yp2p.trust.statements import Role, Statement


def _kept(founder: Peer, *statements: Statement) -> set[Statement]:
    return set(kept(founder.identity.device_id, statements).values())


def _said(peer: Peer, count: int) -> list[Statement]:
    """Grants, each made of what the first one was."""
    return [Peer(peer.name, peer.known).grant(Peer(f"{peer.name} {number}")) for number in range(count)]


def _said_in_turn(peer: Peer, count: int) -> list[Statement]:
    """Grants, each made in knowledge of the one before."""
    peer = Peer(peer.name, peer.known)
    return [peer.grant(Peer(f"{peer.name} {number}")) for number in range(count)]


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_STATEMENTS", 24)
    monkeypatch.setattr(limits, "MAX_STATEMENTS_OF_ONE", 8)
    monkeypatch.setattr(limits, "MOST_COUNTED", 2)


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
    found = _kept(a, *b.known, *_said_in_turn(b, 20))
    assert len(found) == len(a.known) + 8
    b.known = set(found)
    removal = b.remove(a)
    late = a.grant(Peer("late"))
    assert {removal, late} <= _kept(a, *found, *b.known, *a.known)


def test_a_chain_of_its_issuers_own_statements_is_kept_as_far_as_there_may_be_so_many() -> None:
    """Of each kind the first ones, and what they name: that must not be any number of another kind."""
    a, b = Peer.founder("a"), Peer("b")
    a.grant(b)
    for _ in range(60):
        b.acknowledge()
    grant = b.grant(Peer("x"))
    found = _kept(a, *b.known)
    assert grant not in found
    assert len(found) == len(a.known) + 8


def test_of_who_forks_the_first_ones_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_STATEMENTS", 1000)  # there is room for all of them
    a, b = Peer.founder("a"), Peer("b")
    a.grant(b)
    chains = [Peer("b", b.known) for _ in range(20)]
    for number, fork in enumerate(chains):
        fork.grant(Peer(f"x {number}"))
        for _ in range(6):
            fork.acknowledge()
        fork.grant(Peer(f"y {number}"))
    found = _kept(a, *b.known, *(said for fork in chains for said in fork.known))
    assert len(found) == len(a.known) + 4 * 8


def test_what_names_more_than_is_ever_kept_is_not_kept() -> None:
    a = Peer.founder("a")
    peers = [Peer(f"b {number}") for number in range(7)]
    for peer in peers:
        a.grant(peer)
    for peer in peers:
        peer.known = a.known | set(_said_in_turn(Peer(peer.name, a.known), 8))
    last = peers[-1].fork(a.known)
    for peer in peers[:-1]:
        last.acknowledge(*peer.known)
    removal = last.remove(a)  # which goes first, where it is kept
    found = _kept(a, *last.known, *(said for peer in peers for said in peer.known))
    assert removal not in found
    ours = Peer("a", found)
    assert ours.acknowledge_within() in _kept(a, *ours.known), "what we say is kept all the same"


def test_what_this_device_says_names_no_more_than_is_kept() -> None:
    a = Peer.founder("a")
    peers = [_admin(a, f"b {number}") for number in range(7)]
    a.acknowledge()
    every = a.known.union(*(_said_in_turn(Peer(peer.name, a.known), 8) for peer in peers))
    ancestry, own = Ancestry(every), a.identity.device_id
    named = [ancestry.up_to(head) for head in limits.heads_within(ancestry, own, ancestry.everything)]
    past = 0
    for one in named:
        past |= one
    assert past.bit_count() <= 24 < len(every)


def test_what_others_name_is_not_pushed_out_by_what_is_dated_back() -> None:
    a, b = Peer.founder("a"), Peer("b")
    a.grant(b)
    first = set(a.known)
    for _ in range(3):
        b.acknowledge()
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


def test_a_removal_fits_however_far_from_the_founder_its_issuer_is_and_however_many_a_thief_says() -> None:
    a, thief, c, d = Peer.founder("a"), Peer("thief"), Peer("c"), Peer("d")
    a.grant(thief)
    a.grant(c)
    c.grant(d)
    friends = [Peer(f"friend {number}") for number in range(6)]
    for friend in friends:
        thief.grant(friend)
    for peer in (thief, *friends):
        peer.known |= thief.known
        for _ in range(8):
            peer.acknowledge()
            peer.remove(Peer("nobody"))
            peer.grant(Peer("somebody"))
    thief.acknowledge(*(said for friend in friends for said in friend.known))
    thief.fork(thief.known).remove(d)
    removal = d.remove(thief)
    found = _kept(a, *d.known, *thief.known, *(said for friend in friends for said in friend.known))
    assert removal in found


def test_who_answers_a_forker_says_no_more_than_others_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_STATEMENTS", 1000)
    a, thief, other, c = Peer.founder("a"), Peer("thief"), Peer("other"), Peer("c")
    for peer in (thief, other, c):
        a.grant(peer)
    for number in range(20):
        c.acknowledge(Peer("thief", a.known).remove(Peer(f"nobody {number}")))
    answer = c.acknowledge(other.remove(thief))
    found = _kept(a, *c.known, *other.known)
    assert answer not in found, "it names what is not kept"
    said = {one.hash for one in found if one.issuer == c.identity.public}
    assert len(said) == 8
    ancestry = Ancestry(found)
    last = max(bits(ancestry.mask(said)))
    c.known = {ancestry.statements[number] for number in bits(ancestry.up_to(ancestry.statements[last].hash))}
    c.known |= other.known
    assert c.acknowledge() in _kept(a, *c.known), "of another remover the first answer is kept"


def _admin(a: Peer, name: str) -> Peer:
    peer = Peer(name)
    a.grant(peer)
    return peer


def test_removals_go_before_what_those_who_are_nearer_let_in() -> None:
    a = Peer.founder("a")
    near = [_admin(a, f"near {number}") for number in range(6)]
    c = _admin(a, "c")
    d = _admin(c, "d")
    removal = d.remove(near[0])
    found = _kept(a, *d.known, *(said for peer in near for said in _said_in_turn(peer, 8)))
    assert removal in found


def test_of_each_the_first_removal_goes_before_the_second_of_anybody() -> None:
    a = Peer.founder("a")
    thief, c = _admin(a, "thief"), _admin(a, "c")
    d = _admin(c, "d")
    forks = [Peer("thief", thief.known) for _ in range(30)]
    more = [fork.remove(Peer(f"nobody {number}")) for number, fork in enumerate(forks)]
    removal = d.remove(thief)
    found = _kept(a, *d.known, *thief.known, *more)
    assert removal in found
    assert not found.issuperset(more)


def test_of_first_removals_those_of_issuers_nearer_to_the_founder_go_before_others() -> None:
    a = Peer.founder("a")
    thief, b = _admin(a, "thief"), _admin(a, "b")
    friends = [Peer(f"friend {number}") for number in range(30)]
    for friend in friends:
        friend.known |= {*thief.known, Peer("thief", thief.known).grant(friend)}
        friend.remove(a)
    for _ in range(6):
        b.acknowledge()
    removal = b.remove(thief)
    found = _kept(a, *b.known, *(said for friend in friends for said in friend.known))
    assert removal in found


def test_grants_go_before_acknowledgements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_STATEMENTS", 26)
    monkeypatch.setattr(limits, "MAX_STATEMENTS_OF_ONE", 40)
    a = Peer.founder("a")
    b, *others = [_admin(a, f"b {number}") for number in range(21)]
    for peer in others:
        peer.known = {*a.known, Peer(peer.name, a.known).acknowledge()}
    b.known = set(a.known)
    grants = _said_in_turn(b, 3)
    found = _kept(a, *grants, *(said for peer in others for said in peer.known))
    assert found.issuperset(grants)


def test_what_a_long_past_brings_along_takes_no_places_of_others() -> None:
    a = Peer.founder("a")
    thief, other, b = (_admin(a, name) for name in ("thief", "other", "b"))
    for _ in range(8):
        thief.acknowledge()
        thief.grant(Peer("somebody"))
        thief.remove(Peer("nobody"))
    other.acknowledge(*thief.known)
    removed = other.remove(Peer("nobody"))
    b.acknowledge(*other.known)
    removal = b.remove(thief)
    assert {removed, removal} <= _kept(a, *b.known)
