"""The local API of who has a folder: sharing, joining, invites, devices, recovery keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
import trio

from yp2p.control.devices import DeviceChanges
from yp2p.control.requests import FileName, Nothing, Request
from yp2p.control.routes import Route, get_route, post_route
from yp2p.errors import NotRunning


class Roster(Protocol):
    """What these requests need of the members of the folders."""

    async def make_recovery_key(self, folder: str | None) -> dict[str, Any]: ...

    async def use_recovery_key(self, words: str, folder: str | None) -> dict[str, Any]: ...

    async def remove(self, device: str, folder: str | None, *, with_let_in: bool) -> dict[str, Any]: ...

    async def preview_removal(self, device: str, folder: str | None) -> dict[str, Any]: ...

    async def replace(self, device: str, by: str, folder: str | None) -> dict[str, Any]: ...

    async def readmit(self, device: str, folder: str | None) -> dict[str, Any]: ...

    async def set_role(self, device: str, folder: str | None, role: str) -> dict[str, Any]: ...


class Invites(Protocol):
    """What these requests need of the invites of this device."""

    async def revoke_all(self) -> int: ...


class Sharing(Protocol):
    """What these requests need to take part in a folder of another device, and to let nobody into one of this one."""

    def take_back(self, directory: str) -> dict[str, Any]: ...

    async def join(
        self,
        text: str,
        directory: str,
        limit_s: float | None,
        at: str | None = None,
        chosen: Sequence[str] = (),
        *,
        is_forced: bool = False,
    ) -> dict[str, Any]: ...

    async def preview(
        self,
        text: str,
        directory: str,
        limit_s: float | None,
        at: str | None = None,
        chosen: Sequence[str] = (),
        *,
        only_room: bool = False,
    ) -> dict[str, Any]: ...


class Members(Protocol):
    """What these requests need of the device."""

    async def share(
        self, directory: str, label: str | None, role: str = "admin", *, is_page: bool = False
    ) -> dict[str, Any]: ...

    async def invite(self, folder: str | None, role: str, uses: int, lifetime_s: float) -> dict[str, Any]: ...

    @property
    def sharing(self) -> Sharing: ...

    @property
    def invites(self) -> Invites: ...

    @property
    def members(self) -> Roster: ...

    @property
    def device_changes(self) -> DeviceChanges: ...


class ShareRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    label: str | None = None
    role: str = "admin"
    page: bool = False


class TakeBackRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName


class PreviewJoinRequest(msgspec.Struct, forbid_unknown_fields=True):
    code: str
    path: FileName
    timeout_s: float | None = None
    at: str | None = None
    choose: list[FileName] = []
    only_room: bool = False


class JoinRequest(msgspec.Struct, forbid_unknown_fields=True):
    code: str
    path: FileName
    timeout_s: float | None = None
    at: str | None = None
    choose: list[FileName] = []
    force: bool = False


class InviteRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None
    role: str = "member"
    uses: int = 1
    lifetime_s: float = 3600.0


class MakeRecoveryRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None


class UseRecoveryRequest(msgspec.Struct, forbid_unknown_fields=True):
    words: str
    folder: FileName | None = None


class RemoveDeviceRequest(msgspec.Struct, forbid_unknown_fields=True):
    device: str
    folder: FileName | None = None
    with_let_in: bool = False


class PreviewRemovalRequest(msgspec.Struct, forbid_unknown_fields=True):
    device: str
    folder: FileName | None = None


class ReadmitRequest(msgspec.Struct, forbid_unknown_fields=True):
    device: str
    folder: FileName | None = None


class ReplaceDeviceRequest(msgspec.Struct, forbid_unknown_fields=True):
    device: str
    by: str
    folder: FileName | None = None


class RoleRequest(msgspec.Struct, forbid_unknown_fields=True):
    device: str
    role: str
    folder: FileName | None = None


def check_running(stop: trio.Event) -> None:
    """Raises NotRunning: the daemon answers, but nobody would serve what is asked."""
    if stop.is_set():
        raise NotRunning("the daemon is stopping; start it again first")


class _Members:
    """The requests that are about devices and what they have in common."""

    def __init__(self, device: Members, stop: trio.Event) -> None:
        self._device = device
        self._stop = stop

    async def share(self, wanted: ShareRequest) -> Any:
        """Share a directory, or show a code for one that is shared already.

        Answer: `{code, expires_in_s, folder, label, path, devices, locked}`; with `page` there may be no code:
        this device lets nobody in, or (`locked`) codes were guessed at.
        """
        check_running(self._stop)
        return await self._device.share(wanted.path, wanted.label, wanted.role, is_page=wanted.page)

    async def take_back(self, wanted: TakeBackRequest) -> Any:
        """Let nobody in with the code that is shown for a directory.

        Answer: `{code, label}`; an error where no code is good now.
        """
        return self._device.sharing.take_back(wanted.path)

    async def join(self, wanted: JoinRequest) -> Any:
        """Take part in the folder of the device that shows a code.

        `code` may be an invite, `at` is HOST or HOST:PORT. `choose` are paths in the folder, or absolute ones: only
        these are to be on this disk; none: everything. Without `force` it is an error that there is no room for the
        files, and the code stays good.

        Answer: `{folder, label, path, device, name, impostors, room_unknown}`, `impostors` as in the preview;
        `room_unknown` says why it could not be told before whether there is room, and is empty where it could.
        """
        check_running(self._stop)
        return await self._device.sharing.join(
            wanted.code, wanted.path, wanted.timeout_s, wanted.at, wanted.choose, is_forced=wanted.force
        )

    async def preview(self, wanted: PreviewJoinRequest) -> Any:
        """What joining would do with a directory; nothing is changed.

        Answer: `{label, name, path, entries, equal, different, only_here, only_there, bytes_to_come, not_synced,
        not_chosen, bytes_needed, of_unknown_size, bytes_free, no_room, impostors}`; with `only_room`, for which files
        are read only where they decide, without those from `entries` to `not_chosen`. `of_unknown_size` files come
        besides, of which the other device cannot say the size; `bytes_free` is what others may fill of
        the disk, null where its file system does not say, `no_room` says that it is less than `bytes_needed`, or is
        empty; `impostors` are addresses where somebody answered, and did not know the code. Where the folder cannot
        be looked at beforehand, it is an error that says so, and joining works all the same.
        """
        check_running(self._stop)
        return await self._device.sharing.preview(
            wanted.code, wanted.path, wanted.timeout_s, wanted.at, wanted.choose, only_room=wanted.only_room
        )

    async def make_recovery_key(self, wanted: MakeRecoveryRequest) -> Any:
        """Make a recovery key for a folder.

        Answer: `{words, folder, name, unheard}`: the 24 words of a new recovery key, which are kept nowhere; `name` is
        what it is called in the list of devices, `unheard` as when a device is removed.
        """
        return await self._device.members.make_recovery_key(wanted.folder)

    async def use_recovery_key(self, wanted: UseRecoveryRequest) -> Any:
        """Make this device an administrator with a recovery key.

        Answer: `{folder, name, unheard}`: this device is an administrator of it again, by the key of that name;
        `unheard` as when a device is removed.
        """
        return await self._device.members.use_recovery_key(wanted.words, wanted.folder)

    async def invite(self, wanted: InviteRequest) -> Any:
        """Make a token for a machine on which nobody can type a code.

        Answer: `{token, folder, role, uses, expires_at}`; `admin`, `member` (where none is said) or `reader`, 1
        to 1000 uses, a second to a year.
        """
        check_running(self._stop)
        return await self._device.invite(wanted.folder, wanted.role, wanted.uses, wanted.lifetime_s)

    async def revoke_invites(self, wanted: Nothing) -> Any:
        """Take back all of this device's invites.

        Answer: `{revoked}`: how many invites were still good.
        """
        return {"revoked": await self._device.invites.revoke_all()}

    async def devices(self, request: Request) -> Any:
        """The devices that take part in the folders, and those that were removed.

        Answer: list of `{id, name, is_this_device, is_recovery_key, connected, reason, paused, address, version,
        last_seen, known_since, folders}`, each folder `{folder, id, role, let_in_by?, removed_by?, in_sync?, behind?,
        condition?, summary?, mood?, hint?}` as in the status; `reason` says why it is not connected, `known_since` when
        this device first heard of it (null: before that was noted). Of the role `removed`, `removed_by` is empty where
        it left by itself; of the role `void`, `let_in_by` may let nobody in any more.
        """
        return self._device.device_changes.shown()

    async def remove_device(self, wanted: RemoveDeviceRequest) -> Any:
        """Take a device out of a folder, or of all.

        Answer: `{device, name, is_this_device, folders, failed, last_seen, let_in: [{device, name}], let_in_removed,
        invites_revoked, unheard}`; from all folders where none is named. `failed` (`{folder, reason}`) are those in
        which that could not be done, or not wholly; it is an error where it could be done in none. `let_in`: the
        members that nobody but that device let in, itself or through others; with `with_let_in` they are removed as
        well. This device's invites to these folders are taken back. `unheard`: the labels of those folders in which
        other devices take part and none is connected, so that nobody has heard of it yet.
        """
        return await self._device.members.remove(wanted.device, wanted.folder, with_let_in=wanted.with_let_in)

    async def preview_removal(self, wanted: PreviewRemovalRequest) -> Any:
        """What follows from removing a device; nothing is changed.

        Answer: `{device, name, is_this_device, last_seen, connected, folders, failed, nowhere_else: [{folder, files,
        bytes, paths}], let_in, invites}`: `folders` and `failed` as when it is removed; `nowhere_else` are the files,
        texts not counted, that are neither here nor on another connected device, `paths` the first of them; `let_in`
        are the names of the devices that nobody but it has let in; `invites` is how many of this device's would be
        taken back.
        """
        return await self._device.members.preview_removal(wanted.device, wanted.folder)

    async def replace_device(self, wanted: ReplaceDeviceRequest) -> Any:
        """Let a device take the place of another one.

        `by` is a device, or the public key of one.

        Answer: `{device, name, by, folders, let_in, failed, last_seen, unheard}`: in each of these folders, one commit
        in each, `by` has the role of the device, which is removed; `let_in` (`{folder, role}`) are those that
        it was not in before, `failed` (`{folder, reason}`) those that stayed as they were. `unheard` as when a device
        is removed.
        """
        return await self._device.members.replace(wanted.device, wanted.by, wanted.folder)

    async def readmit(self, wanted: ReadmitRequest) -> Any:
        """Let a device in again that a removed one had let in.

        Answer: `{device, name, folders, failed, unheard}`: in again in these, whom a removed device had let in after
        its removal (role `void` in the list); in all of which that is so where none is named. `failed`
        (`{folder, reason}`) are those that this device may let nobody into. `unheard` as when a device is removed.
        """
        return await self._device.members.readmit(wanted.device, wanted.folder)

    async def set_role(self, wanted: RoleRequest) -> Any:
        """Say what a device may do in a folder.

        Answer: `{device, name, folder, role, unheard}`; `admin`, `member` or `reader`, and `unheard` as when a device
        is removed.
        """
        return await self._device.members.set_role(wanted.device, wanted.folder, wanted.role)


def member_routes(device: Members, stop: trio.Event) -> list[Route]:
    """The routes of these requests."""
    answers = _Members(device, stop)
    return [
        post_route("/v1/share", ShareRequest, answers.share),
        post_route("/v1/share/withdraw", TakeBackRequest, answers.take_back),
        post_route("/v1/join", JoinRequest, answers.join),
        post_route("/v1/join/preview", PreviewJoinRequest, answers.preview),
        post_route("/v1/recovery/make", MakeRecoveryRequest, answers.make_recovery_key),
        post_route("/v1/recovery/use", UseRecoveryRequest, answers.use_recovery_key),
        post_route("/v1/invite", InviteRequest, answers.invite),
        post_route("/v1/invite/revoke", Nothing, answers.revoke_invites),
        get_route("/v1/devices", answers.devices),
        post_route("/v1/device/remove", RemoveDeviceRequest, answers.remove_device),
        post_route("/v1/device/remove/preview", PreviewRemovalRequest, answers.preview_removal),
        post_route("/v1/device/replace", ReplaceDeviceRequest, answers.replace_device),
        post_route("/v1/device/readmit", ReadmitRequest, answers.readmit),
        post_route("/v1/device/role", RoleRequest, answers.set_role),
    ]
