"""Which statements count, given the removals that are in force.

Theory of operation
    Who may say what, and whom a removal takes which role from, is said at the head of `membership.py`. Here is what a
    removal does to that which the removed device said behind its back.

    Removal beats what is concurrent with it. A statement of the removed device that the removal does not name (that is
    not in its past) counts only as far as the role allows that the removal leaves; else a thief dates back what he
    says. What most others had taken before the removal came stays: a statement counts as before if it is in the past of
    the *first* statement behind the removal of more third members than not. So every member acknowledges a removal at
    once, and names the heads that it had then. (If one of them were enough, a thief who meets a single device that has
    not heard yet could let in and remove whom he likes. A member that forks has several first ones, and one vote: what
    is in the past of all of them.)

    What the removed device said on from an older statement of its own than the last ones that the removal names is a
    *fork*, and never counts: that device has signed both, and dates back. (Administrators acknowledge grants as well,
    so that the last statement of each is a recent one. Who only takes a right from itself makes no fork of anything: a
    thief with the founder's device would leave on a second branch, and take everybody along.)

Sets of statements are numbers with a bit for each, so that what one removal more changes is mostly a few operations on
a few hundred bytes, whatever a member said a thousand times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from yp2p.identity import DeviceID
from yp2p.trust.ancestry import Ancestry, bits
from yp2p.trust.statements import Kind, Role

# All bits.
EVERYTHING = -1


@dataclass(frozen=True, slots=True)
class Counted:
    """What counts, as bits.

    Attributes:
        in_force: the removals.
        strict: without what others had taken before a removal came.
        counted: with it.
        taken: by removal in force, what most had before they heard of it, where that is anything.
        voting: the statements by which third members first said that they knew of a removal in force.
        forks: what is on a fork of what one of them names.
    """

    in_force: int
    strict: int
    counted: int
    taken: Mapping[int, int]
    voting: int
    forks: int


@dataclass(frozen=True, slots=True)
class Effect:
    """What counts if one removal more is in force.

    Attributes:
        lost: of what counted before.
        depends_on: the statements of which it matters for that whether they count, or are in force; EVERYTHING where
            it also depends on what others had taken.
    """

    counted: int
    lost: int
    depends_on: int


class Rules:
    """Which statements count, given the removals that are in force. Statements are numbers in `Ancestry`.

    Attributes:
        behind: of each statement those that have it in their past.
        own: by issuer, its statements.
        last: those that nothing follows.
        grants, removals, about_itself: all grants, all removals, all that issuers say of themselves.
        removals_by_subject: by the device that each is about.
    """

    def __init__(self, founder: DeviceID, ancestry: Ancestry) -> None:
        self.statements, self.past = ancestry.statements, ancestry.past
        self.behind = ancestry.behind()
        self._founder = founder
        self._grants: dict[DeviceID, int] = defaultdict(int)
        self._at_least = dict.fromkeys(Role, 0)
        self.removals_by_subject: dict[DeviceID, int] = defaultdict(int)
        self.own: dict[DeviceID, int] = defaultdict(int)
        self.about_itself = self.grants = self.removals = 0
        for number, statement in enumerate(self.statements):
            bit = 1 << number
            self.own[statement.issuer_id] |= bit
            if statement.issuer_id == statement.subject_id:
                self.about_itself |= bit
            if statement.kind is Kind.ACKNOWLEDGEMENT:
                continue
            for role in Role:
                if role <= statement.role:
                    self._at_least[role] |= bit
            if statement.kind is Kind.GRANT:
                self._grants[statement.subject_id] |= bit
                self.grants |= bit
            else:
                self.removals_by_subject[statement.subject_id] |= bit
                self.removals |= bit
        self.last = sum(1 << number for number, behind in enumerate(self.behind) if not behind)
        self._firsts: dict[int, tuple[int, ...]] = {}
        self._forks: dict[int, int] = {}

    def counting(self, in_force: int) -> Counted:
        """What counts with these removals in force."""
        forks = voting = 0
        for removal in bits(in_force):
            forks |= self.forked(removal)
            voting |= self._voting(removal)
        strict = self._pass(forks, in_force)
        taken = {removal: mask for removal in bits(in_force) if (mask := self._taken_before(removal, strict))}
        counted = self._again(strict, forks, in_force, taken, _changes({}, taken))
        return Counted(in_force, strict, counted, taken, voting, forks)

    def counting_with(self, before: Counted, removal: int) -> Effect:
        """What counts if one more removal is in force than `before`; looked at is only what that can change."""
        forks, in_force = before.forks | self.forked(removal), before.in_force | 1 << removal
        strict, looked_at = self._less(before.strict, forks, in_force, removal)
        lost = before.strict & ~strict
        taken = self._taken_beside(before, lost, strict)
        if mask := self._taken_before(removal, strict):
            taken[removal] = mask
        if not taken and not before.taken:
            return Effect(strict, lost, looked_at | self._voting(removal))
        todo = self._concerned(before.counted, removal) | _changes(before.taken, taken)
        counted = self._again(before.counted, forks, in_force, taken, todo)
        return Effect(counted, before.counted & ~counted, EVERYTHING)

    def counting_without(self, before: Counted, forks: int) -> int:
        """What counts if some statements do not that are on a fork of what others name."""
        strict = self._again(before.strict, before.forks | forks, before.in_force, {}, before.strict & forks)
        taken = self._taken_beside(before, before.strict & ~strict, strict)
        if not taken and not before.taken:
            return strict
        todo = before.counted & forks | _changes(before.taken, taken)
        return self._again(before.counted, before.forks | forks, before.in_force, taken, todo)

    def _taken_beside(self, before: Counted, lost: int, strict: int) -> dict[int, int]:
        """What most had taken before they heard of the removals in force, where some who said so count no more."""
        if not lost & before.voting:
            return dict(before.taken)
        masks = (
            (one, self._taken_before(one, strict) if lost & self._voting(one) else before.taken.get(one, 0))
            for one in bits(before.in_force)
        )
        return {one: mask for one, mask in masks if mask}

    def is_the_same_beside(self, effect: Effect, before: Counted, now: Counted) -> bool:
        """Whether a removal that takes away something beside some others takes away the same beside others."""
        if before.taken or now.taken or effect.lost & now.voting:
            return False
        changed = (before.counted ^ now.counted) | (before.in_force ^ now.in_force)
        return not changed & effect.depends_on

    def _pass(self, forks: int, in_force: int) -> int:
        counted = 0
        for number in range(len(self.statements)):
            if not forks >> number & 1 and self._counts(number, counted, in_force, {}):
                counted |= 1 << number
        return counted

    def _less(self, counted: int, forks: int, in_force: int, removal: int) -> tuple[int, int]:
        """What is left of what counted, with a removal more; and what was looked at for that."""
        looked_at = self._about(self.statements[removal].subject_id)
        left = self._again(counted, forks, in_force, {}, self._concerned(counted, removal))
        for grant in bits(counted & ~left & self.grants):
            looked_at |= self._about(self.statements[grant].subject_id)
        return left, looked_at

    def _again(self, counted: int, forks: int, in_force: int, taken: Mapping[int, int], todo: int) -> int:
        """What counts, where something has changed for some statements since that was worked out."""
        while todo:
            lowest = todo & -todo
            todo ^= lowest
            number = lowest.bit_length() - 1
            if bool(counted & lowest) == (not forks & lowest and self._counts(number, counted, in_force, taken)):
                continue
            counted ^= lowest
            if self.grants & lowest:  # what its subject said has to be looked at again
                todo |= self.own.get(self.statements[number].subject_id, 0) & self.behind[number]
        return counted

    def _about(self, device: DeviceID) -> int:
        """What a device says, and what it may say that by."""
        return self.own.get(device, 0) | self._grants.get(device, 0) | self.removals_by_subject.get(device, 0)

    def _concerned(self, counted: int, removal: int) -> int:
        """What counted of the removed device, and may not do so beside the removal."""
        mine = self.own.get(self.statements[removal].subject_id, 0) & counted & ~self.past[removal] & ~(1 << removal)
        if self.statements[removal].role >= Role.READER:  # which is enough to say something of oneself
            mine &= ~self.about_itself | self.forked(removal)
        return mine

    def _counts(self, number: int, counted: int, in_force: int, taken: Mapping[int, int]) -> bool:
        """Args: `taken` are removals in force with what most had before they heard of it, where that is anything."""
        statement, bit = self.statements[number], 1 << number
        issuer, is_about_itself = statement.issuer_id, bool(self.about_itself & bit)
        if is_about_itself and statement.kind is Kind.GRANT:
            return issuer == self._founder and not statement.previous
        past = self.past[number]
        against = self.removals_by_subject.get(issuer, 0) & in_force & ~bit & ~self.behind[number]
        for removal in bits(against) if taken else ():
            if taken.get(removal, 0) & bit and not past >> removal & 1:
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

    def roles(self, counted: int, in_force: int) -> Iterator[tuple[Role, int]]:
        """Of each device that has a role, who was let in first before the others: which, and by which grant."""
        for device in sorted(self._grants, key=lambda one: self.seniority(one, counted)):
            role, grant = self._role(device, counted, self.removals_of(device) & in_force)
            if role > Role.REMOVED:
                yield role, grant

    def removals_of(self, device: DeviceID) -> int:
        return self.removals_by_subject.get(device, 0)

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

    def _last(self, named: int) -> Iterator[int]:
        """Those of some statements of an issuer that no other one of them follows."""
        while named:
            number = named.bit_length() - 1
            yield number
            named &= ~(self.past[number] | 1 << number)

    def seniority(self, device: DeviceID, counted: int) -> int:
        """A number that is lower for who was let in earlier."""
        return next(bits(self._grants.get(device, 0) & counted), len(self.statements))


def _changes(before: Mapping[int, int], now: Mapping[int, int]) -> int:
    """The bits in which some masks are others than before."""
    changes = 0
    for one in before.keys() | now.keys():
        changes |= before.get(one, 0) ^ now.get(one, 0)
    return changes
