"""Which devices wrote with which client IDs, as far as they have signed that (`trust/authorship.py`).

Theory of operation
    The manifest has a register for each client ID and device. Anybody can write anything there, so what it says is
    checked, and as late as can be: when somebody asks whose a client ID is. A first sync of years of claims costs
    nothing so, nor does a peer that writes many that nobody asks for.

    A claim that was signed stays: of what somebody writes in its place only another signature of the same device is
    taken. Whoever sees that happen and may write puts the signed one back.

    Where several devices have signed for one ID, those decide whose content counts: members, and who has left by
    itself. A removed device that claims the IDs of others makes none of them its own; nor does it make its own ones
    others', also where it holds the keys of several removed devices, or let new ones in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from yp2p.documents.registers import OWNER_BYTES, Claim
from yp2p.folder.members import Membership
from yp2p.identity import DeviceID, FolderID, Identity, PublicIdentity
from yp2p.trust.authorship import has_signed_client, sign_client
from yp2p.trust.statements import Role

# Signatures of which it is known whether they are good: as many as a folder has in some years.
_MAX_CHECKED = 1 << 16

_Claims = Mapping[int, Mapping[bytes, bytes]]


class Authorship:
    """The claims of one folder.

    Attributes:
        identity: who signs; None: nobody does.
        claims: by client ID the signatures of those that say it is theirs, by the beginning of their device ID.
    """

    def __init__(self, folder: FolderID, membership: Membership, identity: Identity | None) -> None:
        self._folder = folder
        self.membership = membership
        self.identity = identity
        self.claims: _Claims = {}
        self._checked: dict[Claim, DeviceID | None] = {}
        self._evaluation: object = None
        self._owners: dict[bytes, list[PublicIdentity]] = {}
        self._writers: Set[DeviceID] = frozenset()

    def claimants(self, client: int) -> Set[DeviceID]:
        """The devices, members and former ones, that signed that they write with a client ID."""
        signatures = self.claims.get(client)
        if not signatures:
            return frozenset()
        owners = self._known_owners()
        found = {self._signer(Claim(client, owner, signatures[owner])) for owner in signatures.keys() & owners.keys()}
        return {device for device in found if device is not None}

    def author_of(self, client: int) -> DeviceID | None:
        """The device that writes with a client ID; None where none has signed that, or several have."""
        claimants = self.claimants(client)
        found = {device for device in claimants if self.counts(device)} or claimants
        return next(iter(found)) if len(found) == 1 else None

    def counts(self, device: DeviceID) -> bool:
        """Whether what a device wrote counts whoever brings it: a member's, or of one that has left by itself.

        Who only read, and left, wrote nothing.
        """
        member = self.membership.members.get(device)
        if member is not None:
            return member.role >= Role.MEMBER
        removals = self.membership.put_out_by(device)
        has_left = bool(removals) and all(removal.issuer_id == device for removal in removals)
        return has_left and device in self._known_writers()

    def is_signed(self, claim: Claim) -> bool:
        """Whether a device that is known signed a claim."""
        return self._signer(claim) is not None

    def own(self, clients: Iterable[int]) -> list[Claim]:
        """The claims of this device on client IDs."""
        if self.identity is None:
            return []
        owner = self.identity.device_id[:OWNER_BYTES]
        return [Claim(client, owner, sign_client(self.identity, self._folder, client)) for client in clients]

    def _signer(self, claim: Claim) -> DeviceID | None:
        if claim not in self._checked:
            devices = self._known_owners().get(claim.owner)
            if devices is None:  # who it is may be heard later
                return None
            if len(self._checked) >= _MAX_CHECKED:
                self._checked.clear()
            good = [one for one in devices if has_signed_client(one, self._folder, claim.client, claim.signature)]
            self._checked[claim] = good[0].device_id if good else None
        return self._checked[claim]

    def _known_owners(self) -> Mapping[bytes, list[PublicIdentity]]:
        """All that a statement names, and this device, by the beginning of their device ID."""
        self._follow()
        return self._owners

    def _known_writers(self) -> Set[DeviceID]:
        """The members and former ones that might write."""
        self._follow()
        return self._writers

    def _follow(self) -> None:
        """Work out anew what depends on the statements, where these are others."""
        if self._evaluation is not self.membership.evaluation:
            self._evaluation, self._owners = self.membership.evaluation, {}
            self._writers = self.membership.let_in_to_write()
            own = {self.identity.device_id: self.identity.public} if self.identity is not None else {}
            for device, keys in (own | self.membership.everybody()).items():
                self._owners.setdefault(device[:OWNER_BYTES], []).append(keys)
