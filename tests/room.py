"""Devices that make membership statements of one folder, with keys that only tests use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache

from yp2p.identity import DeviceID, FolderID, Identity
from yp2p.trust.ancestry import Ancestry
from yp2p.trust.limits import heads_within
from yp2p.trust.membership import Evaluation, evaluate
from yp2p.trust.statements import Role, Signer, Statement, StatementHash

FOLDER = FolderID(b"f" * 16)


@cache
def identity(name: str) -> Identity:
    return Identity(hashlib.sha256(name.encode()).digest())


class Peer:
    """A device and the statements that it has."""

    def __init__(self, name: str, known: Iterable[Statement] = ()) -> None:
        self.name = name
        self.identity = identity(name)
        self.known = set(known)
        self._signer = Signer(self.identity, FOLDER)

    @classmethod
    def founder(cls, name: str) -> Peer:
        peer = cls(name)
        peer.known.add(peer._signer.grant((), peer.identity.public, Role.ADMINISTRATOR, name))
        return peer

    def grant(self, other: Peer, role: Role = Role.ADMINISTRATOR) -> Statement:
        """Let a device in; it has what we have then."""
        made = self._signer.grant(self._heads(), other.identity.public, role, other.name)
        self.known.add(made)
        other.known |= self.known
        return made

    def remove(self, other: Peer, role: Role = Role.REMOVED) -> Statement:
        made = self._signer.remove(self._heads(), other.identity.public, role)
        self.known.add(made)
        return made

    def acknowledge(self, *more: Statement) -> Statement:
        """Name what we have, and `more` with all that it follows."""
        self.known |= set(more)
        made = self._signer.acknowledge(self._heads())
        self.known.add(made)
        return made

    def acknowledge_within(self) -> Statement:
        """Name what a device names: not more than are kept."""
        more, heads = self._signer.gather(
            heads_within(ancestry := Ancestry(self.known), self.identity.device_id, ancestry.everything)
        )
        made = self._signer.acknowledge(heads)
        self.known |= {*more, made}
        return made

    def fork(self, known: Iterable[Statement]) -> Peer:
        """The same device as if it had never heard of anything else."""
        return Peer(self.name, known)

    def _heads(self) -> list[StatementHash]:
        made, heads = self._signer.gather(Ancestry(self.known).heads())
        self.known |= set(made)
        return heads


def meet(*peers: Peer) -> None:
    """All get what any of them has."""
    everything = set().union(*(peer.known for peer in peers))
    for peer in peers:
        peer.known |= everything


def evaluated(founder: Peer, known: Iterable[Statement], asking: Peer | None = None) -> Evaluation:
    return evaluate(founder.identity.device_id, known, asking.identity.device_id if asking is not None else None)


def roles(founder: Peer, known: Iterable[Statement], asking: Peer | None = None) -> dict[str, Role]:
    """The members' names with their roles, as somebody says who is asked."""
    return {member.name: member.role for member in evaluated(founder, known, asking).members.values()}


def device_id(name: str) -> DeviceID:
    return identity(name).device_id
