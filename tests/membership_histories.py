"""Random histories of a room with a thief: what honest devices do, and what somebody with a stolen device tries."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from room import Peer, evaluated, meet

from yp2p.trust.ancestry import Ancestry
from yp2p.trust.membership import Evaluation
from yp2p.trust.statements import Role, Statement


@dataclass
class History:
    """A founder, devices that it or others let in, and a thief among them who is removed by one of them.

    Attributes:
        left: what the thief may be afterwards.
        times: how often that device had been removed, and let in again, before it was stolen.
        removal: what removes the thief.
        stolen: what the thief says after he has the device.
    """

    rng: random.Random
    most: int = 8
    left: Role = Role.REMOVED
    times: int = 0
    peers: list[Peer] = field(default_factory=list)
    stolen: list[Statement] = field(default_factory=list)
    made: int = 0

    def play(self, statements: int) -> None:
        rng = self.rng
        self.founder = Peer.founder("device 0")
        self.peers = [self.founder]
        while len(self.peers) < rng.randint(3, self.most):
            by = rng.choice([peer for peer in self.peers if self._role(peer) is Role.ADMINISTRATOR])
            peer = Peer(f"device {len(self.peers)}")
            is_second = len(self.peers) == 1
            by.grant(peer, Role.ADMINISTRATOR if is_second or rng.random() < 0.7 else Role.MEMBER)
            self._gossip(self.peers)
            self.peers.append(peer)
        meet(*self.peers)
        for peer in self.peers:
            peer.acknowledge()
        meet(*self.peers)
        admins = [peer for peer in self.peers if self._role(peer) is Role.ADMINISTRATOR]
        self.thief = rng.choice(admins)
        others = [peer for peer in admins if peer is not self.thief]
        for _ in range(self.times):
            self._remove_and_let_in_again(rng.choice(others))
        self.remover = rng.choice(others)
        self.honest = [peer for peer in self.peers if peer is not self.thief]
        self.removal = self.remover.remove(self.thief, self.left)
        third = [peer for peer in self.honest if peer is not self.remover]
        self.away = rng.sample(third, rng.randint(0, max(0, (len(third) - 1) // 2)))
        for peer in third:
            self._hear_of_removal(peer)
        meet(*(peer for peer in self.honest if peer not in self.away))
        while self.made < statements:
            self._steal()
        self.away, late = [], self.away
        for peer in late:
            self._hear_of_removal(peer)
        meet(*self.honest)

    def _remove_and_let_in_again(self, by: Peer) -> None:
        for say in (lambda: by.remove(self.thief), lambda: by.grant(self.thief)):
            say()
            meet(*self.peers)
            for peer in self.peers:
                peer.acknowledge()
            meet(*self.peers)

    def _role(self, peer: Peer) -> Role | None:
        member = evaluated(self.founder, peer.known).members.get(peer.identity.device_id)
        return member.role if member is not None else None

    def _gossip(self, peers: list[Peer]) -> None:
        if len(peers) > 1 and self.rng.random() < 0.7:
            meet(*self.rng.sample(peers, self.rng.randint(2, len(peers))))

    def _hear_of_removal(self, peer: Peer) -> None:
        if peer not in self.away and self.removal not in peer.known:
            peer.acknowledge(self.removal)

    def _hear(self, peer: Peer, statements: set[Statement]) -> None:
        """What a device does with what it hears: it acknowledges the removal before it takes the rest."""
        if self.removal in statements and self.removal not in peer.known:
            peer.acknowledge(self.removal)
        peer.known |= statements
        peer.acknowledge()

    def _steal(self) -> None:
        """A statement of the thief, or of somebody he let in, made of any past that he can name."""
        rng = self.rng
        everything = set(self.stolen).union(*(peer.known for peer in self.honest))
        ancestry = Ancestry(everything)
        chosen = rng.choice(ancestry.statements)
        known = {chosen, *(ancestry.statements[n] for n in ancestry.past_of(ancestry.statements.index(chosen)))}
        friends = [f"friend {number}" for number in range(3)]
        who = Peer(rng.choice([self.thief.name, self.thief.name, *friends]), known)
        match rng.randrange(4):
            case 0:
                made = who.grant(Peer(rng.choice([*friends, self.thief.name])))
            case 1 | 2:
                made = who.remove(rng.choice([*self.honest, self.thief]), rng.choice((Role.REMOVED, Role.MEMBER)))
            case _:
                made = who.acknowledge(rng.choice(ancestry.statements))
        self.made += 1
        self.stolen.append(made)
        if rng.random() < 0.5:  # honest devices hear of it, and say so
            peer = rng.choice([*self.honest, *self.away])
            self._hear(peer, who.known if peer in self.away else everything | {made})

    def broken(self) -> list[str]:
        """Which rules do not hold; empty when all do."""
        found: list[str] = []
        results: list[Evaluation] = [
            evaluated(self.founder, peer.known | set(self.stolen), peer) for peer in self.honest
        ]
        if any(result != results[0] for result in results):
            found.append("devices do not agree")
        members = results[0].members
        before = evaluated(self.founder, self.remover.known - set(self.stolen)).members
        thief = members.get(self.thief.identity.device_id)
        if thief is not None and thief.role > self.left:
            found.append(f"the thief is {thief.role.name}")
        for peer in self.honest:
            device = peer.identity.device_id
            if device not in members or members[device].role != before[device].role:
                found.append(f"{peer.name} lost its role")
        if any(member.name.startswith("friend") for member in members.values()):
            found.append("a friend of the thief is a member")
        return found
