"""Every set of a few membership statements of a few devices: who said what, and what of the others each knew by then.

A statement is a tuple that says all about it, so that two that say the same behind the same are one. A set is given in
the order of these tuples, in which each statement comes behind those that it names; so every set is met once. Sets that
differ by the names of the devices only are met once as well: only the first one of such a class is given.

What its issuer had no role for by the statements that it names is not enumerated: `yp2p.trust.limits` says that it is
not kept, and a test of its own that it changes nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from room import FOLDER, identity

from yp2p.trust.statements import Kind, Role, Signer, Statement

FOUNDER = 0
NAMES = ("founder", "first", "second", "third")


class Said(NamedTuple):
    """A statement: the devices are numbers, and the founder is 0."""

    depth: int
    issuer: int
    kind: Kind
    subject: int
    role: Role
    previous: tuple[Said, ...]


SaidSet = tuple[Said, ...]
ROOT = Said(0, FOUNDER, Kind.GRANT, FOUNDER, Role.ADMINISTRATOR, ())


@dataclass(frozen=True, slots=True)
class What:
    """What somebody can say: a statement without what it names."""

    issuer: int
    kind: Kind
    subject: int
    role: Role

    def behind(self, previous: Sequence[Said]) -> Said:
        depth = 1 + max(one.depth for one in previous)
        return Said(depth, self.issuer, self.kind, self.subject, self.role, tuple(sorted(previous)))


def everything(
    issuers: Sequence[int] = (0, 1, 2),
    subjects: Sequence[int] = (0, 1, 2),
    given: Sequence[Role] = (Role.READER, Role.MEMBER, Role.ADMINISTRATOR),
    left: Sequence[Role] = (Role.REMOVED, Role.READER, Role.MEMBER),
) -> list[What]:
    """All that devices can say. A grant to oneself, which only the founder's first statement is, is left out."""
    found = [What(issuer, Kind.ACKNOWLEDGEMENT, issuer, Role.REMOVED) for issuer in issuers]
    for issuer, subject in itertools.product(issuers, subjects):
        found += [What(issuer, Kind.GRANT, subject, role) for role in given if subject != issuer]
        found += [What(issuer, Kind.REMOVAL, subject, role) for role in left]
    return found


def sets(
    count: int, whats: Sequence[What], begun: SaidSet = (ROOT,), *, are_all_kept: bool = True
) -> Iterator[SaidSet]:
    """All sets of at most so many statements more than those of a room that has begun, which is given first.

    Args:
        are_all_kept: without statements that their issuers had no role for.
    """
    yield from _longer(begun, len(begun), count, whats, are_all_kept)


def sets_with_first(count: int, whats: Sequence[What], begun: SaidSet, first: Said) -> Iterator[SaidSet]:
    """Those of `sets` in which a given statement is the first one more. Together, for all that may be, and with what
    has begun, these are all of them."""
    yield from _longer((*begun, first), len(begun), count - 1, whats, are_all_kept=True)


def first_ones(whats: Sequence[What], begun: SaidSet) -> list[Said]:
    """The statements that may be the first one more."""
    return [said[-1] for said in sets(1, whats, begun) if len(said) > len(begun)]


def _longer(said: SaidSet, begun: int, count: int, whats: Sequence[What], are_all_kept: bool) -> Iterator[SaidSet]:
    yield said
    if not count:
        return
    for previous in _antichains(said):
        past = past_of(previous)
        for what in whats:
            if are_all_kept and not _may_say(what, past):
                continue
            one = what.behind(previous)
            if one not in said and (len(said) == begun or one > said[-1]):
                yield from _longer((*said, one), begun, count - 1, whats, are_all_kept)


def _antichains(said: SaidSet) -> Iterator[tuple[Said, ...]]:
    """Those statements that one more can name: none of them is in the past of another one."""
    pasts = {one: past_of(one.previous) for one in said}
    for size in range(1, len(said) + 1):
        for chosen in itertools.combinations(said, size):
            if not any(one in pasts[other] for one, other in itertools.permutations(chosen, 2)):
                yield chosen


def _may_say(what: What, past: frozenset[Said]) -> bool:
    roles = [one.role for one in past if one.kind is Kind.GRANT and one.subject == what.issuer]
    return bool(roles) and (what.issuer == what.subject or max(roles) is Role.ADMINISTRATOR)


def past_of(previous: Sequence[Said]) -> frozenset[Said]:
    """Some statements, and all that these follow."""
    return frozenset(previous).union(*(past_of(one.previous) for one in previous))


def is_first_of_its_names(said: SaidSet) -> bool:
    """Whether it comes before the set that says the same with the names of the first and the second one exchanged."""
    return list(said) <= sorted(renamed(one) for one in said)


@lru_cache(100_000)
def renamed(said: Said) -> Said:
    """The first device is called the second, and the other way round."""
    other = (0, 2, 1, 3)
    previous = tuple(sorted(renamed(one) for one in said.previous))
    return Said(said.depth, other[said.issuer], said.kind, other[said.subject], said.role, previous)


@lru_cache(100_000)
def signed(said: Said) -> Statement:
    """The real statement."""
    signer, subject = Signer(identity(NAMES[said.issuer]), FOLDER), identity(NAMES[said.subject]).public
    previous = [signed(one).hash for one in said.previous]
    match said.kind:
        case Kind.GRANT:
            return signer.grant(previous, subject, said.role, NAMES[said.subject])
        case Kind.REMOVAL:
            return signer.remove(previous, subject, said.role)
        case _:
            return signer.acknowledge(previous)


def last_ones(said: SaidSet) -> list[Said]:
    """The statements that no other one of the set follows: any of them may be the one that came last."""
    named = {before for one in said for before in one.previous}
    return [one for one in said if one not in named]
