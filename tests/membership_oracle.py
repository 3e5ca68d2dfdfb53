"""Who is a member, once more: slowly, with sets of statements instead of bits.

`Slow.result` says again what the heads of `yp2p.trust.membership`, `counting`, `conflict` and `branches` say, without
the ways in which these save work. `broken_rules` says what does not hold of a result, whatever led to it: what a person
relies on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping

from yp2p.identity import DeviceID
from yp2p.trust.membership import Evaluation
from yp2p.trust.statements import Kind, Role, Statement, StatementHash

Set = frozenset[Statement]
Result = tuple[dict[DeviceID, Role], Set]
"""The roles of the members, the eldest first, and the removals in force."""


def result_of(evaluation: Evaluation) -> Result:
    roles = {device: member.role for device, member in evaluation.members.items()}
    return roles, frozenset(one for removals in evaluation.removals.values() for one in removals)


class Slow:
    """The rules for one set, in which each statement comes behind those that it names."""

    def __init__(self, founder: DeviceID, statements: Iterable[Statement], asking: DeviceID | None = None) -> None:
        self.founder = founder
        self.asking = asking
        self.all = list(statements)
        by_hash = {one.hash: one for one in self.all}
        self.depth: dict[Statement, int] = {}
        self.past: dict[Statement, Set] = {}
        for one in self.all:
            named = [by_hash[before] for before in one.previous]
            self.depth[one] = 1 + max((self.depth[before] for before in named), default=-1)
            self.past[one] = frozenset(named).union(*(self.past[before] for before in named))

        self.in_order = sorted(self.all, key=self.place)
        self._found: dict[tuple[Set, Statement | None], Set] = {}
        self._grants, self._removals, self._by = _by_device(self.in_order)

    def place(self, one: Statement) -> tuple[int, StatementHash]:
        return self.depth[one], one.hash

    def grants(self, device: DeviceID) -> list[Statement]:
        return self._grants.get(device, [])

    def removals(self, device: DeviceID) -> list[Statement]:
        return self._removals.get(device, [])

    def by(self, device: DeviceID) -> list[Statement]:
        return self._by.get(device, [])

    def last_of(self, some: Iterable[Statement]) -> list[Statement]:
        some = list(some)
        return [one for one in some if not any(one in self.past[other] for other in some)]

    def says_things_apart(self, device: DeviceID) -> bool:
        """Whether some of what a device says is concurrent."""
        return any(
            one not in self.past[other] and other not in self.past[one]
            for one, other in itertools.combinations(self.by(device), 2)
        )

    # --- what counts, with some removals in force -----------------------------------------------------------------

    def forks(self, removal: Statement) -> Set:
        """What the removed one said on from an older statement of its own than the last ones that are named."""
        own = self.by(removal.subject_id) if removal.issuer_id != removal.subject_id else []
        named = [one for one in own if one in self.past[removal]]
        last = self.last_of(named)
        return frozenset(
            one for one in own if named and one not in named and not all(it in self.past[one] for it in last)
        )

    def counting(self, in_force: Set, forks_of: Statement | None = None) -> Set:
        if (in_force, forks_of) not in self._found:
            self._found[in_force, forks_of] = self._counted(in_force, forks_of)
        return self._found[in_force, forks_of]

    def _counted(self, in_force: Set, forks_of: Statement | None) -> Set:
        forks = frozenset[Statement]().union(*(self.forks(one) for one in in_force))
        if forks_of is not None:
            forks |= self.forks(forks_of)
        strict = self._pass(forks, in_force, {})
        taken = {removal: self.taken_before(removal, strict) for removal in in_force}
        return self._pass(forks, in_force, taken) if any(taken.values()) else strict

    def _pass(self, forks: Set, in_force: Set, taken: Mapping[Statement, Set]) -> Set:
        counted: Set = frozenset()
        for one in self.in_order:
            if one not in forks and self._counts(one, counted, in_force, taken):
                counted |= {one}
        return counted

    def _counts(self, one: Statement, counted: Set, in_force: Set, taken: Mapping[Statement, Set]) -> bool:
        is_about_itself = one.issuer_id == one.subject_id
        if one.kind is Kind.GRANT and is_about_itself:
            return one.issuer_id == self.founder and not one.previous
        against = [
            removal
            for removal in in_force
            if removal.subject_id == one.issuer_id and removal != one and one not in self.past[removal]
            if one not in taken.get(removal, ()) or removal in self.past[one]
        ]
        needed = Role.READER if is_about_itself else Role.ADMINISTRATOR
        return self._role(one.issuer_id, counted & self.past[one], against) >= needed

    def _role(self, device: DeviceID, view: Set, against: Iterable[Statement]) -> Role:
        """The highest of the grants in view, each of them lowered by the removals that it does not follow."""
        roles = [
            min([grant.role, *(one.role for one in against if one not in self.past[grant])])
            for grant in self.grants(device)
            if grant in view
        ]
        return max(roles, default=Role.REMOVED)

    def first_behind(self, removal: Statement) -> list[Statement]:
        """Of each third member what it said first when it knew of a removal."""
        parties = {removal.issuer_id, removal.subject_id}
        behind = [one for one in self.all if removal in self.past[one] and one.issuer_id not in parties]
        return [
            one
            for one in behind
            if not any(other in self.past[one] and other.issuer_id == one.issuer_id for other in behind)
        ]

    def taken_before(self, removal: Statement, counted: Set) -> Set:
        """What the removed one said that most third members had, each by all that it said first."""
        first = [one for one in self.first_behind(removal) if one in counted]
        found = set()
        for said in self.by(removal.subject_id):
            votes = {one.issuer_id: True for one in first if one.issuer_id != said.subject_id}
            for one in first:
                if one.issuer_id in votes and said not in self.past[one]:
                    votes[one.issuer_id] = False
            if sum(votes.values()) * 2 > len(votes):
                found.add(said)
        return frozenset(found)

    # --- which removals are in force ------------------------------------------------------------------------------

    def in_force(self) -> Set:
        in_force: Set = frozenset()
        taken_back: Set = frozenset()
        for _ in range(4):
            in_force = self._decided(in_force)
            void = {one for one in in_force - self.counting(in_force) if one.issuer_id != one.subject_id} - taken_back
            if not void:
                return in_force
            in_force, taken_back = in_force - void, taken_back | void
        return self._decided(in_force)

    def _decided(self, in_force: Set) -> Set:
        """What is in force when all is decided that counts beside some that are."""
        out: Set = frozenset()
        while True:
            now = self.counting(in_force)
            still = [one for one in self.in_order if one.kind is Kind.REMOVAL and one in now - in_force - out]
            if not still:
                return in_force
            attacks = _Attacks(self, in_force, still)
            attackers = {one: [other for other in still if attacks(other, one)] for one in still}
            if all(attackers.values()):
                attackers = {
                    one: [other for other in others if not (attacks(one, other) and attacks.stands(one, other, now))]
                    for one, others in attackers.items()
                }
            free = {one for one, others in attackers.items() if not others}
            if not free:
                for circle in _circles(attackers):
                    best = min(circle, key=lambda one: (self.seniority(one, now), self.place(one)))
                    free.add(best)
                    out |= frozenset(attackers[best])
            in_force |= free

    def seniority(self, removal: Statement, counted: Set) -> tuple[int, ...]:
        """Earlier for a remover that was let in earlier."""
        grants = [self.in_order.index(one) for one in self.grants(removal.issuer_id) if one in counted]
        return tuple(grants[:1]) or (len(self.all),)

    def result(self) -> Result:
        in_force = self.in_force()
        counted = self.counting(in_force)
        grants = [one for one in self.in_order if one.kind is Kind.GRANT and one in counted]
        roles = {
            device: self._role(device, counted, in_force & frozenset(self.removals(device)))
            for device in dict.fromkeys(one.subject_id for one in grants)
        }
        return {device: role for device, role in roles.items() if role > Role.REMOVED}, in_force


_ByDevice = dict[DeviceID, list[Statement]]


def _by_device(statements: Iterable[Statement]) -> tuple[_ByDevice, _ByDevice, _ByDevice]:
    """The grants about each device, the removals about it, and all that it says."""
    grants, removals, said = _ByDevice(), _ByDevice(), _ByDevice()
    for one in statements:
        said.setdefault(one.issuer_id, []).append(one)
        if one.kind is not Kind.ACKNOWLEDGEMENT:
            (grants if one.kind is Kind.GRANT else removals).setdefault(one.subject_id, []).append(one)
    return grants, removals, said


class _Attacks:
    """Which of the removals that are not decided yet excludes which other one."""

    def __init__(self, slow: Slow, in_force: Set, still: list[Statement]) -> None:
        self._slow = slow
        self._still = still
        self._beside = {one: slow.counting(in_force | {one}) for one in still}
        self._without_forks = {one: slow.counting(in_force, forks_of=one) for one in still}

    def __call__(self, one: Statement, other: Statement) -> bool:
        return self._wins_over(one, other) or self.is_between_branches(one, other)

    def _excludes(self, one: Statement, other: Statement) -> bool:
        return one != other and other not in self._beside[one]

    def _forks(self, one: Statement, other: Statement) -> bool:
        """Whether a removal stands on a fork of what another one names."""
        return bool(self._slow.forks(other)) and one not in self._without_forks[other]

    def _wins_over(self, one: Statement, other: Statement) -> bool:
        return self._excludes(one, other) and not self._forks(one, other)

    def is_between_branches(self, one: Statement, other: Statement) -> bool:
        return all(self._excludes(*pair) and self._forks(*pair) for pair in ((one, other), (other, one)))

    def stands(self, one: Statement, other: Statement, now: Set) -> bool:
        """Whether a removal stands against another one: more third members heard of it first, or it is the elder's."""
        if self.is_between_branches(one, other):
            return self._side(one, other) != other
        for_one, for_other = self._voters(one, other), self._voters(other, one)
        if len(for_one - for_other) != len(for_other - for_one):
            return len(for_one - for_other) > len(for_other - for_one)
        return self._age(one, now) < self._age(other, now)

    def _age(self, one: Statement, now: Set) -> object:
        return self._slow.seniority(one, now), self._slow.place(one)

    def _voters(self, one: Statement, other: Statement) -> set[DeviceID]:
        slow = self._slow
        return {
            said.issuer_id
            for said in slow.first_behind(one)
            if said in self._beside[one] & self._beside[other] and other not in slow.past[said] and said != other
            if said.issuer_id not in (other.issuer_id, other.subject_id)
        }

    def _on_branch_only(self, one: Statement, other: Statement) -> list[Statement]:
        """What was said in knowledge of what a removal stands on and another one does not know, not the other way."""
        slow = self._slow

        def is_on(said: Statement, it: Statement, against: Statement) -> bool:
            branch = slow.forks(against) & (slow.past[it] | {it})
            return bool(branch & (slow.past[said] | {said}))

        return [said for said in slow.all if is_on(said, one, other) and not is_on(said, other, one)]

    def _side(self, one: Statement, other: Statement) -> Statement | None:
        """The one of two removals whose branch counts, for the device that asks."""
        slow, subjects = self._slow, {one.subject_id, other.subject_id}
        own = [said for said in slow.in_order if said.issuer_id == slow.asking]
        let_in = [said for said in slow.all if said.kind is Kind.GRANT and said.subject_id == slow.asking]
        known = [grant for grant in let_in if not own or grant in slow.past[own[0]]]
        stands = [it for it in (one, other) if self._beside[it].intersection(known)]
        if len(stands) == 1:
            return stands[0]

        on = {one: self._on_branch_only(one, other), other: self._on_branch_only(other, one)}
        in_both = self._beside[one] & self._beside[other]
        had = {it: {said.issuer_id for said in on[it] if said in in_both} - subjects for it in on}
        difference = len(had[one] - had[other]) - len(had[other] - had[one])
        if difference:
            return one if difference > 0 else other

        mine = [it for it in on if any(said.issuer_id == slow.asking for said in on[it])]
        return mine[0] if len(mine) == 1 else None


def _circles(attackers: Mapping[Statement, list[Statement]]) -> list[Set]:
    """The circles that nobody from outside attacks."""

    def reach(one: Statement) -> Set:
        found: Set = frozenset()
        todo = list(attackers[one])
        while todo:
            other = todo.pop()
            if other not in found:
                found |= {other}
                todo += attackers[other]
        return found

    reached = {one: reach(one) for one in attackers}
    return [found for found in set(reached.values()) if all(reached[one] == found for one in found)]


# --- what a person relies on --------------------------------------------------------------------------------------


def broken_rules(slow: Slow, result: Result) -> list[str]:
    """The rules that do not hold."""
    return [check.__name__.strip("_") for check in _RULES if not check(slow, *result)]


Check = Callable[[Slow, dict[DeviceID, Role], Set], bool]


def _only_whom_an_administrator_let_in_is_a_member(slow: Slow, roles: dict[DeviceID, Role], in_force: Set) -> bool:
    """Each by a chain that begins at the founder."""
    let_in, todo = set[DeviceID](), [slow.founder] if slow.grants(slow.founder) else []
    while todo:
        device = todo.pop()
        let_in.add(device)
        if any(one.role is Role.ADMINISTRATOR for one in slow.grants(device)):
            todo += [
                one.subject_id for one in slow.by(device) if one.kind is Kind.GRANT and one.subject_id not in let_in
            ]
    return roles.keys() <= let_in


def _nobody_has_more_than_it_was_given(slow: Slow, roles: dict[DeviceID, Role], in_force: Set) -> bool:
    return all(role <= max(one.role for one in slow.grants(device)) for device, role in roles.items())


def _who_was_removed_is_back_only_behind_all_its_removals(
    slow: Slow, roles: dict[DeviceID, Role], in_force: Set
) -> bool:
    def is_answered(device: DeviceID, role: Role) -> bool:
        lower = {one for one in in_force if one.subject_id == device and one.role < role}
        return any(lower <= slow.past[grant] for grant in slow.grants(device) if grant.role >= role)

    return all(is_answered(device, role) for device, role in roles.items())


def _who_is_removed_by_nobody_keeps_what_the_founder_gave(
    slow: Slow, roles: dict[DeviceID, Role], in_force: Set
) -> bool:
    """Where nobody takes anything from the founder either."""
    if slow.removals(slow.founder):
        return True
    given = [one for one in slow.by(slow.founder) if one.kind is Kind.GRANT and not slow.removals(one.subject_id)]
    return all(roles.get(one.subject_id, Role.REMOVED) >= one.role for one in given)


def _what_a_founder_says_that_nobody_removes_holds(slow: Slow, roles: dict[DeviceID, Role], in_force: Set) -> bool:
    """Whatever others say; also that somebody is back, where it knew of all removals."""
    if slow.removals(slow.founder):
        return True
    own = slow.by(slow.founder)
    if any(one.kind is Kind.REMOVAL and one not in in_force for one in own):
        return False
    back = [one for one in own if one.kind is Kind.GRANT and slow.past[one].issuperset(slow.removals(one.subject_id))]
    return all(roles.get(one.subject_id, Role.REMOVED) >= one.role for one in back)


def _each_member_may_leave(slow: Slow, roles: dict[DeviceID, Role], in_force: Set) -> bool:
    """At once, where nobody removes others and nobody says things behind its own back."""
    removals = [one for one in slow.all if one.kind is Kind.REMOVAL]
    if any(one.issuer_id != one.subject_id or slow.says_things_apart(one.issuer_id) for one in removals):
        return True
    first = {one for one in removals if not slow.past[one].intersection(slow.removals(one.subject_id))}
    were_let_in = {one.subject_id for one in slow.counting(in_force) if one.kind is Kind.GRANT}
    return {one for one in first if one.subject_id in were_let_in} <= in_force


def _what_a_removal_does_not_name_and_nobody_had_is_without_effect(
    slow: Slow, roles: dict[DeviceID, Role], in_force: Set
) -> bool:
    """What the removed one says of others, concurrently or later, unless it was let in again.

    Not where each of two removals stands on a fork of what the other one names: who is on neither counts neither.
    """
    return not any(
        said in in_force or (said.kind is Kind.GRANT and _has_what_nobody_else_gave(slow, said, roles))
        for removal in in_force
        for said in _void(slow, removal)
        if not _is_on_another_branch(slow, said, removal)
    )


def _is_on_another_branch(slow: Slow, one: Statement, other: Statement) -> bool:
    pairs = ((one, other), (other, one))
    return one.kind is Kind.REMOVAL and all(
        slow.forks(it) and said not in slow.counting(frozenset(), forks_of=it) for said, it in pairs
    )


def _void(slow: Slow, removal: Statement) -> list[Statement]:
    """What is said behind the back of a removal, and no third device had when it first knew of that."""
    device = removal.subject_id
    had = frozenset[Statement]().union(*(slow.past[one] for one in slow.first_behind(removal)))
    return [
        said
        for said in slow.by(device)
        if said.subject_id != device and said not in slow.past[removal] and said not in had
        if not any(removal in slow.past[grant] and grant in slow.past[said] for grant in slow.grants(device))
    ]


def _has_what_nobody_else_gave(slow: Slow, said: Statement, roles: dict[DeviceID, Role]) -> bool:
    others = [one.role for one in slow.grants(said.subject_id) if one != said]
    return roles.get(said.subject_id, Role.REMOVED) > max(others, default=Role.REMOVED)


def _of_removals_that_could_count_one_stands(slow: Slow, roles: dict[DeviceID, Role], in_force: Set) -> bool:
    return bool(in_force) or not any(one.kind is Kind.REMOVAL for one in slow.counting(frozenset()))


_RULES: tuple[Check, ...] = (
    _only_whom_an_administrator_let_in_is_a_member,
    _nobody_has_more_than_it_was_given,
    _who_was_removed_is_back_only_behind_all_its_removals,
    _who_is_removed_by_nobody_keeps_what_the_founder_gave,
    _what_a_founder_says_that_nobody_removes_holds,
    _each_member_may_leave,
    _what_a_removal_does_not_name_and_nobody_had_is_without_effect,
    _of_removals_that_could_count_one_stands,
)
