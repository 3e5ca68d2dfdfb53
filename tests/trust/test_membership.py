"""Who is a member, by signed statements that name what their issuers knew."""

from __future__ import annotations

import random
from typing import Any

import pytest
from effort import many
from membership_histories import History
from membership_oracle import Slow, result_of
from room import Peer, evaluated, meet, roles

from yp2p.trust.ancestry import Ancestry, bits
from yp2p.trust.counting import Rules
from yp2p.trust.membership import evaluate
from yp2p.trust.statements import Role, Statement


def _room(*names: str) -> list[Peer]:
    """A founder and others, each let in by the founder; all know all, and have acknowledged it."""
    founder = Peer.founder(names[0])
    peers = [founder, *(Peer(name) for name in names[1:])]
    for peer in peers[1:]:
        founder.grant(peer)
    meet(*peers)
    for peer in peers:
        peer.acknowledge()
    meet(*peers)
    return peers


def test_administrators_let_in_and_members_do_not() -> None:
    a = Peer.founder("a")
    b, c, d = Peer("b"), Peer("c"), Peer("d")
    a.grant(b, Role.ADMINISTRATOR)
    b.grant(c, Role.MEMBER)
    c.grant(d, Role.MEMBER)
    c.remove(a)
    assert roles(a, c.known) == {"a": Role.ADMINISTRATOR, "b": Role.ADMINISTRATOR, "c": Role.MEMBER}


def test_nobody_but_the_founder_lets_itself_in() -> None:
    a, x = Peer.founder("a"), Peer.founder("x")
    assert roles(a, a.known | x.known) == {"a": Role.ADMINISTRATOR}
    assert roles(a, x.known) == {}


def test_a_removal_leaves_what_it_names_and_beats_what_is_concurrent() -> None:
    a, thief, c = _room("a", "thief", "c")
    before, after = Peer("before"), Peer("after")
    thief.grant(before)
    meet(a, thief, before)
    a.remove(thief)
    lost = thief.grant(after)
    meet(a, thief, c, before, after)
    assert set(roles(a, a.known)) == {"a", "c", "before"}
    assert evaluated(a, a.known).lost == (lost,)
    a.grant(after)
    assert set(roles(a, a.known)) == {"a", "c", "before", "after"}


def test_what_most_third_members_had_before_the_removal_came_stays() -> None:
    a, thief, c = _room("a", "thief", "c")
    friend = Peer("friend")
    removal = a.remove(thief)
    thief.grant(friend)
    meet(thief, c, friend)
    assert "friend" not in roles(a, a.known | friend.known)
    c.acknowledge(removal)
    assert set(roles(a, c.known)) == {"a", "c", "friend"}
    late = Peer("late")
    thief.grant(late)
    meet(a, thief, c, late)
    assert set(roles(a, c.known)) == {"a", "c", "friend"}


def test_one_member_that_has_not_heard_yet_is_not_enough_for_a_thief() -> None:
    a, thief, b, c, away = _room("a", "thief", "b", "c", "away")
    removal = a.remove(thief)
    for peer in (b, c):
        peer.acknowledge(removal)
    accomplice = Peer("accomplice")
    thief.grant(accomplice)
    thief.remove(a)
    thief.remove(b)
    accomplice.known |= thief.known
    accomplice.remove(c)
    away.known |= accomplice.known
    away.acknowledge()
    away.acknowledge(removal)
    meet(a, b, c, away)
    assert set(roles(a, a.known)) == {"a", "b", "c", "away"}


def test_a_member_that_forks_has_one_vote() -> None:
    """A reader whom the thief had let in before says in many forks that it had what the thief said later."""
    a, thief, b, c, d = _room("a", "thief", "b", "c", "d")
    thief.grant(helper := Peer("helper"), Role.READER)
    meet(a, thief, b, c, d, helper)
    before = set(helper.known)
    removal = a.remove(thief)
    for peer in (b, c, d):
        peer.acknowledge(removal)
    thief.remove(a)
    thief.remove(b)
    thief.grant(Peer("friend"))
    forks = [Peer("helper", before).grant(Peer(f"fork {number}")) for number in range(9)]
    said = [Peer("helper", thief.known | {removal, fork}) for fork in forks]
    for fork in said:
        fork.acknowledge()
    meet(a, b, c, d, *said)
    assert set(roles(a, a.known)) == {"a", "b", "c", "d", "helper"}


def test_one_who_was_removed_comes_back_behind_all_removals_only() -> None:
    a, b, c = _room("a", "b", "c")
    b.remove(c)
    a.remove(c)
    a_again = Peer("c", a.known)
    a.grant(a_again)  # does not know what b said
    meet(a, b)
    assert "c" not in roles(a, a.known)
    a.grant(c)
    assert roles(a, a.known)["c"] is Role.ADMINISTRATOR


def test_a_right_that_is_taken_away_is_removed_like_a_device() -> None:
    a, b, c = _room("a", "b", "c")
    x = Peer("x")
    a.remove(b, Role.MEMBER)
    b.grant(x)
    c.remove(b, Role.READER)
    meet(a, b, c)
    assert roles(a, a.known) == {"a": Role.ADMINISTRATOR, "c": Role.ADMINISTRATOR, "b": Role.READER}
    a.grant(b, Role.MEMBER)
    assert roles(a, a.known)["b"] is Role.MEMBER


def test_each_member_may_leave_and_comes_back_by_a_grant() -> None:
    a, _ = _room("a", "b")
    reader = Peer("reader")
    a.grant(reader, Role.READER)
    reader.remove(reader)
    reader.acknowledge()
    assert set(roles(a, reader.known)) == {"a", "b"}
    meet(a, reader)
    a.grant(reader, Role.READER)
    assert roles(a, a.known)["reader"] is Role.READER


def test_a_removal_that_is_dated_back_removes_nobody() -> None:
    """The thief's device is the founder's: weeks later it says that it had thrown out its remover long before."""
    thief, a, b, c = _room("thief", "a", "b", "c")
    early = set(thief.known)
    removal = a.remove(thief)
    for peer in (b, c):
        peer.acknowledge(removal)
    meet(a, b, c)
    for known in ([one for one in early if not one.previous], early):
        forged = thief.fork(known)
        for victim in (a, b, c):
            forged.remove(victim)
        accomplice = Peer("accomplice")
        forged.grant(accomplice)
        accomplice.acknowledge(removal)
        accomplice.remove(a)
        assert set(roles(thief, a.known | accomplice.known)) == {"a", "b", "c"}


def test_a_removal_that_is_dated_back_behind_its_makers_last_statement_needs_no_vote() -> None:
    """Two devices in all, the thief has the older one: what it acknowledged says that it knew of the other one."""
    thief, a = _room("thief", "a")
    first = [one for one in thief.known if not one.previous]
    a.remove(thief)
    forged = thief.fork(first)
    forged.remove(a)
    assert set(roles(thief, a.known | forged.known)) == {"a"}


def test_of_two_who_remove_each_other_the_older_one_stays_where_nobody_else_is() -> None:
    a, b = _room("a", "b")
    a.remove(b)
    b.remove(a)
    assert set(roles(a, a.known | b.known)) == {"a"}


def test_a_lost_founder_that_was_off_when_others_were_let_in_loses_to_who_was_heard_first_by_one_that_it_knew() -> None:
    laptop, desktop, pi = _room("laptop", "desktop", "pi")
    phone, tablet = Peer("phone"), Peer("tablet")
    desktop.grant(phone)
    desktop.grant(tablet)
    desktop.remove(laptop)
    for peer in (phone, tablet, pi):
        peer.acknowledge(*desktop.known)
    laptop.remove(desktop)
    laptop.remove(pi)
    laptop.grant(Peer("friend"))
    meet(laptop, desktop, pi, phone, tablet)
    assert set(roles(laptop, desktop.known)) == {"desktop", "pi", "phone", "tablet"}


def test_a_lost_founder_that_knew_nobody_but_its_remover_is_the_elder_unless_it_has_met_one_of_the_others_since() -> (
    None
):
    """What the rule cannot do; a single link with the others, or the remover, after they were let in is enough."""
    for has_met in (False, True):
        laptop, desktop = _room("laptop", "desktop")
        phone = Peer("phone")
        before = set(laptop.known)
        desktop.grant(phone)
        if has_met:
            laptop.acknowledge(*desktop.known)
            meet(laptop, desktop)
        desktop.remove(laptop)
        phone.acknowledge(*desktop.known)
        counter = laptop.fork(before)
        counter.remove(desktop)
        assert ("desktop" in roles(laptop, desktop.known | phone.known | counter.known)) is has_met


def test_a_removal_stands_against_a_friend_of_the_thief_from_a_branch_that_is_dated_back() -> None:
    """Each of both removals names what the other one makes a fork: those decide who heard of one first."""
    thief, a, member, late = Peer.founder("thief"), Peer("a"), Peer("member"), Peer("late")
    thief.grant(a)
    thief.grant(member, Role.MEMBER)
    for peer in (a, member):
        meet(thief, peer)
        peer.acknowledge()
    meet(thief, a, member)
    before = set(thief.known)
    thief.grant(late)
    removal = late.remove(thief)
    for peer in (a, member):
        peer.known |= late.known
        peer.acknowledge(removal)
    forged, friend = thief.fork(before), Peer("friend")
    forged.grant(friend)
    counter = friend.remove(thief)
    for peer in (a, member, late):
        peer.known |= friend.known
        peer.acknowledge(counter)
    meet(a, member, late)
    assert roles(thief, a.known) == {"a": Role.ADMINISTRATOR, "member": Role.MEMBER, "late": Role.ADMINISTRATOR}
    assert evaluated(thief, a.known).removals[thief.identity.device_id] == (removal,)


def _with_second_beginning(friends: int) -> tuple[Peer, list[Peer], Peer]:
    """A thief, those who removed him, and a friend whom he let in before all of them and who removed him there.

    Everybody on both sides has acknowledged the removal there, and knows nothing of the other side.
    """
    thief = Peer.founder("thief")
    forged, friend, *others = thief.fork(thief.known), *(Peer(f"friend {number}") for number in range(friends))
    honest = [Peer(name) for name in "abc"]
    for device, (first, *rest) in ((forged, [friend, *others]), (thief, honest)):
        for peer in (first, *rest):
            device.grant(peer)
        for peer in (first, *rest):
            peer.acknowledge(*device.known)
        meet(device, first, *rest)
        removal = first.remove(thief)
        for peer in rest:
            peer.acknowledge(removal)
        meet(first, *rest)
    return thief, honest, friend


@pytest.mark.parametrize("friends", [1, 3, 9])
def test_of_two_beginnings_each_device_goes_by_the_one_that_it_had_first(friends: int) -> None:
    """A thief has signed both, and chooses how many friends he has on his: by the statements alone both are alike."""
    thief, honest, friend = _with_second_beginning(friends)
    known = friend.known.union(*(peer.known for peer in honest))
    assert roles(thief, known) == {}
    assert {tuple(roles(thief, known, peer)) for peer in honest} == {("a", "b", "c")}
    assert len(roles(thief, known, friend)) == friends


def test_a_device_that_is_let_in_later_goes_by_the_beginning_that_it_was_let_in_behind() -> None:
    thief, honest, friend = _with_second_beginning(3)
    meet(*honest, friend)
    honest[1].grant(late := Peer("late"))
    assert set(roles(thief, late.known, late)) == {"a", "b", "c", "late"}
    late.acknowledge()
    friend.grant(late)  # what comes after that does not matter
    assert set(roles(thief, late.known, late)) == {"a", "b", "c", "late"}


def test_of_two_branches_the_one_stands_that_more_third_members_had_before_any_removal() -> None:
    """The thief shows a device that was away the removal of his friend first; what it acknowledged before counts."""
    thief, away, a = Peer.founder("thief"), Peer("away"), Peer("a")
    thief.grant(away)
    forged, friend = thief.fork(thief.known), Peer("friend")
    thief.grant(a)
    away.acknowledge(*thief.known)
    meet(thief, away, a)
    removal = a.remove(thief)
    forged.grant(friend)
    away.acknowledge(friend.remove(thief), *friend.known)
    away.acknowledge(removal, *a.known)
    assert set(roles(thief, away.known)) == {"away", "a"}


def test_a_device_that_was_away_puts_out_nobody_whom_the_other_branch_did_not_let_in() -> None:
    """It was let in before the branches part, has said nothing since, and is shown the thief's one first."""
    thief, awake, away, remover, late = (
        Peer.founder("thief"),
        Peer("awake"),
        Peer("away"),
        Peer("remover"),
        Peer("late"),
    )
    thief.grant(away)
    thief.grant(awake)
    forged, friend = thief.fork(thief.known), Peer("friend")
    thief.grant(remover)
    thief.grant(late)
    meet(remover, late)
    removal = remover.remove(thief)
    late.acknowledge(removal)
    meet(remover, late)
    forged.grant(friend)
    away.acknowledge(friend.remove(thief), *friend.known)
    known, honest = away.known | late.known, {"awake", "away", "remover", "late"}
    for peer in (remover, late):
        assert set(roles(thief, known, peer)) == honest
    assert set(roles(thief, known, away)) == {"awake", "away", "friend"}, "what this cannot do"

    meet(awake, late)
    awake.acknowledge()
    known |= awake.known
    for peer in (remover, late, awake):
        assert set(roles(thief, known, peer)) == honest
    assert set(roles(thief, known, away)) == {"awake", "away", "friend"}, "one had each branch first"


def test_who_leaves_on_a_branch_that_is_dated_back_takes_nobody_along() -> None:
    """The thief has the founder's device, and all have acknowledged that it is removed."""
    thief, a, b = _room("thief", "a", "b")
    first = [one for one in thief.known if not one.previous]
    removal = a.remove(thief)
    b.acknowledge(removal)
    meet(a, b)
    for role in (Role.REMOVED, Role.READER):
        forged = thief.fork(first)
        forged.acknowledge()
        forged.remove(thief, role)
        assert set(roles(thief, a.known | forged.known)) == {"a", "b"}


def test_who_was_demoted_makes_nobody_a_member_whatever_it_dates_back() -> None:
    a, b, c = _room("a", "b", "c")
    early = {one for one in a.known if not one.previous}
    a.remove(b, Role.MEMBER)
    for known in (early, set(b.known)):
        forged = b.fork(known)
        forged.grant(Peer("friend"))
        forged.grant(b)
        forged.remove(a)
        found = roles(a, a.known | c.known | forged.known)
        assert found == {"a": Role.ADMINISTRATOR, "b": Role.MEMBER, "c": Role.ADMINISTRATOR}


def test_of_two_who_remove_each_other_the_one_stays_that_more_heard_first() -> None:
    a, b, c, d, e = _room("a", "b", "c", "d", "e")
    by_a, by_b = a.remove(b), b.remove(a)
    c.acknowledge(by_b)
    d.acknowledge(by_b)
    e.acknowledge(by_a)
    for peer, other in ((c, by_a), (d, by_a), (e, by_b)):
        peer.acknowledge(other)
    meet(a, b, c, d, e)
    assert set(roles(a, a.known)) == {"b", "c", "d", "e"}


def test_nobody_brings_voters_along() -> None:
    a, b, c = _room("a", "b", "c")
    by_a, by_b = a.remove(b), b.remove(a)
    c.acknowledge(by_a)
    for number in range(5):
        friend = Peer(f"friend {number}")
        b.grant(friend)
        friend.acknowledge()
    meet(a, b, c)
    c.acknowledge()
    assert by_b in c.known
    assert set(roles(a, c.known)) == {"a", "c"}


def test_in_a_circle_one_stands() -> None:
    a, b, c = _room("a", "b", "c")
    a.remove(b)
    b.remove(c)
    c.remove(a)
    assert set(roles(a, a.known | b.known | c.known)) == {"a", "c"}


def test_a_removal_that_others_exclude_only_together_is_not_in_force() -> None:
    """A demotes B, and only C had heard of that before E's removal of A came; but D removes C, whose word is gone."""
    a, b, c, d, e = _room("a", "b", "c", "d", "e")
    of_b, of_c, of_a = a.remove(b, Role.MEMBER), d.remove(c), e.remove(a)
    c.acknowledge(of_b)
    c.acknowledge(of_a)
    known = set().union(*(peer.known for peer in (a, b, c, d, e)))
    assert result_of(evaluated(a, known - {of_c}))[1] == {of_b, of_a}
    assert result_of(evaluated(a, known))[1] == {of_c, of_a}
    assert set(roles(a, known)) == {"b", "d", "e"}
    assert roles(a, known)["b"] is Role.ADMINISTRATOR
    _agrees(a, known)


def test_who_has_no_say_any_more_does_not_decide_between_two_who_remove_each_other() -> None:
    """C had heard of B's removal of A first, and D of A's of B: equal, and A is the elder. But C and D remove each
    other as well, and there C is the elder."""
    a, b, c, d = _room("a", "b", "c", "d")
    by_a, by_b, by_c, by_d = a.remove(b), b.remove(a), c.remove(d), d.remove(c)
    c.acknowledge(by_b)
    c.acknowledge(by_a)
    d.acknowledge(by_a)
    known = set().union(*(peer.known for peer in (a, b, c, d)))
    assert result_of(evaluated(a, known - {by_c, by_d}))[1] == {by_a}
    assert result_of(evaluated(a, known))[1] == {by_c, by_b}
    assert set(roles(a, known)) == {"b", "c"}
    _agrees(a, known)


def test_in_a_circle_without_an_answer_all_agree_and_who_is_left_lets_in_again() -> None:
    """D removes E, which alone kept it that A's demotion of D does not count: so D could not have removed E."""
    a, b, c, d, e = _room("a", "b", "c", "d", "e")
    of_e, of_d, of_a = d.remove(e), a.remove(d, Role.MEMBER), b.remove(a)
    e.acknowledge(of_a)
    c.acknowledge(of_d)
    c.acknowledge(of_a)
    known = set().union(*(peer.known for peer in (a, b, c, d, e)))
    assert result_of(evaluated(a, known))[1] == {of_e, of_d, of_a}
    assert roles(a, known) == {"b": Role.ADMINISTRATOR, "c": Role.ADMINISTRATOR, "d": Role.MEMBER}
    _agrees(a, known)

    meet(a, b, c, d, e)
    for peer in (a, d, e):
        b.grant(peer)
    assert set(roles(a, b.known)) == {"a", "b", "c", "d", "e"}


def _agrees(founder: Peer, known: set[Statement]) -> None:
    """With the rules that are written once more, and whoever asks."""
    for asking in (None, *{one.issuer_id for one in known}):
        slow = Slow(founder.identity.device_id, Ancestry(known).statements, asking)
        found = evaluate(founder.identity.device_id, known, asking)
        assert result_of(found) == slow.result() == result_of(evaluated(founder, known))


def test_statements_without_their_predecessors_are_not_looked_at() -> None:
    a, b, _ = _room("a", "b", "c")
    removal = a.remove(b)
    without = {one for one in a.known if one.hash not in removal.previous}
    assert "b" in roles(a, without)
    assert Ancestry(without).missing == set(removal.previous) & Ancestry(without).missing != set()


@pytest.mark.parametrize("seed", range(30))
def test_a_thief_gets_nothing_whatever_he_dates_back(seed: int) -> None:
    history = History(random.Random(seed))
    history.play(12)
    assert history.broken() == []


@pytest.mark.parametrize("seed", range(20))
def test_what_one_removal_more_changes_is_what_all_say_anew(seed: int) -> None:
    rng = random.Random(seed)
    peers = _room("a", "b", "c", "d", "e")
    for _ in range(15):
        one, other = rng.sample(peers, 2)
        rng.choice((one.remove, one.grant))(other)
        rng.choice((one, other)).acknowledge()
        meet(*rng.sample(peers, 2))
        if rng.random() < 0.3:  # somebody goes on from what was known before
            rng.choice(peers).known &= rng.choice(peers).known
    founder, ancestry = peers[0].identity.device_id, Ancestry(set().union(*(peer.known for peer in peers)))
    rules, slow = Rules(founder, ancestry), Slow(founder, ancestry.statements)

    def said(some: int) -> set[Statement]:
        return {ancestry.statements[number] for number in bits(some)}

    in_force, removals = 0, list(bits(rules.removals))
    for removal in rng.sample(removals, len(removals)):
        before = rules.counting(in_force)
        assert said(before.counted) == slow.counting(frozenset(said(in_force)))
        without_forks = slow.counting(frozenset(said(in_force)), forks_of=ancestry.statements[removal])
        assert said(rules.counting_without(before, rules.forked(removal))) == without_forks
        in_force |= 1 << removal
        assert said(rules.counting_with(before, removal).counted) == slow.counting(frozenset(said(in_force)))


def test_what_a_thief_says_in_a_thousand_forks_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    a, thief, *others = _room("a", "thief", "b", "c")
    before, rng = set(thief.known), random.Random(1)
    for number in range(1000):
        fork = thief.fork(before)
        fork.grant(Peer(f"friend {number}"))
        fork.remove(rng.choice([a, *others]), rng.choice((Role.REMOVED, Role.MEMBER)))
        thief.known |= fork.known
    looked_at = 0
    counting_with = Rules.counting_with

    def counted(rules: Rules, before: object, removal: int) -> object:
        nonlocal looked_at
        looked_at += 1
        return counting_with(rules, before, removal)  # type: ignore[arg-type]

    monkeypatch.setattr(Rules, "counting_with", counted)
    a.remove(thief)
    meet(a, *others)
    assert set(roles(a, a.known | thief.known)) == {"a", "b", "c"}
    assert 0 < looked_at < 100


def _undone(accomplices: int, removals: int) -> tuple[Peer, set[Statement]]:
    """A ring of which each removes the next one, several times: it comes undone one after the other."""
    founder, *ring = _room("founder", *(f"accomplice {number}" for number in range(accomplices)))
    known = set(founder.known)
    for number, peer in enumerate(ring):
        fork = peer.fork(known)
        for _ in range(removals):
            fork.remove(ring[(number + 1) % accomplices])
        founder.known |= fork.known
    return founder, founder.known


def test_of_a_ring_that_comes_undone_each_removal_is_looked_at_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    founder, known = _undone(30, 4)
    looked_at = 0
    counting_with = Rules.counting_with

    def counted(rules: Rules, before: Any, removal: int) -> object:
        nonlocal looked_at
        looked_at += 1
        return counting_with(rules, before, removal)

    monkeypatch.setattr(Rules, "counting_with", counted)
    assert len(roles(founder, known)) == 1 + 15
    assert 0 < looked_at < 2 * 30 * 4


def test_of_many_circles_without_an_answer_each_statement_is_looked_at_a_few_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each has a removal that counts by the word of somebody; there are as many as somebody likes."""
    founder, looked_at = Peer.founder("founder"), 0
    known, begun = set(founder.known), set(founder.known)
    for number in range(20):
        a, b, c, d, e = (Peer(f"{name} {number}") for name in "abcde")
        founder.known = set(begun)
        for peer in (a, b, c, d, e):
            founder.grant(peer)
        meet(founder, a, b, c, d, e)
        of_d, of_a = a.remove(d, Role.MEMBER), b.remove(a)
        d.remove(e)
        e.acknowledge(of_a)
        c.acknowledge(of_d)
        c.acknowledge(of_a)
        known |= set().union(*(peer.known for peer in (a, b, c, d, e)))
    counts = Rules._counts

    def counted(rules: Rules, *arguments: Any) -> bool:
        nonlocal looked_at
        looked_at += 1
        return counts(rules, *arguments)

    monkeypatch.setattr(Rules, "_counts", counted)
    assert len(result_of(evaluated(founder, known))[1]) == 3 * 20
    assert 0 < looked_at < 20 * len(known)


@pytest.mark.parametrize("seed", range(many(200)))
def test_what_follows_is_what_slow_rules_say(seed: int) -> None:
    """Many removals, forks and votes of a few devices; the small sets that are all tried have none of some of these."""
    rng = random.Random(seed)
    peers = _room(*"abcdef"[: rng.randint(3, 6)])
    begun, known = set(peers[0].known), set(peers[0].known)
    for _ in range(rng.randint(4, 16)):
        one, other = rng.sample(peers, 2)
        if rng.random() < 0.2:
            one.known = set(begun)
        match rng.randrange(6):
            case 0:
                one.grant(other, rng.choice((Role.ADMINISTRATOR, Role.MEMBER)))
            case 1:
                one.acknowledge()
            case 2:
                meet(*rng.sample(peers, 2))
            case _:
                one.remove(other if rng.random() < 0.9 else one, rng.choice((Role.REMOVED, Role.REMOVED, Role.MEMBER)))
        known |= one.known
    founder, statements = peers[0].identity.device_id, Ancestry(known).statements
    for peer in (None, *peers):
        asking = peer.identity.device_id if peer is not None else None
        found, wanted = result_of(evaluated(peers[0], known, peer)), Slow(founder, statements, asking).result()
        assert (list(found[0].items()), found[1]) == (list(wanted[0].items()), wanted[1])


def test_in_each_of_several_circles_one_stands() -> None:
    a, b, c, d, e, f = _room("a", "b", "c", "d", "e", "f")
    for circle in ((a, b, c), (d, e, f)):
        for number, peer in enumerate(circle):
            peer.remove(circle[(number + 1) % 3])
    known = set().union(*(peer.known for peer in (a, b, c, d, e, f)))
    assert set(roles(a, known)) == {"a", "c", "d", "f"}


@pytest.mark.parametrize("seed", range(20))
def test_the_order_in_which_statements_come_does_not_matter(seed: int) -> None:
    rng = random.Random(seed)
    peers = _room("a", "b", "c", "d")
    for _ in range(12):
        one, other = rng.sample(peers, 2)
        match rng.randrange(4):
            case 0:
                one.remove(other, rng.choice((Role.REMOVED, Role.MEMBER)))
            case 1:
                one.grant(other)
            case 2:
                one.acknowledge()
            case _:
                meet(one, other)
    everything = sorted(set().union(*(peer.known for peer in peers)), key=lambda one: one.hash)
    wanted = evaluated(peers[0], everything)
    for _ in range(5):
        rng.shuffle(everything)
        assert evaluated(peers[0], everything) == wanted
