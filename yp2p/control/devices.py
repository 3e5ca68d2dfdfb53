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

    async def pause(self, wanted: str, for_s: float | None = None, *, is_paused: bool) -> tuple[str, float | None]: ...


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
    for_s: float | None = None


class UnpauseDeviceRequest(msgspec.Struct, forbid_unknown_fields=True):
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
        """Have no link with a device, for `for_s` seconds or until it is unpaused.

        Answer: `{name, until}`; no link with it while it is paused, also after a restart. `until` is when that ends by
        itself (seconds since 1970), null where it does not.
        """
        name, until = await self._changes().pause(wanted.device, wanted.for_s, is_paused=True)
        return {"name": name, "until": until}

    async def unpause(self, wanted: UnpauseDeviceRequest) -> Any:
        """Have links with a paused device again.

        Answer: `{name}`.
        """
        name, _ = await self._changes().pause(wanted.device, is_paused=False)
        return {"name": name}


def device_routes(changes: Callable[[], DeviceChanges], checkup: Callable[[], Checkup]) -> list[Route]:
    """The routes of what a person chose about devices."""
    answers = _Devices(changes, checkup)
    return [
        post_route("/v1/device/rename", RenameDeviceRequest, answers.rename),
        post_route("/v1/device/pause", PauseDeviceRequest, answers.pause),
        post_route("/v1/device/unpause", UnpauseDeviceRequest, answers.unpause),
        post_route("/v1/doctor", DoctorRequest, answers.doctor),
    ]
