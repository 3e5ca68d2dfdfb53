"""Which statements of a set were made in knowledge of which others.

Each statement names its predecessors; what these name is known through them. A statement whose predecessors are not
all in the set is left out, and so is what follows it: nobody can tell yet what its issuer knew.

The *past* of a statement is a number with a bit for each statement in it: of a few thousand statements, half a
kilobyte each, and asking is a shift.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from yp2p.trust.statements import Statement, StatementHash


class Ancestry:
    """The statements of a set, in an order in which each comes behind its past, the same for everybody.

    Attributes:
        statements: in order.
        past: of each its past, itself left out.
        depth: of each how many statements the longest way to a first one has.
        missing: what left-out statements name and nobody has.
    """

    def __init__(self, statements: Iterable[Statement]) -> None:
        known = {statement.hash: statement for statement in statements}
        depths = _depths(known)
        self.statements = [known[one] for one in sorted(depths, key=lambda one: (depths[one], one))]
        self.depth = [depths[statement.hash] for statement in self.statements]
        self.missing = {
            one for found in known.values() if found.hash not in depths for one in found.previous if one not in known
        }
        self._numbers = {statement.hash: number for number, statement in enumerate(self.statements)}
        self.past: list[int] = []
        for statement in self.statements:
            past = 0
            for one in statement.previous:
                number = self._numbers[one]
                past |= self.past[number] | 1 << number
            self.past.append(past)

    def __len__(self) -> int:
        return len(self.statements)

    def heads(self) -> tuple[StatementHash, ...]:
        """The statements that are in the past of no other one."""
        return tuple(self.statements[number].hash for number in bits(self.heads_of(self.everything)))

    @property
    def everything(self) -> int:
        """All statements, as bits."""
        return (1 << len(self.statements)) - 1

    def heads_of(self, some: int) -> int:
        """Those of some statements that are in the past of no other one of them."""
        heads = 0
        while some:
            number = some.bit_length() - 1
            heads |= 1 << number
            some &= ~(self.past[number] | 1 << number)
        return heads

    def mask(self, some: Iterable[StatementHash]) -> int:
        """Those of some statements that are here, as bits."""
        return sum(1 << self._numbers[one] for one in some if one in self._numbers)

    def behind(self) -> list[int]:
        """Of each statement those that have it in their past."""
        found = [0] * len(self.statements)
        for number in range(len(self.statements) - 1, -1, -1):
            follows = found[number] | 1 << number
            for one in self.statements[number].previous:
                found[self._numbers[one]] |= follows
        return found

    def up_to(self, statement: StatementHash) -> int:
        """A statement and all that is in its past, as bits."""
        number = self._numbers[statement]
        return self.past[number] | 1 << number

    def past_of(self, number: int) -> Iterator[int]:
        """The numbers in the past of a statement."""
        return bits(self.past[number])


def bits(mask: int) -> Iterator[int]:
    """The numbers of the bits that are set, rising."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _depths(known: Mapping[StatementHash, Statement]) -> dict[StatementHash, int]:
    """The depth of each statement whose whole past is known."""
    waits = {one: len(found.previous) for one, found in known.items()}
    followers: dict[StatementHash, list[StatementHash]] = defaultdict(list)
    for one, found in known.items():
        for before in found.previous:
            followers[before].append(one)
    depths: dict[StatementHash, int] = {}
    ready = [one for one, count in waits.items() if not count]
    for one in ready:
        depths[one] = 0
    while ready:
        one = ready.pop()
        for behind in followers[one]:
            waits[behind] -= 1
            if not waits[behind]:
                depths[behind] = 1 + max(depths[before] for before in known[behind].previous)
                ready.append(behind)
    return depths
