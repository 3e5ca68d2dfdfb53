"""How many statements of a folder are kept: a function of the set, so that all devices keep the same.

Theory of operation
    Statements of issuers that no chain of grants leads to are of strangers, and are not kept; nor is what was said
    before the first grant of its issuer, what somebody who was never an administrator said of others, and what names
    such a statement: none of it can ever count, no honest device names it, and a member could name any number, or have
    all others acknowledge it.

    What a statement names is kept with it, whoever said it: so what others have acknowledged cannot be pushed out by
    what its issuer dates back. Therefore what is in a past has limits as well, and these depend on nothing but that
    past: an issuer says so many things of each kind one behind the other, of acknowledgements besides those the first
    one that answers each remover (all others answer whoever removes much, and that must not use up what they need to
    answer other removals); and what follows more than is ever kept is not kept. Of an issuer that forks the first
    ones are kept, whatever they are.

    If all are too many, removals go first: of everybody the first one, then the second, so that who fills its share
    takes nothing from others. Then what issuers nearer to the founder said, and of equally near ones as many of each;
    grants before acknowledgements. What a statement brings along is counted too, up to a number: one with a long past
    must not take the places of all others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from yp2p.identity import DeviceID
from yp2p.trust.ancestry import Ancestry, bits
from yp2p.trust.statements import MAX_PREDECESSORS, Kind, Role, Statement, StatementHash

# A room has dozens of devices; each is let in by one statement, and that is acknowledged by some dozen others. Without
# a cap one member could make every other one store and check statements forever; without one for each issuer it could
# take the places of all others.
MAX_STATEMENTS = 4096
MAX_STATEMENTS_OF_ONE = 256  # of each kind, one behind the other
MOST_COUNTED = 64
# We ourselves name no more than are kept, so that what others say does not keep us from saying as much again.
_PAST = 2
# Of an issuer that forks: of each kind, and the first acknowledgements of a removal.
_KINDS_OF_ONE = 4
_ORDER = {Kind.GRANT: 0, Kind.REMOVAL: 0, Kind.ACKNOWLEDGEMENT: 1}


def kept(founder: DeviceID, statements: Iterable[Statement]) -> dict[StatementHash, Statement]:
    """The statements that are kept; what names an unknown one is not."""
    ancestry = Ancestry(statements)
    taken, room = 0, MAX_STATEMENTS
    for number in _in_turns(_Admitted(founder, ancestry)):
        before = taken.bit_count()
        taken |= 1 << number | ancestry.past[number]
        room -= min(taken.bit_count() - before, MOST_COUNTED)
        if room <= 0:
            break
    return {ancestry.statements[number].hash: ancestry.statements[number] for number in bits(taken)}


def heads_within(ancestry: Ancestry, own: DeviceID, some: int, named: int = 0) -> list[StatementHash]:
    """The heads of some statements that one of ours names: all, unless that is too much; our own ones first.

    Args:
        named: what it names besides.
    """
    numbers = sorted(bits(ancestry.heads_of(some)), key=lambda one: (ancestry.statements[one].issuer_id != own, one))
    found = []
    for number in numbers:
        more = named | ancestry.past[number] | 1 << number
        if more.bit_count() < MAX_STATEMENTS or ancestry.statements[number].issuer_id == own:
            named = more
            found.append(ancestry.statements[number].hash)
    return found


class _Admitted:
    """The statements whose past allows that they are kept.

    Attributes:
        own: by issuer, its statements in order.
        level: of each how many grants lead to its issuer, by what it knew.
    """

    def __init__(self, founder: DeviceID, ancestry: Ancestry) -> None:
        self.ancestry = ancestry
        self.own: dict[DeviceID, list[int]] = defaultdict(list)
        self.level: dict[int, int] = {}
        self._founder = founder
        self._mask = 0
        self._removals = 0
        self._said: dict[tuple[DeviceID, Kind], int] = defaultdict(int)
        self._answers: dict[tuple[DeviceID, DeviceID | None], int] = defaultdict(int)
        self._grants: dict[DeviceID, dict[int, int]] = defaultdict(lambda: defaultdict(int))  # by level
        self._of_administrators: dict[DeviceID, int] = defaultdict(int)
        for number in range(len(ancestry)):
            if self._may_say(number):
                self._admit(number)

    def _may_say(self, number: int) -> bool:
        """Whether it follows, as all in its past do, a grant of the role that it takes, or is the founder's first.

        Who removes or lets in others needs an administrator's.
        """
        statement, past = self.ancestry.statements[number], self.ancestry.past[number]
        issuer, is_about_itself = statement.issuer_id, statement.issuer_id == statement.subject_id
        if statement.kind is Kind.GRANT and is_about_itself:
            return issuer == self._founder and not statement.previous
        if past & ~self._mask or past.bit_count() > _PAST * MAX_STATEMENTS:
            return False
        if is_about_itself:
            return any(past & grants for grants in self._grants[issuer].values())
        return bool(past & self._of_administrators[issuer])

    def _admit(self, number: int) -> None:
        statement, past = self.ancestry.statements[number], self.ancestry.past[number]
        issuer, kind = statement.issuer_id, statement.kind
        is_full = (past & self._said[issuer, kind]).bit_count() >= MAX_STATEMENTS_OF_ONE
        if kind is Kind.ACKNOWLEDGEMENT:
            answered = issuer, self._answered(number)
            if is_full and (answered[1] is None or past & self._answers[answered]):
                return
            self._answers[answered] |= 1 << number
        elif is_full:
            return
        bit = 1 << number
        self._mask |= bit
        self._said[issuer, kind] |= bit
        self.own[issuer].append(number)
        self.level[number] = self._level(issuer, past)
        if kind is Kind.REMOVAL:
            self._removals |= bit
        elif kind is Kind.GRANT:
            self._grants[statement.subject_id][self.level[number]] |= bit
            if statement.role is Role.ADMINISTRATOR:
                self._of_administrators[statement.subject_id] |= bit

    def _level(self, issuer: DeviceID, past: int) -> int:
        levels = (level for level, grants in self._grants[issuer].items() if past & grants)
        return 0 if issuer == self._founder else 1 + min(levels, default=0)

    def _answered(self, number: int) -> DeviceID | None:
        """The issuer of the last removal that an acknowledgement follows and no earlier statement of its issuer does.

        Honest issuers have one last statement, and who forks has as many as are looked at.
        """
        past = self.ancestry.past[number]
        earlier, new = past & self._own_mask(number), past & self._removals
        for _ in range(MAX_PREDECESSORS):
            if not earlier or not new:
                break
            last = earlier.bit_length() - 1
            earlier &= ~(self.ancestry.past[last] | 1 << last)
            new &= ~self.ancestry.past[last]
        return self.ancestry.statements[new.bit_length() - 1].issuer_id if new else None

    def _own_mask(self, number: int) -> int:
        issuer = self.ancestry.statements[number].issuer_id
        return sum(self._said[issuer, kind] for kind in Kind)


def _in_turns(admitted: _Admitted) -> Iterable[int]:
    """The first statements of each issuer, those first that go first."""
    statements = admitted.ancestry.statements
    keys: list[tuple[int, ...]] = []
    for numbers in admitted.own.values():
        turns: dict[Kind, int] = defaultdict(int)
        for number in numbers[: _KINDS_OF_ONE * MAX_STATEMENTS_OF_ONE]:
            kind, level = statements[number].kind, admitted.level[number]
            if kind is Kind.REMOVAL:
                keys.append((0, turns[kind], level, 0, number))
            else:
                keys.append((1, level, _ORDER[kind], turns[kind], number))
            turns[kind] += 1
    return [key[-1] for key in sorted(keys)]
