"""Why devices are out: which removals it is that a device may not write by, and which ones nobody has taken back.

Theory of operation
    A removal stays in force when a grant has answered it, and says nothing any more of whoever was let in again. A
    grant that does not count (its issuer was removed, and had not been, or did not know, when it was made) answers it
    as well where the question is why a device is out *now*: who took it in had taken it in by that grant, and takes it
    so no more because of the removal that the grant fails by. That one is a removal of the issuer, concurrent with the
    grant or not answered before it; or, where the issuer had its own right by a grant that does not count, the reason
    of that one.

    Of a grant whose issuer knew that it was out itself that is not so: nobody has ever taken in anybody by it. Else who
    was removed would move the moment from which the work of others does not count.

    Whether a device stays removed is another question: no grant answers a removal for that which does not count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from yp2p.identity import DeviceID
from yp2p.trust.ancestry import bits
from yp2p.trust.counting import Rules
from yp2p.trust.statements import Role


class Reasons:
    """The reasons that there are with some removals in force. Statements are bits, as in `Rules`.

    Args:
        counted, void: the grants that count, and those that would with no removal in force.
    """

    def __init__(self, rules: Rules, in_force: int, counted: int, void: int) -> None:
        self._rules = rules
        self._counted, self._void = self._by_subject(counted), self._by_subject(void)
        self._removals = {
            device: mask for device, numbers in rules.removals_by_subject.items() if (mask := numbers & in_force)
        }
        self._of_grants: dict[int, int] = {}
        same: dict[tuple[DeviceID, int, int, int], int | None] = {}
        for grant in bits(void):  # in an order in which each comes behind its past
            found = self._of_grant(grant, same)
            if found is not None:
                self._of_grants[grant] = found
            else:
                self._void[rules.statements[grant].subject_id] &= ~(1 << grant)

    def _by_subject(self, grants: int) -> dict[DeviceID, int]:
        found = defaultdict[DeviceID, int](int)
        for number in bits(grants):
            found[self._rules.statements[number].subject_id] |= 1 << number
        return found

    def unanswered(self) -> Mapping[DeviceID, int]:
        """The removals that no grant that counts follows, by whom they are about."""
        found = {device: self._not_behind(device, self._counted.get(device, 0)) for device in self._removals}
        return {device: mask for device, mask in found.items() if mask}

    def put_out_by(self) -> Mapping[DeviceID, int]:
        """The removals by which each device is out, or may not write."""
        found = {device: self._of_device(device) for device in self._removals.keys() | self._void.keys()}
        return {device: mask for device, mask in found.items() if mask}

    def _of_device(self, device: DeviceID) -> int:
        removals = self._not_behind(device, self._counted.get(device, 0) | self._void.get(device, 0))
        found = sum(1 << one for one in bits(removals) if self._rules.statements[one].role < Role.MEMBER)
        for grant in bits(self._void.get(device, 0)):
            if not self._gave_nothing(grant, device):
                found |= self._of_grants[grant]
        return found

    def _not_behind(self, device: DeviceID, grants: int) -> int:
        """The removals of a device that none of these grants follows."""
        behind = self._rules.behind
        return sum(1 << one for one in bits(self._removals.get(device, 0)) if not behind[one] & grants)

    def _of_grant(self, grant: int, same: dict[tuple[DeviceID, int, int, int], int | None]) -> int | None:
        """The removals by which a grant does not count; None where it did not by what it names itself."""
        issuer, past, behind = self._rules.statements[grant].issuer_id, self._rules.past[grant], self._rules.behind
        before = (self._counted.get(issuer, 0) | self._void.get(issuer, 0)) & past
        against, known = self._removals.get(issuer, 0) & ~behind[grant], self._removals.get(issuer, 0) & past
        key = issuer, before, against, known
        if key not in same and (not before or any(not behind[one] & before for one in bits(known))):
            same[key] = None
        elif key not in same:
            found = sum(1 << one for one in bits(against) if not behind[one] & before)
            for other in bits(before & self._void.get(issuer, 0)):
                found |= self._of_grants[other]
            same[key] = found
        return same[key]

    def _gave_nothing(self, grant: int, device: DeviceID) -> bool:
        """Whether a grant is answered by one that counts, or said no more of who may write than such a one."""
        rules, counted = self._rules, self._counted.get(device, 0)
        if rules.behind[grant] & counted:
            return True
        given = min(rules.statements[grant].role, Role.MEMBER)
        before = self._removals.get(device, 0) & rules.past[grant]
        return any(
            rules.statements[other].role >= given
            and all(rules.statements[one].role >= given for one in bits(before & ~rules.past[other]))
            for other in bits(counted)
        )
