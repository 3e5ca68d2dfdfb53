"""Two branches of one device: which of two removals stands of which each is on a fork of what the other one names.

Theory of operation
    A device, or a thief who has it, can sign two branches, and have a friend on each remove it. Each removal then makes
    a fork of what the other one stands on (`counting.py`), so neither is dated back by what the other one says. By the
    statements alone the branches are alike: whatever honest devices say on theirs, friends without number say on the
    other one, statement for statement. What can be told apart is who was let in where, and who had which one first.
    So, in this order,

    * for a device that was let in on one of the branches only, by what it knew when it first said anything, the one
      on its branch stands;
    * for the others, that were let in before the branches part: the one whose branch more of them had before the other
      branch, whether they had heard of a removal or not (those whose statements count on both; all but the subjects);
    * equal: the one whose branch the device itself had before the other one;
    * else, and for somebody who is no member, both are in force, and neither branch counts.

Invariants
    * Devices that were let in on one branch agree, and nothing that is said on another one only puts them out.
"""

from __future__ import annotations

from yp2p.identity import DeviceID
from yp2p.trust.ancestry import bits
from yp2p.trust.counting import Rules


class Branches:
    """Decides between two branches, as the device goes by them that asks; None for somebody who is on neither."""

    def __init__(self, rules: Rules, asking: DeviceID | None) -> None:
        self._rules = rules
        self._own = rules.own.get(asking, 0) if asking is not None else 0
        self._first_grants = rules.first_grants(asking) if asking is not None else 0
        self._known_by: dict[int, int] = {}

    def stands(self, one: int, other: int, beside_one: int, beside_other: int) -> bool:
        """Whether a removal stands against another one. Both may: who forks chooses how many friends he has there.

        Args:
            beside_one, beside_other: what counts if the one is in force, or the other.
        """
        is_ours, is_not = bool(self._first_grants & beside_one), bool(self._first_grants & beside_other)
        if is_ours != is_not:
            return is_ours
        on_one, on_other = self._on_branch(one, other), self._on_branch(other, one)
        on_one, on_other = on_one & ~on_other, on_other & ~on_one
        in_both = beside_one & beside_other
        for_one, for_other = (self._witnesses(on & in_both, one, other) for on in (on_one, on_other))
        if len(for_one - for_other) != len(for_other - for_one):
            return len(for_one - for_other) > len(for_other - for_one)
        return bool(self._own & on_one) or not self._own & on_other

    def _on_branch(self, removal: int, other: int) -> int:
        """What was said in knowledge of the branch that a removal stands on, and that what another one names is not."""
        branch = self._rules.forked(other) & (self._rules.past[removal] | 1 << removal)
        if branch not in self._known_by:
            found = branch
            for number in bits(branch):
                found |= self._rules.behind[number]
            self._known_by[branch] = found
        return self._known_by[branch]

    def _witnesses(self, said: int, one: int, other: int) -> set[DeviceID]:
        """The issuers of some statements, without whom two removals are about."""
        if not said:
            return set()
        subjects = {self._rules.statements[removal].subject_id for removal in (one, other)}
        return {voter for voter, own in self._rules.own.items() if own & said} - subjects
