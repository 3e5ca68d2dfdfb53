"""Who is a member of a folder: what follows from a set of signed statements.

Theory of operation
    Statements name what their issuers knew (`statements.py`), so of two statements one is in the *past* of the other,
    or they are *concurrent* (`ancestry.py`). There is no clock, and no counter that an issuer could choose. The founder
    of the folder grants itself the first role. From there on a statement *counts* where its issuer may make it:

    * Administrators grant, remove and change roles; every member may leave, and acknowledge.
    * A device has the highest role of the grants that count. Each removal in force lowers those of them that do not
      follow it: who was removed comes back by a grant that was made in knowledge of all its removals.
    * Removal beats what is concurrent with it, but for what most others had taken before it came (`counting.py`).
    * Of removals that exclude each other those stand that more third members heard of first (`conflict.py`).
    * A device can sign two branches, and have a friend on each remove it: each device goes by the branch on which it
      was let in (`branches.py`).

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
    tell better; those on the other branch do not follow it. In a circle without an answer (`conflict.py`) more devices
    are out than anybody meant, and have to be let in again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from yp2p.identity import DeviceID, PublicIdentity
from yp2p.trust.ancestry import Ancestry, bits
from yp2p.trust.conflict import Conflict
from yp2p.trust.counting import Rules
from yp2p.trust.reasons import Reasons
from yp2p.trust.statements import Role, Statement

__all__ = ["Evaluation", "Member", "evaluate"]


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
        unanswered: the removals in force that no grant that counts has answered.
        put_out_by: those by which a device is out, or may not write, its own or of whoever let it in (`reasons.py`).
    """

    members: Mapping[DeviceID, Member]
    removals: Mapping[DeviceID, tuple[Statement, ...]]
    lost: tuple[Statement, ...]
    unanswered: Mapping[DeviceID, tuple[Statement, ...]]
    put_out_by: Mapping[DeviceID, tuple[Statement, ...]]


def evaluate(founder: DeviceID, statements: Iterable[Statement], asking: DeviceID | None = None) -> Evaluation:
    """Who is a member, and why. Statements whose predecessors are not in the set are not looked at.

    Args:
        asking: the device that wants to know; None for somebody who is on neither of two branches.
    """
    rules = Rules(founder, Ancestry(statements))
    in_force = Conflict(rules, asking).decided()
    counted, free = rules.counting(in_force).counted, rules.counting(0).counted
    members = [
        Member((grant := rules.statements[number]).subject, role, grant.name, grant)
        for role, number in rules.roles(counted, in_force)
    ]
    void = free & ~counted & rules.grants
    reasons = Reasons(rules, in_force, counted & rules.grants, void)
    return Evaluation(
        {member.identity.device_id: member for member in members},
        _named(rules, {device: numbers & in_force for device, numbers in rules.removals_by_subject.items()}),
        tuple(rules.statements[number] for number in bits(void)),
        _named(rules, reasons.unanswered()),
        _named(rules, reasons.put_out_by()),
    )


def _named(rules: Rules, found: Mapping[DeviceID, int]) -> dict[DeviceID, tuple[Statement, ...]]:
    return {device: tuple(rules.statements[number] for number in bits(mask)) for device, mask in found.items() if mask}
