"""Which removals are in force, where some exclude others.

Theory of operation
    A removal *attacks* another one that would not count if it were in force (`counting.py`). What nobody attacks is in
    force, and what does not count beside it is out; so on. Where two exclude each other,

    * one that forks from what the other names is no attack: it is dated back. Where each forks from what the other
      names, that does not tell which of the two is, and `branches.py` decides;
    * else the one stands that more third members acknowledged first. A member has a say only if its own statement
      counts whichever of the two is in force, so nobody brings voters along;
    * equal: the one of the device that was let in earlier. So too in a circle.

    When all is decided, a removal in force may not count any more: others exclude it together that do not alone, as one
    of them takes the vote from the members that kept it. So it is taken back, and decided about beside all that are in
    force without it. That is done once for each, as there are circles without an answer: a removal takes the vote from
    a member that kept another one out, and that one, which then counts, makes the first one void. What does not count
    the second time stays in force, and so does what excludes it. Whoever is out by either is let in again by those that
    are left. (What a device takes from itself stays as it is: that it does not count only says that others took more.)

Removals that change the same are looked at once: a thief says the same in a thousand forks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from yp2p.identity import DeviceID
from yp2p.trust.ancestry import bits
from yp2p.trust.branches import Branches
from yp2p.trust.counting import Counted, Effect, Rules

# How often all that does not count is taken back. Who says what he likes could have it done once for each removal.
_TIMES = 4


class Conflict:
    """Decides which removals are in force, as the device goes by them that asks (None: nobody)."""

    def __init__(self, rules: Rules, asking: DeviceID | None) -> None:
        self._rules = rules
        self._branches = Branches(rules, asking)
        self._in_force = 0
        self._taken_back = 0  # those that did not count when all was decided
        self._now: Counted | None = None
        self._effects: dict[tuple[object, ...], Effect] = {}  # of removals alike
        self._with: dict[int, int] = {}  # by removal: what counts if it is in force as well
        self._lost: dict[int, int] = {}  # by removal: the open ones that do not
        self._groups: dict[int, int] = {}  # by what is lost, the removals that do that
        self._same: dict[int, int] = {}  # by removal: what its issuer says alike, and nobody has heard
        self._forking: dict[int, tuple[int, int]] = {}  # by what forks: removals before which it does, what else counts
        self._mutual: dict[
            int, int
        ] = {}  # by removal: those that fork from what it names, as it does from what they name

    def decided(self) -> int:
        """The removals that are in force."""
        for _ in range(_TIMES):
            counted = self._decide()
            void = self._in_force & ~counted & ~self._rules.about_itself & ~self._taken_back
            if not void:
                break
            self._in_force &= ~void
            self._taken_back |= void
            self._now = None  # what is known of others is so beside these
        else:
            self._decide()
        return self._in_force

    def _decide(self) -> int:
        """Decide about all that count and are not in force yet; gives what counts then."""
        out = 0
        while True:
            now = self._rules.counting(self._in_force)
            open_ones = self._rules.removals & now.counted & ~self._in_force & ~out
            if not open_ones:
                return now.counted
            self._look(open_ones, now)
            attackers = self._attackers(open_ones, now)
            free = _unattacked(attackers)
            if not free:
                attackers = self._vote(attackers, now.counted)
                free = _unattacked(attackers)
            if not free:
                for best in self._of_circles(attackers, now.counted):
                    free, out = free | 1 << best, out | attackers[best]
            self._in_force |= free

    def _look(self, open_ones: int, now: Counted) -> None:
        rules, before = self._rules, self._now
        effects = {
            kind: Effect(now.counted & ~effect.lost, effect.lost, effect.depends_on)
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

    def _attackers(self, open_ones: int, now: Counted) -> dict[int, int]:
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
                before, rest = known or (0, self._rules.counting_without(now, forks))
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
            return self._branches.stands(one, other, self._with[one], self._with[other])
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
