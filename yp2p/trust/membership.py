"""Who is a member of a folder: what follows from a set of signed statements, the same for everybody who has the set.

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
      so that the last statement of each is a recent one.)
    * else the one stands that more third members acknowledged first. A member has a say only if its own statement
      counts whichever of the two is in force, so nobody brings voters along;
    * equal: the one of the device that was let in earlier. So too in a circle.

Invariants
    * The result is a function of the set, whatever the order in which statements came.
    * A statement changes nothing about whoever did not have it when he acknowledged what removed its issuer.

What this cannot do
    Where two devices remove each other and nobody else is there, or everybody else was let in by one of them in
    statements that the other never acknowledged, the older device stays, and it may be the stolen one. Then a new
    folder adopts the files. A thief who is faster than the removal, with most members, wins.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush

from yp2p.identity import DeviceID, PublicIdentity
from yp2p.trust.ancestry import Ancestry, bits
from yp2p.trust.statements import Kind, Role, Statement

__all__ = ["Evaluation", "Member", "evaluate"]

_Removals = frozenset[int]


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


def evaluate(founder: DeviceID, statements: Iterable[Statement]) -> Evaluation:
    """Who is a member, and why. Statements whose predecessors are not in the set are not looked at."""
    rules = _Rules(founder, Ancestry(statements))
    in_force = _Conflict(rules).decided()
    return rules.evaluation(in_force)


@dataclass(frozen=True, slots=True)
class _Counted:
    """What counts, as bits.

    Attributes:
        strict: without what others had taken before a removal came.
        counted: with it.
        taken: by removal in force, what most had before they heard of it.
    """

    strict: int
    counted: int
    taken: Mapping[int, int]


class _Rules:
    """Which statements count, given the removals that are in force. Statements are numbers in `Ancestry`."""

    def __init__(self, founder: DeviceID, ancestry: Ancestry) -> None:
        self.statements, self.past = ancestry.statements, ancestry.past
        self._founder = founder
        self._grants: dict[DeviceID, list[int]] = defaultdict(list)
        self._removals: dict[DeviceID, list[int]] = defaultdict(list)
        self.own: dict[DeviceID, list[int]] = defaultdict(list)
        for number, statement in enumerate(self.statements):
            self.own[statement.issuer_id].append(number)
            if statement.kind is Kind.GRANT:
                self._grants[statement.subject_id].append(number)
            elif statement.kind is Kind.REMOVAL:
                self._removals[statement.subject_id].append(number)
        self.removals = frozenset(number for numbers in self._removals.values() for number in numbers)
        self._firsts: dict[int, list[int]] = {}
        self._forks: dict[int, int] = {}

    def counting(self, in_force: _Removals, forks_of: int | None = None) -> _Counted:
        """What counts with these removals in force.

        Args:
            forks_of: a removal; what forks from the statements that it names does not count either.
        """
        forks = self._forked(forks_of) if forks_of is not None else 0
        for removal in in_force:
            forks |= self._forked(removal)
        strict = self._pass(forks, dict.fromkeys(in_force, 0))
        taken = {removal: self._taken_before(removal, strict) for removal in in_force}
        return _Counted(strict, self._pass(forks, taken) if any(taken.values()) else strict, taken)

    def counting_with(self, before: _Counted, removal: int) -> int:
        """What counts if one more removal is in force than `before`; looked at is only what that can change."""
        forks = self._forked(removal)
        none = dict.fromkeys((*before.taken, removal), 0)
        strict = self._less(before.strict, forks, none, removal)
        lost = before.strict & ~strict
        taken = {
            one: self._taken_before(one, strict) if lost & self._mask_behind(one) else mask
            for one, mask in before.taken.items()
        }
        changed = taken != before.taken
        taken[removal] = self._taken_before(removal, strict)
        if changed:
            for one in before.taken:
                forks |= self._forked(one)
            return self._pass(forks, taken)
        return self._less(before.counted, forks, taken, removal)

    def _pass(self, forks: int, taken: Mapping[int, int]) -> int:
        counted = 0
        for number in range(len(self.statements)):
            if not forks >> number & 1 and self._counts(number, counted, taken):
                counted |= 1 << number
        return counted

    def _less(self, counted: int, forks: int, taken: Mapping[int, int], removal: int) -> int:
        """What is left of what counted, with a removal more."""
        todo = [number for number in self.own.get(self.statements[removal].subject_id, ()) if counted >> number & 1]
        while todo:
            number = heappop(todo)
            if not counted >> number & 1 or (not forks >> number & 1 and self._counts(number, counted, taken)):
                continue
            counted ^= 1 << number
            if self.statements[number].kind is Kind.GRANT:  # what its subject said has to be looked at again
                for one in self.own.get(self.statements[number].subject_id, ()):
                    if one > number and counted >> one & 1:
                        heappush(todo, one)
        return counted

    def _counts(self, number: int, counted: int, taken: Mapping[int, int]) -> bool:
        """Args: `taken` are the removals in force, each with what most had before they heard of it."""
        statement = self.statements[number]
        issuer, is_about_itself = statement.issuer_id, statement.issuer_id == statement.subject_id
        if statement.kind is Kind.GRANT and is_about_itself:
            return issuer == self._founder and not statement.previous
        past = self.past[number]
        against = [
            removal
            for removal in self._removals.get(issuer, ())
            if removal in taken
            and removal != number
            and not self.past[removal] >> number & 1
            and (past >> removal & 1 or not taken[removal] >> number & 1)
        ]
        needed = Role.READER if is_about_itself else Role.ADMINISTRATOR
        return self._role(issuer, past & counted, against)[0] >= needed

    def _role(self, device: DeviceID, view: int, against: Collection[int]) -> tuple[Role, int]:
        """The highest role of the grants in view, each lowered by the removals that it does not follow; and which."""
        best, of = Role.REMOVED, -1
        for grant in self._grants.get(device, ()):
            if view >> grant & 1:
                left = (self.statements[removal].role for removal in against if not self.past[grant] >> removal & 1)
                role = min(self.statements[grant].role, *left, Role.ADMINISTRATOR)
                if role > best:
                    best, of = role, grant
        return best, of

    def first_behind(self, removal: int) -> list[int]:
        """The statements of third members that have a removal in their past, and no other one of theirs that has."""
        if removal not in self._firsts:
            statement = self.statements[removal]
            found: list[int] = []
            for device, numbers in self.own.items():
                if device in (statement.issuer_id, statement.subject_id):
                    continue
                seen = 0
                for number in numbers:  # in an order in which each comes behind its past
                    if self.past[number] >> removal & 1:
                        if not self.past[number] & seen:
                            found.append(number)
                        seen |= 1 << number
            self._firsts[removal] = found
        return self._firsts[removal]

    def _mask_behind(self, removal: int) -> int:
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
        taken = 0
        for number in self.own.get(self.statements[removal].subject_id, ()):
            subject = self.statements[number].subject_id
            votes = [past >> number & 1 for voter, past in had.items() if voter != subject]
            if 2 * sum(votes) > len(votes):
                taken |= 1 << number
        return taken

    def _forked(self, removal: int) -> int:
        """What the removed device said on from an older statement of its own than the last ones that are named."""
        if removal not in self._forks:
            own = self.own.get(self.statements[removal].subject_id, ())
            past = self.past[removal]
            named = sum(1 << number for number in own if past >> number & 1)
            self._forks[removal] = sum(
                1 << number for number in own if not past >> number & 1 and named & ~self.past[number]
            )
        return self._forks[removal]

    def has_forks(self, removal: int) -> bool:
        return bool(self._forked(removal))

    def seniority(self, device: DeviceID, counted: int) -> int:
        """A number that is lower for who was let in earlier."""
        return next((grant for grant in self._grants.get(device, ()) if counted >> grant & 1), len(self.statements))

    def evaluation(self, in_force: _Removals) -> Evaluation:
        counted = self.counting(in_force).counted
        members: dict[DeviceID, Member] = {}
        for device in sorted(self._grants, key=lambda one: self.seniority(one, counted)):
            against = [removal for removal in self._removals.get(device, ()) if removal in in_force]
            role, grant = self._role(device, counted, against)
            if role > Role.REMOVED:
                statement = self.statements[grant]
                members[device] = Member(statement.subject, role, statement.name, statement)
        free = self.counting(frozenset()).counted
        lost = bits(free & ~counted)
        return Evaluation(
            members,
            {
                device: found
                for device, numbers in self._removals.items()
                if (found := tuple(self.statements[number] for number in numbers if number in in_force))
            },
            tuple(self.statements[number] for number in lost if self.statements[number].kind is Kind.GRANT),
        )


class _Conflict:
    """Decides which removals are in force."""

    def __init__(self, rules: _Rules) -> None:
        self._rules = rules
        self._in_force: _Removals = frozenset()
        self._with: dict[int, int] = {}  # by removal: what counts if it is in force as well

    def decided(self) -> _Removals:
        out: _Removals = frozenset()
        while True:
            now = self._rules.counting(self._in_force)
            open_ones = [
                removal for removal in sorted(self._rules.removals - self._in_force - out) if now.counted >> removal & 1
            ]
            if not open_ones:
                return self._in_force
            self._with = {removal: self._rules.counting_with(now, removal) for removal in open_ones}
            attackers = self._attackers(open_ones, now)
            free = frozenset(removal for removal in open_ones if not attackers[removal])
            if not free:
                self._vote(attackers, now.counted)
                free = frozenset(removal for removal in open_ones if not attackers[removal])
            if not free:
                best = self._of_circle(attackers, now.counted)
                free, out = frozenset({best}), out | attackers[best]
            self._in_force |= free

    def _attackers(self, open_ones: Collection[int], now: _Counted) -> dict[int, set[int]]:
        """By removal, those that exclude it. What forks from what a removal names is no attack on it."""
        found: dict[int, set[int]] = {removal: set() for removal in open_ones}
        for one in open_ones:
            for removal in bits(now.counted & ~self._with[one] & ~(1 << one)):
                if removal in found:
                    found[removal].add(one)
        for removal, others in found.items():
            if others and self._rules.has_forks(removal):
                unforked = self._rules.counting(self._in_force, forks_of=removal).counted
                found[removal] = {one for one in others if unforked >> one & 1}
        return found

    def _vote(self, attackers: dict[int, set[int]], counted: int) -> None:
        """Take out the attack of the weaker one of two that exclude each other."""
        pairs = [
            (one, other) for one, others in attackers.items() for other in others
            if one < other and one in attackers[other]
        ]  # fmt: skip
        for one, other in pairs:
            if self._is_stronger(one, other, counted):
                attackers[one].discard(other)
            else:
                attackers[other].discard(one)

    def _is_stronger(self, one: int, other: int, counted: int) -> bool:
        for_one, for_other = self._voters(one, other), self._voters(other, one)
        if len(for_one - for_other) != len(for_other - for_one):
            return len(for_one - for_other) > len(for_other - for_one)
        return self._seniority(one, counted) < self._seniority(other, counted)

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

    def _of_circle(self, attackers: Mapping[int, set[int]], counted: int) -> int:
        """The removal that stands where each is attacked: of those that nobody from outside their circle attacks."""
        reach = {removal: _closure(removal, attackers) for removal in attackers}
        inner = [removal for removal, found in reach.items() if all(removal in reach[one] for one in found)]
        return min(inner, key=lambda removal: self._seniority(removal, counted))


def _closure(removal: int, attackers: Mapping[int, set[int]]) -> set[int]:
    """Those that attack a removal, and those that attack these."""
    found: set[int] = set()
    todo = [removal]
    while todo:
        new = attackers[todo.pop()] - found
        found |= new
        todo += new
    return found
