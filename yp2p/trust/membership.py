"""Who is a member of a folder: what follows from a set of signed statements.

Theory of operation
    Statements name what their issuers knew (`statements.py`), so of two statements one is in the *past* of the other,
    or they are *concurrent*. There is no clock, and no counter that an issuer could choose. The founder of the folder
    grants itself the first role. From there on a statement *counts* where its issuer may make it:

    * Administrators grant, remove and change roles; every member may leave, and acknowledge.
    * A device has the highest role of the grants that count. Each removal in force lowers those of them that do not
      follow it: who was removed comes back by a grant that was made in knowledge of all its removals.
    * Removal beats what is concurrent with it. A statement of the removed device that the removal does not name (that
      is not in its past) counts only as far as the role allows that the removal leaves; else a thief dates back what
      he says. What most others had taken before the removal came stays: a statement counts as before if it is in the
      past of the *first* statement behind the removal of more third members than not. So every member acknowledges a
      removal at once, and names the heads that it had then. (If one of them were enough, a thief who meets a single
      device that has not heard yet could let in and remove whom he likes. A member that forks has several first ones,
      and one vote: what is in the past of all of them.)

    Which removals are in force. A removal *attacks* another one that would not count if it were in force. What nobody
    attacks is in force, and what does not count beside it is out; so on. Where two exclude each other,

    * one that forks from what the other names is no attack: a device that goes on from an older statement of its own
      than the one that others have seen has signed both, and dates back. (Administrators acknowledge grants as well,
      so that the last statement of each is a recent one.) Where each forks from what the other names, that does not
      tell which of the two is dated back, and the rule of branches, below, decides. (Who only takes a right from
      itself makes no fork of anything: a thief with the founder's device would leave on a second branch, and take
      everybody along.)
    * else the one stands that more third members acknowledged first. A member has a say only if its own statement
      counts whichever of the two is in force, so nobody brings voters along;
    * equal: the one of the device that was let in earlier. So too in a circle.

    Branches. A device, or a thief who has it, can sign two branches and have a friend on each remove it. By the
    statements alone they are alike: whatever honest devices say on theirs, friends without number say on the other one.
    What can be told apart is who was let in where, and who had which one first. So of two removals of which each
    stands on a fork of what the other one names,

    * for a device that was let in on one of the branches only, by what it knew when it first said anything, the one
      on its branch stands;
    * for the others, that were let in before the branches part: the one whose branch more of them had before the other
      branch, whether they had heard of a removal or not (those whose statements count on both; all but the subjects);
    * equal: the one whose branch the device itself had before the other one;
    * else, and for somebody who is no member (`asking` is None), both are in force, and neither branch counts.

Invariants
    * The result is a function of the set and, between two branches of one device, of where the device that asks was
      let in; whatever the order in which statements came.
    * Devices that were let in on one branch agree, and nothing that is said on another one only puts them out.
    * A statement changes nothing about whoever did not have it when he acknowledged what removed its issuer.

What this cannot do
    Where two devices remove each other and nobody else is there, or everybody else was let in by one of them in
    statements that the other never acknowledged, the older device stays, and it may be the stolen one. Then a new
    folder adopts the files. A thief who is faster than the removal, with most members, wins. A device that was let in
    before two branches part, and says nothing until a thief shows it his, goes by that one if not more others like it
    tell better; those on the other branch do not follow it. A removal that takes from
    a member the vote that kept another removal out stays in force, also where that other one, which then counts,
    makes its issuer one who could not have said it: there is no way to have either alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from yp2p.identity import DeviceID, PublicIdentity
from yp2p.trust.ancestry import Ancestry, bits
from yp2p.trust.statements import Kind, Role, Statement

__all__ = ["Evaluation", "Member", "evaluate"]

# All bits.
EVERYTHING = -1


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the statements say. `grant` is the one that its role comes from."""

    identity: PublicIdentity
    role: Role
    name: str
    grant: Statement


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What follows from a set of statements.

    Attributes:
        members: who has a role, in the order in which they were let in.
        removals: those in force, by whom they are about; those that a later grant has answered among them.
        lost: grants that do not count, as a removal came before them.
    """

    members: Mapping[DeviceID, Member]
    removals: Mapping[DeviceID, tuple[Statement, ...]]
    lost: tuple[Statement, ...]


def evaluate(founder: DeviceID, statements: Iterable[Statement], asking: DeviceID | None = None) -> Evaluation:
    """Who is a member, and why. Statements whose predecessors are not in the set are not looked at.

    Args:
        asking: the device that wants to know; None for somebody who is on neither of two branches.
    """
    rules = _Rules(founder, Ancestry(statements))
    in_force = _Conflict(rules, asking).decided()
    return rules.evaluation(in_force)


@dataclass(frozen=True, slots=True)
class _Counted:
    """What counts, as bits.

    Attributes:
        in_force: the removals.
        strict: without what others had taken before a removal came.
        counted: with it.
        taken: by removal in force, what most had before they heard of it, where that is anything.
        voting: the statements by which third members first said that they knew of a removal in force.
    """

    in_force: int
    strict: int
    counted: int
    taken: Mapping[int, int]
    voting: int


@dataclass(frozen=True, slots=True)
class _Effect:
    """What counts if one removal more is in force.

    Attributes:
        lost: of what counted before.
        depends_on: the statements of which it matters for that whether they count, or are in force; EVERYTHING where
            it also depends on what others had taken.
    """

    counted: int
    lost: int
    depends_on: int


class _Rules:
    """Which statements count, given the removals that are in force. Statements are numbers in `Ancestry`.

    Sets of statements are numbers with a bit for each, so that what one removal more changes is mostly a few operations
    on a few hundred bytes, whatever a member said a thousand times.

    Attributes:
        behind: of each statement those that have it in their past.
        own: by issuer, its statements.
        last: those that nothing follows.
    """

    def __init__(self, founder: DeviceID, ancestry: Ancestry) -> None:
        self.statements, self.past = ancestry.statements, ancestry.past
        self.behind = ancestry.behind()
        self._founder = founder
        self._grants: dict[DeviceID, int] = defaultdict(int)
        self._at_least = dict.fromkeys(Role, 0)
        self._removals: dict[DeviceID, int] = defaultdict(int)
        self.own: dict[DeviceID, int] = defaultdict(int)
        self._about_itself = self._all_grants = self.removals = 0
        for number, statement in enumerate(self.statements):
            bit = 1 << number
            self.own[statement.issuer_id] |= bit
            if statement.issuer_id == statement.subject_id:
                self._about_itself |= bit
            if statement.kind is Kind.ACKNOWLEDGEMENT:
                continue
            for role in Role:
                if role <= statement.role:
                    self._at_least[role] |= bit
            if statement.kind is Kind.GRANT:
                self._grants[statement.subject_id] |= bit
                self._all_grants |= bit
            else:
                self._removals[statement.subject_id] |= bit
                self.removals |= bit
        self.last = sum(1 << number for number, behind in enumerate(self.behind) if not behind)
        self._firsts: dict[int, tuple[int, ...]] = {}
        self._forks: dict[int, int] = {}

    def counting(self, in_force: int, forks_of: int | None = None) -> _Counted:
        """What counts with these removals in force.

        Args:
            forks_of: a removal; what forks from the statements that it names does not count either.
        """
        forks = self.forked(forks_of) if forks_of is not None else 0
        for removal in bits(in_force):
            forks |= self.forked(removal)
        strict = self._pass(forks, in_force, {})
        taken = {removal: mask for removal in bits(in_force) if (mask := self._taken_before(removal, strict))}
        voting = 0
        for removal in bits(in_force):
            voting |= self._voting(removal)
        return _Counted(in_force, strict, self._pass(forks, in_force, taken) if taken else strict, taken, voting)

    def counting_with(self, before: _Counted, removal: int) -> _Effect:
        """What counts if one more removal is in force than `before`; looked at is only what that can change."""
        forks, in_force = self.forked(removal), before.in_force | 1 << removal
        strict, looked_at = self._less(before.strict, forks, in_force, {}, removal)
        lost = before.strict & ~strict
        taken = {
            one: self._taken_before(one, strict) if lost & self._voting(one) else mask
            for one, mask in before.taken.items()
        }
        changed = taken != before.taken or (
            lost & before.voting
            and any(
                lost & self._voting(one) and self._taken_before(one, strict)
                for one in bits(before.in_force)
                if one not in taken and self.behind[one] & lost
            )
        )
        if changed:
            return _Effect(counted := self.counting(in_force).counted, before.counted & ~counted, EVERYTHING)
        if mask := self._taken_before(removal, strict):
            taken[removal] = mask
        if not taken and before.counted == before.strict:
            return _Effect(strict, lost, looked_at | self._voting(removal))
        counted, _ = self._less(before.counted, forks, in_force, taken, removal)
        return _Effect(counted, before.counted & ~counted, EVERYTHING)

    def is_the_same_beside(self, effect: _Effect, before: _Counted, now: _Counted) -> bool:
        """Whether a removal that takes away something beside some others takes away the same beside others."""
        if before.taken or now.taken or effect.lost & now.voting:
            return False
        changed = (before.counted ^ now.counted) | (before.in_force ^ now.in_force)
        return not changed & effect.depends_on

    def _pass(self, forks: int, in_force: int, taken: Mapping[int, int]) -> int:
        counted = 0
        for number in range(len(self.statements)):
            if not forks >> number & 1 and self._counts(number, counted, in_force, taken):
                counted |= 1 << number
        return counted

    def _less(self, counted: int, forks: int, in_force: int, taken: Mapping[int, int], removal: int) -> tuple[int, int]:
        """What is left of what counted, with a removal more; and what was looked at for that."""
        todo = self._concerned(counted, removal)
        looked_at = self._about(self.statements[removal].subject_id)
        while todo:
            lowest = todo & -todo
            todo ^= lowest
            number = lowest.bit_length() - 1
            if not forks & lowest and self._counts(number, counted, in_force, taken):
                continue
            counted ^= lowest
            if self._all_grants & lowest:  # what its subject said has to be looked at again
                subject = self.statements[number].subject_id
                todo |= self.own.get(subject, 0) & self.behind[number] & counted
                looked_at |= self._about(subject)
        return counted, looked_at

    def _about(self, device: DeviceID) -> int:
        """What a device says, and what it may say that by."""
        return self.own.get(device, 0) | self._grants.get(device, 0) | self._removals.get(device, 0)

    def _concerned(self, counted: int, removal: int) -> int:
        """What counted of the removed device, and may not do so beside the removal."""
        mine = self.own.get(self.statements[removal].subject_id, 0) & counted & ~self.past[removal] & ~(1 << removal)
        if self.statements[removal].role >= Role.READER:  # which is enough to say something of oneself
            mine &= ~self._about_itself | self.forked(removal)
        return mine

    def _counts(self, number: int, counted: int, in_force: int, taken: Mapping[int, int]) -> bool:
        """Args: `taken` are removals in force with what most had before they heard of it, where that is anything."""
        statement, bit = self.statements[number], 1 << number
        issuer, is_about_itself = statement.issuer_id, bool(self._about_itself & bit)
        if is_about_itself and statement.kind is Kind.GRANT:
            return issuer == self._founder and not statement.previous
        past = self.past[number]
        against = self._removals.get(issuer, 0) & in_force & ~bit & ~self.behind[number]
        for removal, mask in taken.items():
            if mask & bit and not past >> removal & 1:
                against &= ~(1 << removal)
        return self._has(issuer, Role.READER if is_about_itself else Role.ADMINISTRATOR, past & counted, against)

    def _has(self, device: DeviceID, needed: Role, view: int, against: int) -> bool:
        """Whether a grant in view gives so high a role, lowered by the removals that it does not follow."""
        grants = self._grants.get(device, 0) & view & self._at_least[needed]
        against &= ~self._at_least[needed]
        if not against:
            return bool(grants)
        return any(not against & ~self.past[grant] for grant in bits(grants))

    def _role(self, device: DeviceID, view: int, against: int) -> tuple[Role, int]:
        """The highest role of the grants in view, each lowered by the removals that it does not follow; and which."""
        best, of = Role.REMOVED, -1
        for grant in bits(self._grants.get(device, 0) & view):
            left = (self.statements[removal].role for removal in bits(against & ~self.past[grant]))
            role = min(self.statements[grant].role, *left, Role.ADMINISTRATOR)
            if role > best:
                best, of = role, grant
        return best, of

    def removals_of(self, device: DeviceID) -> int:
        return self._removals.get(device, 0)

    def first_behind(self, removal: int) -> tuple[int, ...]:
        """The statements of third members that have a removal in their past, and no other one of theirs that has."""
        if removal not in self._firsts:
            statement, behind = self.statements[removal], self.behind[removal]
            parties = self.own.get(statement.issuer_id, 0) | self.own.get(statement.subject_id, 0)
            found: list[int] = []
            third = behind & ~parties
            while third:  # in an order in which each comes behind its past
                number = (third & -third).bit_length() - 1
                found.append(number)
                own = self.own[self.statements[number].issuer_id]
                third &= ~(1 << number | self.behind[number] & own)
            self._firsts[removal] = tuple(found)
        return self._firsts[removal]

    def _voting(self, removal: int) -> int:
        return sum(1 << number for number in self.first_behind(removal))

    def _taken_before(self, removal: int, counted: int) -> int:
        """What the removed device said that more third members had than had not, when they heard of the removal.

        Each member has one vote: who forks, and says of itself that it had and that it had not, had not.
        """
        had: dict[DeviceID, int] = {}
        for number in self.first_behind(removal):
            if counted >> number & 1:
                voter = self.statements[number].issuer_id
                had[voter] = had.get(voter, self.past[number]) & self.past[number]
        taken = anything = 0
        for past in had.values():
            anything |= past
        for number in bits(self.own.get(self.statements[removal].subject_id, 0) & anything):
            subject = self.statements[number].subject_id
            votes = [past >> number & 1 for voter, past in had.items() if voter != subject]
            if 2 * sum(votes) > len(votes):
                taken |= 1 << number
        return taken

    def forked(self, removal: int) -> int:
        """What the removed device said on from an older statement of its own than the last ones that are named.

        Nothing where it removes itself: its own word is not what says which of two branches of its own is right.
        """
        if removal not in self._forks:
            statement = self.statements[removal]
            own = self.own.get(statement.subject_id, 0) if statement.issuer_id != statement.subject_id else 0
            named = own & self.past[removal]
            follows = own if named else 0
            for number in self._last(named):
                follows &= self.behind[number]
            self._forks[removal] = own & ~named & ~follows if named else 0
        return self._forks[removal]

    def first_grants(self, device: DeviceID) -> int:
        """What let a device in before it said anything."""
        own = self.own.get(device, 0)
        return self._grants.get(device, 0) & (self.past[next(bits(own))] if own else EVERYTHING)

    def known_by(self, some: int) -> int:
        """Some statements, and those that were made in knowledge of any of them."""
        found = some
        for number in bits(some):
            found |= self.behind[number]
        return found

    def _last(self, named: int) -> Iterator[int]:
        """Those of some statements of an issuer that no other one of them follows."""
        while named:
            number = named.bit_length() - 1
            yield number
            named &= ~(self.past[number] | 1 << number)

    def seniority(self, device: DeviceID, counted: int) -> int:
        """A number that is lower for who was let in earlier."""
        return next(bits(self._grants.get(device, 0) & counted), len(self.statements))

    def evaluation(self, in_force: int) -> Evaluation:
        counted = self.counting(in_force).counted
        members: dict[DeviceID, Member] = {}
        for device in sorted(self._grants, key=lambda one: self.seniority(one, counted)):
            role, grant = self._role(device, counted, self._removals.get(device, 0) & in_force)
            if role > Role.REMOVED:
                statement = self.statements[grant]
                members[device] = Member(statement.subject, role, statement.name, statement)
        free = self.counting(0).counted
        return Evaluation(
            members,
            {
                device: tuple(self.statements[number] for number in bits(numbers & in_force))
                for device, numbers in self._removals.items()
                if numbers & in_force
            },
            tuple(self.statements[number] for number in bits(free & ~counted & self._all_grants)),
        )


class _Conflict:
    """Decides which removals are in force. What an attack is, and which one counts, is said at the head of the module.

    Removals that change the same are looked at once: a thief says the same in a thousand forks.
    """

    def __init__(self, rules: _Rules, asking: DeviceID | None) -> None:
        self._rules = rules
        self._asking = asking
        self._first_grants = rules.first_grants(asking) if asking is not None else 0
        self._known_by: dict[int, int] = {}
        self._in_force = 0
        self._now: _Counted | None = None
        self._effects: dict[tuple[object, ...], _Effect] = {}  # of removals alike
        self._with: dict[int, int] = {}  # by removal: what counts if it is in force as well
        self._lost: dict[int, int] = {}  # by removal: the open ones that do not
        self._groups: dict[int, int] = {}  # by what is lost, the removals that do that
        self._same: dict[int, int] = {}  # by removal: what its issuer says alike, and nobody has heard
        self._forking: dict[int, tuple[int, int]] = {}  # by what forks: removals before which it does, what else counts
        self._mutual: dict[
            int, int
        ] = {}  # by removal: those that fork from what it names, as it does from what they name

    def decided(self) -> int:
        out = 0
        while True:
            now = self._rules.counting(self._in_force)
            open_ones = self._rules.removals & now.counted & ~self._in_force & ~out
            if not open_ones:
                return self._in_force
            self._look(open_ones, now)
            attackers = self._attackers(open_ones)
            free = _unattacked(attackers)
            if not free:
                attackers = self._vote(attackers, now.counted)
                free = _unattacked(attackers)
            if not free:
                for best in self._of_circles(attackers, now.counted):
                    free, out = free | 1 << best, out | attackers[best]
            self._in_force |= free

    def _look(self, open_ones: int, now: _Counted) -> None:
        rules, before = self._rules, self._now
        effects = {
            kind: _Effect(now.counted & ~effect.lost, effect.lost, effect.depends_on)
            for kind, effect in self._effects.items()
            if before is not None and rules.is_the_same_beside(effect, before, now)
        }
        self._now, self._effects = now, effects
        self._with, self._lost, self._groups = {}, {}, defaultdict(int)
        same: dict[tuple[object, ...], int] = defaultdict(int)
        for removal in bits(open_ones):
            statement, behind = rules.statements[removal], rules.behind[removal]
            named = rules.past[removal] & rules.own.get(statement.subject_id, 0)
            is_alone = behind or statement.issuer_id == statement.subject_id
            kind = statement.subject_id, statement.role, named, removal if is_alone else None
            same[statement.issuer_id, *kind] |= 1 << removal
            if kind not in effects:
                effects[kind] = rules.counting_with(now, removal)
            self._with[removal] = effects[kind].counted
            self._lost[removal] = open_ones & ~effects[kind].counted & ~(1 << removal)
            self._groups[self._lost[removal]] |= 1 << removal
        self._same = {removal: group for group in same.values() for removal in bits(group)}

    def _attackers(self, open_ones: int) -> dict[int, int]:
        """By removal, those that exclude it. What forks from what a removal names is no attack on it.

        Unless that forks from what the other one names as well: then those decide who heard of one first.
        """
        found = dict.fromkeys(bits(open_ones), 0)
        for lost, group in self._groups.items():
            for removal in bits(lost):
                found[removal] |= group & ~(1 << removal)
        self._forking, self._mutual = {}, {}
        forking: dict[int, int] = {}
        for removal, others in found.items():
            forks = self._rules.forked(removal) if others else 0
            if forks:
                known = self._forking.get(forks)
                before, rest = known or (0, self._rules.counting(self._in_force, forks_of=removal).counted)
                self._forking[forks] = before | 1 << removal, rest
                found[removal] = others & rest
                forking[removal] = others & ~rest
        mutual = {one: others & self._lost[one] & ~self._lost_of(one) for one, others in forking.items() if others}
        self._mutual = {removal: others for removal, others in mutual.items() if others}
        for removal, others in self._mutual.items():
            found[removal] |= others
        return found

    def _attacked_by(self, removal: int) -> int:
        return self._lost_of(removal) | self._mutual.get(removal, 0)

    def _lost_of(self, removal: int) -> int:
        """Those that it excludes, without those from whose named statements it forks."""
        out = self._lost[removal]
        for before, rest in self._forking.values():
            if not rest >> removal & 1:
                out &= ~before
        return out

    def _vote(self, attackers: Mapping[int, int], counted: int) -> dict[int, int]:
        """Without the attack of the weaker one of two that exclude each other."""
        left: dict[int, int] = {}
        for removal, others in attackers.items():
            left[removal], rest = others, others & self._attacked_by(removal)
            apart = rest & ~self._mutual.get(removal, 0)
            while rest:
                other = (rest & -rest).bit_length() - 1
                alike = self._alike(removal, other) & (apart if apart >> other & 1 else ~apart)
                if self._stands(removal, other, counted):
                    left[removal] &= ~alike
                rest &= ~alike
        return left

    def _alike(self, removal: int, other: int) -> int:
        """Removals that are as strong as another one beside this one: nobody says that he heard of them."""
        rules, statement = self._rules, self._rules.statements[other]
        if self._mutual.get(removal, 0) >> other & 1:
            is_about_the_same = statement.subject_id == rules.statements[removal].subject_id
            return self._same[other] & self._mutual[removal] if is_about_the_same else 1 << other
        if rules.behind[other] or statement.issuer_id == rules.statements[removal].issuer_id:
            return 1 << other
        found = rules.own[statement.issuer_id] & rules.last
        if rules.behind[removal]:
            found &= self._groups[self._lost[other]] & rules.removals_of(statement.subject_id)
        return found

    def _stands(self, one: int, other: int, counted: int) -> bool:
        """Whether an attack fails, of two removals that exclude each other."""
        if self._mutual.get(one, 0) >> other & 1:
            return self._stands_on_its_branch(one, other)
        for_one, for_other = self._voters(one, other), self._voters(other, one)
        if len(for_one - for_other) != len(for_other - for_one):
            return len(for_one - for_other) > len(for_other - for_one)
        return self._seniority(one, counted) < self._seniority(other, counted)

    def _stands_on_its_branch(self, one: int, other: int) -> bool:
        """So both may, and both attacks fail: who forks chooses how many of his friends there are, and their ages."""
        is_ours, is_not = self._lets_us_in(one), self._lets_us_in(other)
        if is_ours != is_not:
            return is_ours
        on_one, on_other = self._on_branch(one, other), self._on_branch(other, one)
        on_one, on_other = on_one & ~on_other, on_other & ~on_one
        in_both = self._with[one] & self._with[other]
        for_one, for_other = (self._witnesses(on & in_both, one, other) for on in (on_one, on_other))
        if len(for_one - for_other) != len(for_other - for_one):
            return len(for_one - for_other) > len(for_other - for_one)
        own = self._rules.own.get(self._asking, 0) if self._asking is not None else 0
        return bool(own & on_one) or not own & on_other

    def _on_branch(self, removal: int, other: int) -> int:
        """What was said in knowledge of the branch that a removal stands on, and that what another one names is not."""
        branch = self._rules.forked(other) & (self._rules.past[removal] | 1 << removal)
        if branch not in self._known_by:
            self._known_by[branch] = self._rules.known_by(branch)
        return self._known_by[branch]

    def _witnesses(self, said: int, one: int, other: int) -> set[DeviceID]:
        """The issuers of some statements, without whom two removals are about."""
        if not said:
            return set()
        subjects = {self._rules.statements[removal].subject_id for removal in (one, other)}
        return {voter for voter, own in self._rules.own.items() if own & said} - subjects

    def _lets_us_in(self, removal: int) -> bool:
        """Whether the device that asks was let in, before it said anything, by what counts beside a removal."""
        return bool(self._first_grants & self._with[removal])

    def _voters(self, removal: int, other: int) -> set[DeviceID]:
        """The third members that heard of a removal before they heard of the other one."""
        counted = self._with[removal] & self._with[other]
        parties = {self._rules.statements[other].issuer_id, self._rules.statements[other].subject_id}
        return {
            voter
            for number in self._rules.first_behind(removal)
            if counted >> number & 1 and not self._rules.past[number] >> other & 1 and number != other
            if (voter := self._rules.statements[number].issuer_id) not in parties
        }

    def _seniority(self, removal: int, counted: int) -> tuple[int, int]:
        return self._rules.seniority(self._rules.statements[removal].issuer_id, counted), removal

    def _of_circles(self, attackers: Mapping[int, int], counted: int) -> list[int]:
        """The removals that stand where each is attacked: one of each circle that nobody from outside attacks."""
        reach: dict[int, int] = {}  # by attackers
        for others in attackers.values():
            if others not in reach:
                reach[others] = _closure(others, attackers)
        circles = [
            found for found in sorted(set(reach.values())) if all(reach[attackers[one]] == found for one in bits(found))
        ]
        return [min(bits(found), key=lambda removal: self._seniority(removal, counted)) for found in circles]


def _unattacked(attackers: Mapping[int, int]) -> int:
    return sum(1 << removal for removal, others in attackers.items() if not others)


def _closure(others: int, attackers: Mapping[int, int]) -> int:
    """Those that attack a removal, and those that attack these."""
    found, todo = 0, others
    while todo:
        found |= todo
        more = 0
        for one in bits(todo):
            more |= attackers[one]
        todo = more & ~found
    return found
