"""What a person here changes about devices: what one is called, and whether there is a link with it; and their list.

A name that is given here counts on this device alone, and before what the device calls itself. The name of this device
is what others call it: it is kept in the store, beside the settings, which come first where they name it. A device that
is paused is not connected in either direction until a person here ends that, or for as long as one said; it is told so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import structlog
import trio

from yp2p import __version__
from yp2p.device.folder_changes import pause_end
from yp2p.device.members import Members
from yp2p.device.status import Status
from yp2p.errors import UsageError
from yp2p.identity import DeviceID, parse_device_id
from yp2p.machine import LOOK_S
from yp2p.peers.peers import Peers
from yp2p.trust import recovery

_MAX_NAME = 64

log = structlog.get_logger()


class DeviceChanges:
    """Names and pauses of the devices of this device's folders.

    Args:
        setting: the name that the settings give this device; empty where they give none.
        call_itself: has this device called so from now on.
    """

    def __init__(
        self,
        own: DeviceID,
        members: Members,
        peers: Peers,
        status: Status,
        setting: str,
        call_itself: Callable[[str], None],
    ) -> None:
        self._own = own
        self._members = members
        self._peers = peers
        self._status = status
        self._setting = setting
        self._call_itself = call_itself
        self._paused = trio.Event()

    def use(self, setting: str, name: str) -> None:
        """This device has that name from now on; `setting` is the one that the settings give it, if they do."""
        self._setting = setting
        self._call_itself(name)

    def shown(self) -> list[dict[str, Any]]:
        """All devices that have a folder with this one, or had one, with how each link and each folder is doing."""
        return [self._with_link(one) for one in self._members.shown()]

    def _with_link(self, shown: dict[str, Any]) -> dict[str, Any]:
        if shown["is_this_device"]:
            return shown | {
                "version": __version__, "address": None, "reason": "", "paused": False, "paused_until": None,
                "known_since": None,
            }  # fmt: skip
        device = parse_device_id(shown["id"])
        link = self._status.device(device)
        is_out = all(folder["role"] in ("removed", "void") for folder in shown["folders"])
        folders = [
            folder if folder["role"] in ("removed", "void") else folder | self._status.in_folder(folder["id"], device)
            for folder in shown["folders"]
        ]
        return shown | {
            "folders": folders,
            "version": link["version"],
            "address": link["address"],
            "reason": "" if is_out or shown["is_recovery_key"] else link["reason"],
            "paused": link["paused"],
            "paused_until": link["paused_until"],
            "known_since": self._peers.devices.contact(device).choice.since or None,
        }

    async def rename(self, wanted: str, name: str) -> str:
        """Call a device so from now on; gives what it is called then.

        Args:
            name: empty takes a name back that was given here.

        Raises:
            UsageError: there is no such device, or it cannot be called so.
        """
        device = self._members.find(wanted)
        _check_name(name, device == self._own)
        self._check_free(name, device)
        if device == self._own and self._setting:
            raise UsageError(
                f"the settings call this device {self._setting!r} ([device] name, or YP2P_DEVICE__NAME): "
                "change that and start the daemon again"
            )
        if device == self._own:
            self._call_itself(name)
        await self._peers.choose(device, name=name).wait()
        called = self._members.name_of(device)
        log.info("device_renamed", name=called)
        return called

    def _check_free(self, name: str, device: DeviceID) -> None:
        for other in self._members.shown():
            if name and other["name"] == name and parse_device_id(other["id"]) != device:
                raise UsageError(f"another device is called {name!r} already ({other['id'][:7]}); choose another name")

    async def pause(self, wanted: str, for_s: float | None = None, *, is_paused: bool) -> tuple[str, float | None]:
        """End the link with a device and have none until that is taken back, or take it back.

        Args:
            for_s: how long it lasts; None: until it is taken back.

        Returns:
            Its name, and when it ends by itself.

        Raises:
            UsageError: there is no such device, or it is this one; or that is no time to pause for.
        """
        until = pause_end(for_s)
        device = self._members.find(wanted)
        name = self._members.name_of(device)
        if device == self._own:
            raise UsageError(f"{name!r} is this device; `yp2p folder pause` or `yp2p stop` is for this one")
        await self._peers.choose(device, pause=until or is_paused).wait()
        self._paused.set()
        if is_paused:
            log.info("device_paused", name=name)
        else:
            log.info("device_unpaused", name=name)
        return name, until.at if until is not None else None

    async def run(self) -> None:
        """End the pauses whose time is over, until cancelled."""
        while True:
            self._paused = trio.Event()
            untils = {
                device: contact.choice.paused_until
                for device, contact in self._peers.devices.contacts.items()
                if contact.choice.paused_until is not None
            }
            for device in [device for device, until in untils.items() if not until.left_s]:
                self._peers.choose(device, pause=False)
                log.info("device_unpaused", name=self._members.name_of(device))
                del untils[device]
            with trio.move_on_after(min((LOOK_S, *(u.left_s for u in untils.values()))) if untils else math.inf):
                await self._paused.wait()


def _check_name(name: str, is_own: bool) -> None:
    """Raises UsageError: no device can be called so."""
    if not name and not is_own:
        return
    if name.strip() and name.strip() != name:
        raise UsageError(f"the name {name!r} cannot be used: it begins or ends with a space; leave that out")
    if not (0 < len(name.strip()) <= _MAX_NAME and name.isprintable()):
        raise UsageError(f"the name {name!r} cannot be used: it has 1 to {_MAX_NAME} characters that can be printed")
    if recovery.is_called_so(name):
        raise UsageError(f"no device can be called {name!r}, for recovery keys are; choose another name")
