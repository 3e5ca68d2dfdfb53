"""The local API: JSON over HTTP on the control socket; `docs/api.md` is made of these routes.

Sharing, joining and devices are in `members.py`, what becomes of a folder here in `folders.py`, offered folders in
`offers.py`, names and pauses of devices in `devices.py`, undo and history in `history.py`. An error is
{error, exit_code} with status 422 (the request cannot be carried out), 409 (only the look before a join cannot), 400
(it is no request), 404 and 405 (there is no such request) or 500 (a fault of the daemon, which its log has, too).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, Protocol

import msgspec
import trio

from yp2p.control.agents import agent_routes
from yp2p.control.answers import json_answer
from yp2p.control.check import Checks, check_routes
from yp2p.control.choosing import Choosing, choosing_routes
from yp2p.control.devices import Checkup, DeviceChanges, device_routes
from yp2p.control.events import Follower, event_routes
from yp2p.control.folders import Device as Folders
from yp2p.control.folders import folder_routes
from yp2p.control.history import history_routes
from yp2p.control.limits import Limits, limit_routes
from yp2p.control.logs import Metrics, log_routes
from yp2p.control.members import Members, check_running, member_routes
from yp2p.control.offers import Offers, offer_routes
from yp2p.control.page import Page, page_routes
from yp2p.control.purging import AskedPurges, Purging, purge_routes
from yp2p.control.requests import FileName, Nothing, Request
from yp2p.control.routes import Route, Routes, get_route, live_route, post_route
from yp2p.control.settings import Settings, settings_routes
from yp2p.folder.folder import Folder
from yp2p.programs.programs import Programs
from yp2p.programs.server import Documents
from yp2p.programs.wanted import ROOM_PATH
from yp2p.programs.wanted import Device as LiveDevice


class Kept(Protocol):
    """What these requests need of what the folders keep for a person."""

    def agree(self, folder: str | None) -> str: ...

    async def revert(self, folder: str | None, names: list[str]) -> dict[str, Any]: ...

    async def trash(self, folder: str | None) -> list[dict[str, Any]]: ...

    async def restore(self, folder: str | None, names: list[str], *, everything: bool) -> dict[str, Any]: ...

    async def empty_trash(self, folder: str | None) -> int: ...

    def notices(self) -> list[dict[str, Any]]: ...

    async def bring_back(self, number: int) -> dict[str, Any]: ...


class InSync(Protocol):
    """What these requests need of who is in sync."""

    def alone(self) -> list[str]: ...


class Device(Members, Folders, Protocol):
    """What the API needs of the device."""

    @property
    def folders(self) -> Iterable[Folder]: ...

    def programs(self, folder: Folder) -> Programs: ...

    @property
    def offers(self) -> Offers: ...

    @property
    def device_changes(self) -> DeviceChanges: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def settings(self) -> Settings: ...

    @property
    def checkup(self) -> Checkup: ...

    @property
    def checks(self) -> Checks: ...

    @property
    def choosing(self) -> Choosing: ...

    @property
    def purging(self) -> Purging: ...

    @property
    def asked_purges(self) -> AskedPurges: ...

    @property
    def metrics(self) -> Metrics: ...

    @property
    def following(self) -> Follower: ...

    def status(self) -> dict[str, Any]: ...

    async def wait(self, limit_s: float, whom: str = "connected", named: Iterable[str] = ()) -> str: ...

    def in_sync_with(self) -> list[str]: ...

    @property
    def in_sync(self) -> InSync: ...

    @property
    def kept(self) -> Kept: ...


class WaitRequest(msgspec.Struct, forbid_unknown_fields=True):
    timeout_s: float | None = None
    whom: Literal["connected", "all", "any"] = "connected"
    devices: list[str] = []


class AgreeRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None


class RevertRequest(msgspec.Struct, forbid_unknown_fields=True):
    names: list[FileName] = []
    folder: FileName | None = None


class TrashRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None


class RestoreRequest(msgspec.Struct, forbid_unknown_fields=True):
    names: list[FileName] = []
    all: bool = False
    folder: FileName | None = None


class NoticeRequest(msgspec.Struct, forbid_unknown_fields=True):
    number: int


class Rotation(Protocol):
    """What changes the key of this device."""

    async def run(self) -> dict[str, Any]: ...


class _Control:
    """The requests that are about the device as a whole and what it does with its folders."""

    def __init__(self, device: Device, stop: trio.Event, rotation: Rotation) -> None:
        self._device = device
        self._stop = stop
        self._rotation = rotation

    async def status(self, request: Request) -> Any:
        """How everything is: this device, the others, the folders, what is on its way. `yp2p status --json` prints it.

        Answer: what `yp2p status --json` prints; `settings` are those that could not be carried out yet, with
        the reason; `transfers` is what is on its way, at most 64 a folder: `{device, folder, direction, path,
        kind, files, bytes_done, bytes_total, bytes_per_s, seconds_left}`, where many small `files` or `texts`
        are one without a path, and what nobody knows is null. `summary` says in a sentence how everything is,
        a folder is, and how far a device is in it; `mood` is what that means: `good` (nothing is missing anywhere),
        `busy` (it gets there by itself), `away` (once a device comes back), `look` (somebody has to look at it) or
        `unknown`; `hint` is what to type about it in a terminal, or empty. `lacks` is how many files a device is
        behind, null where nobody knows; of a folder `paused` says whether somebody paused it here,
        `removed` whether this device is no member of it any more (`problem` says by whom),
        and `code_taken_back` whether the last code that was shown for it was taken back.
        """
        # A page asks for this twice a second: to read what is asked, to find it, and to send it are three steps.
        await trio.lowlevel.checkpoint()
        found = self._device.status()
        await trio.lowlevel.checkpoint()
        return found

    async def wait(self, wanted: WaitRequest) -> Any:
        """Wait until every folder is in sync, at most `timeout_s`; ends with the connection.

        `whom` is `connected`, `all` or `any`, `devices` only these.

        Answer: `{in_sync, connected, alone, missing?}`: whether it is, the names of the devices that are
        connected, the labels of the folders for which nobody is, and what was missing at the timeout.
        """
        limit_s = wanted.timeout_s if wanted.timeout_s is not None else float("inf")
        missing = await self._device.wait(limit_s, wanted.whom, wanted.devices)
        answer = {
            "in_sync": not missing,
            "connected": self._device.in_sync_with(),
            "alone": self._device.in_sync.alone(),
        }
        return answer | {"missing": missing} if missing else answer

    async def agree(self, wanted: AgreeRequest) -> Any:
        """Agree that less is ignored here from now on, as others changed `.yp2pignore`.

        Answer: `{label}`; less is ignored here from now on, as others changed `.yp2pignore`.
        """
        return {"label": self._device.kept.agree(wanted.folder)}

    async def revert(self, wanted: RevertRequest) -> Any:
        """Bring back what all have, where this device only reads.

        Answer: `{reverted: [{path, kept}], skipped: [{path, reason}]}`; where this device only reads: what all
        have comes back, `kept` is the place of what was here beneath the folder, or null. Without names
        everything but what was only added.
        """
        return await self._device.kept.revert(wanted.folder, wanted.names)

    async def trash(self, wanted: TrashRequest) -> Any:
        """List what is in the trash.

        Answer: `[{item, path, bytes, removed_at}]`.
        """
        return await self._device.kept.trash(wanted.folder)

    async def restore(self, wanted: RestoreRequest) -> Any:
        """Put files from the trash back where they were.

        Answer: `{restored, skipped}`.
        """
        return await self._device.kept.restore(wanted.folder, wanted.names, everything=wanted.all)

    async def empty_trash(self, wanted: TrashRequest) -> Any:
        """Remove what is in the trash for good.

        Answer: `{removed}`.
        """
        return {"removed": await self._device.kept.empty_trash(wanted.folder)}

    async def notices(self, request: Request) -> Any:
        """What a person may want to look at, of the last week.

        Answer: `[{number, folder, at, kind, path, text, can_be_brought_back, can_be_settled}]`.
        """
        return self._device.kept.notices()

    async def bring_back(self, wanted: NoticeRequest) -> Any:
        """Bring back what the save of a notice removed.

        Answer: `{path}`.
        """
        return await self._device.kept.bring_back(wanted.number)

    async def rotate(self, wanted: Nothing) -> Any:
        """Change the key of this device; the daemon starts anew.

        Answer: `{device, key, folders}`: the ID and public key that this device has from now on; the daemon
        starts anew.
        """
        check_running(self._stop)
        return self._last_answer(await self._rotation.run())

    async def stop(self, wanted: Nothing) -> Any:
        """End the daemon, once this is answered.

        Answer: `{stopping}`.
        """
        return self._last_answer({"stopping": True})

    def _last_answer(self, value: Any) -> Any:
        return json_answer(value, after=self._stop.set)


def make_app(device: Device, stop: trio.Event, rotation: Rotation, page: Page) -> Routes:
    """The routes for one device; `stop` is set by a stop request, and when `rotation` is done."""
    answers = _Control(device, stop, rotation)
    return Routes(
        [
            get_route("/v1/status", answers.status),
            post_route("/v1/wait", WaitRequest, answers.wait, ends_with_client=True),
            post_route("/v1/agree", AgreeRequest, answers.agree),
            post_route("/v1/revert", RevertRequest, answers.revert),
            post_route("/v1/trash", TrashRequest, answers.trash),
            post_route("/v1/trash/restore", RestoreRequest, answers.restore),
            post_route("/v1/trash/empty", TrashRequest, answers.empty_trash),
            get_route("/v1/notices", answers.notices),
            post_route("/v1/notices/restore", NoticeRequest, answers.bring_back),
            *member_routes(device, stop),
            *folder_routes(device, stop),
            *offer_routes(lambda: device.offers, stop),
            *device_routes(lambda: device.device_changes, lambda: device.checkup),
            *limit_routes(lambda: device.limits),
            *settings_routes(lambda: device.settings),
            *check_routes(lambda: device.checks),
            *choosing_routes(lambda: device.choosing, stop),
            *purge_routes(lambda: device.purging, lambda: device.asked_purges, stop),
            *log_routes(lambda: device.metrics),
            *page_routes(page, stop),
            *history_routes(lambda: device.folders),
            *agent_routes(lambda: device),
            *event_routes(lambda: device.following.events, lambda: device.folders, stop),
            post_route("/v1/device/rotate", Nothing, answers.rotate),
            post_route("/v1/stop", Nothing, answers.stop),
        ]
    )


def make_documents(device: LiveDevice) -> Routes:
    """The routes of the socket for programs that edit texts: they may have that one alone."""
    return Routes(
        document_routes(device),
        also=". On this socket there are GET /v1/y/FOLDER/PATH and GET /v1/documents?path=PATH, WebSockets",
    )


def document_routes(device: LiveDevice) -> list[Route]:
    """The WebSockets of live documents, for any socket whose other end may edit every text of this device."""
    documents = Documents(device)
    return [
        live_route("/v1/documents", documents.serve),
        live_route(ROOM_PATH, documents.serve, is_beginning=True),
        live_route("/v1/hocuspocus", documents.serve_hocuspocus),
    ]
