"""The local API of what a person here chose about devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from yp2p.control.routes import Route, post_route


class DeviceChanges(Protocol):
    """What changes what is known of devices here."""

    def shown(self) -> list[dict[str, Any]]: ...

    async def rename(self, wanted: str, name: str) -> str: ...

    async def pause(self, wanted: str, *, is_paused: bool) -> str: ...


class Checkup(Protocol):
    """What asks the other devices about this one."""

    async def run(self, wanted: str | None) -> dict[str, Any]: ...


class DoctorRequest(msgspec.Struct, forbid_unknown_fields=True):
    device: str | None = None


class RenameDeviceRequest(msgspec.Struct, forbid_unknown_fields=True):
    device: str
    name: str


class PauseDeviceRequest(msgspec.Struct, forbid_unknown_fields=True):
    device: str


class _Devices:
    def __init__(self, changes: Callable[[], DeviceChanges], checkup: Callable[[], Checkup]) -> None:
        self._changes = changes
        self._checkup = checkup

    async def doctor(self, wanted: DoctorRequest) -> Any:
        """Ask the other devices how this one looks from there.

        Answer: `{port, devices}`: each as in `status`, with `in_the_way` (something keeps a device from being
        connected that is there) and `check` (`{ahead_s, reached, reaches, has_clone}`, null where it was not
        asked): how far its clock is ahead, whether it can connect to `port` here (`yes`, `no_answer`,
        `refused`, `no_way`, `not_tried`) and this device to it, whether it sees two machines with this device's
        key.
        """
        return await self._checkup().run(wanted.device)

    async def rename(self, wanted: RenameDeviceRequest) -> Any:
        """Call a device otherwise.

        An empty name takes back the one that was given here.

        Answer: `{name}`: what it is called from now on, here; of this device, everywhere.
        """
        return {"name": await self._changes().rename(wanted.device, wanted.name)}

    async def pause(self, wanted: PauseDeviceRequest) -> Any:
        """Have no link with a device until it is unpaused.

        Answer: `{name}`; no link with it while it is paused, also after a restart.
        """
        return {"name": await self._changes().pause(wanted.device, is_paused=True)}

    async def unpause(self, wanted: PauseDeviceRequest) -> Any:
        """Have links with a paused device again.

        Answer: `{name}`; no link with it while it is paused, also after a restart.
        """
        return {"name": await self._changes().pause(wanted.device, is_paused=False)}


def device_routes(changes: Callable[[], DeviceChanges], checkup: Callable[[], Checkup]) -> list[Route]:
    """The routes of what a person chose about devices."""
    answers = _Devices(changes, checkup)
    return [
        post_route("/v1/device/rename", RenameDeviceRequest, answers.rename),
        post_route("/v1/device/pause", PauseDeviceRequest, answers.pause),
        post_route("/v1/device/unpause", PauseDeviceRequest, answers.unpause),
        post_route("/v1/doctor", DoctorRequest, answers.doctor),
    ]
