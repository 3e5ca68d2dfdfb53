"""Who is to be linked with, as the members of this device's folders say.

Membership decides it, and nothing here is remembered: each question is asked of the folders as they are now.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, FolderID, PublicIdentity

# A member can remove as many as it likes that never were anybody.
_MAX_FORMER = 1024
# A removed device can let in as many as it likes, and each of these asks once a minute.
_MAX_LET_IN_BY_REMOVED = 16


class Roster:
    """The other devices of all folders.

    Args:
        own: this device.
        folders: looked at anew for each question.
    """

    def __init__(self, own: DeviceID, folders: Mapping[FolderID, Folder]) -> None:
        self._own = own
        self._folders = folders

    def known(self) -> dict[DeviceID, PublicIdentity]:
        """The other members of all folders that this device is a member of."""
        found = {
            device: member.identity
            for folder in self._folders.values()
            if self._own in folder.membership.devices
            for device, member in folder.membership.devices.items()
        }
        found.pop(self._own, None)
        return found

    def letting_in(self) -> dict[DeviceID, PublicIdentity]:
        """Those that are known, and the members of folders into which this device may be let in again.

        It hears that from them only, and they may not know where it is.
        """
        found = self.known()
        for folder in self._folders.values():
            if folder.membership.may_be_let_in_again(self._own):
                found |= {device: member.identity for device, member in folder.membership.devices.items()}
        found.pop(self._own, None)
        return found

    def former(self) -> dict[DeviceID, PublicIdentity]:
        """Devices that were removed from a folder of this device's, and share none with it any more.

        A few of those as well that are out as a removed device had let them in: they may not know that it was removed.
        """
        known = self.known()
        found: dict[DeviceID, PublicIdentity] = {}
        for folder in self._folders.values():
            if self._own in folder.membership.devices:
                let_in = folder.membership.let_in_by_removed()
                few = itertools.islice(let_in.items(), _MAX_LET_IN_BY_REMOVED)
                found |= {device: keys for device, keys in few if device not in known and device != self._own}
                for device, removals in folder.membership.evaluation.removals.items():
                    if device not in known and device != self._own and len(found) < _MAX_FORMER:
                        found[device] = removals[-1].subject
        return found

    def is_never_dialled(self, device: DeviceID) -> bool:
        """Whether nobody else has removed a device that is out: it left, and knows that; or it comes if it is there."""
        removals = [folder.membership.evaluation.removals.get(device, ()) for folder in self._folders.values()]
        return all(one.issuer_id == device for of_folder in removals for one in of_folder)

    def is_known(self, noise_key: bytes) -> bool:
        """Whether a device with this key gets a link, or is told why it gets none any more."""
        return any(keys.noise_key == noise_key for keys in (*self.letting_in().values(), *self.former().values()))

    def let_in_by(self, device: DeviceID) -> DeviceID | None:
        """The other device that let it in, into the first folder of this device's where somebody did."""
        for folder in self._folders.values():
            by = folder.membership.let_in_by(device)
            if by is not None:
                return by if by not in (self._own, device) else None
        return None
