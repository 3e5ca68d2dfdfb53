"""Which device a person means: by its name or its ID, also one that is out, of which it is said why."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from yp2p.errors import FolderError, UsageError
from yp2p.folder.folder import Folder
from yp2p.folder.standing import COMES_BACK
from yp2p.identity import DeviceID, FolderID, format_device_id
from yp2p.trust import recovery

# As many characters of an ID are never taken for a name alone: the first group.
_GROUP = 7


@dataclass(frozen=True, slots=True)
class Meant:
    """The devices that a person here can mean.

    Attributes:
        name_of: what each is called here.
    """

    own: DeviceID
    folders: Mapping[FolderID, Folder]
    name_of: Callable[[DeviceID], str]

    def find(self, wanted: str) -> DeviceID:
        """The device that a person means: by its name, or by its ID or the first group of it.

        A device says itself what it is called, and could be called what is the ID of another one.

        Raises:
            UsageError: there is none, or several. FolderError: it is out.
        """
        found, bare = self.called(wanted), wanted.upper().replace(" ", "")
        if len(found) == 1:
            return found[0]
        if not found and (gone := self._gone(wanted, bare)):
            device, folders = gone
            raise FolderError(self._why_out(device, wanted, folders))
        if not found:
            names = ", ".join(sorted(repr(self.name_of(device)) for device in self._members()))
            raise UsageError(f"no device is called {wanted!r}; there are {names or 'none yet'}")
        ids = ", ".join(sorted(map(format_device_id, found)))
        raise UsageError(f"{len(found)} devices are called {wanted!r}; name one of them by its whole ID: {ids}")

    def called(self, wanted: str) -> list[DeviceID]:
        """The members that a person may mean: by their name, or by their ID or the beginning of it."""
        devices, bare = self._members(), wanted.upper().replace(" ", "")
        named = {device for device in devices if self.name_of(device) == wanted}
        if not named and wanted.casefold() == recovery.NAME:  # where there is one, nobody has to say which
            named = {device for device in devices if self.is_recovery_key(device)}
        by_id = {device for device in devices if bare and format_device_id(device).startswith(bare)}
        whole = {device for device in by_id if format_device_id(device) == bare}
        return list(whole or (named | by_id if len(bare) >= _GROUP else named or by_id))

    def is_recovery_key(self, device: DeviceID) -> bool:
        """Whether a member, or what was one, is words on paper."""
        having = [one.membership for one in self.folders.values() if device in one.membership.members]
        if having:
            return all(device not in one.devices for one in having)
        return any(recovery.is_called_so(one.membership.name_of(device)) for one in self.folders.values())

    def no_part(self, device: DeviceID, folder: Folder) -> FolderError:
        """Why nothing can be done about a device in a folder of which it is no member."""
        name = self.name_of(device)
        if device in folder.membership.evaluation.removals:
            return FolderError(self._why_out(device, name, [folder]))
        return FolderError(f"{name!r} has no part in {folder.label!r}")

    def _members(self) -> set[DeviceID]:
        return {device for folder in self.folders.values() for device in folder.membership.members}

    def _gone(self, wanted: str, bare: str) -> tuple[DeviceID, list[Folder]] | None:
        """The first device of this name or ID that is no member any more, and the folders that it is out of."""
        found: dict[DeviceID, list[Folder]] = {}
        for folder in self.folders.values():
            for device in folder.membership.evaluation.removals.keys() - folder.membership.members.keys():
                is_id = len(bare) >= _GROUP and format_device_id(device).startswith(bare)
                if is_id or folder.membership.name_of(device) == wanted:
                    found.setdefault(device, []).append(folder)
        return min(found.items(), default=None, key=lambda one: one[0])

    def _why_out(self, device: DeviceID, name: str, folders: Collection[Folder]) -> str:
        """That somebody removed a device, or that it left by itself, and what lets it in again."""
        by_others = [one.label for one in folders if one.membership.removed_by_others(device)]
        left = [one.label for one in folders if one.label not in by_others]
        said = [f"was removed already, from {', '.join(by_others)}"] if by_others else []
        said += [f"left {', '.join(left)} by itself"] if left else []
        if device == self.own:
            return f"{name!r} is this device; it {' and '.join(said)}. To let it in again: {COMES_BACK}"
        if self.is_recovery_key(device):
            return f"{name!r} {' and '.join(said)}. `yp2p recovery make` makes another one"
        return (
            f"{name!r} {' and '.join(said)}. To let it in again: `yp2p share` here and `yp2p join` with the code there;"
            " or `yp2p folder offer`, where it shares another folder with this device"
        )
