"""The limits of bandwidth that a person set: in the settings, or with `yp2p limit` while the daemon runs.

Theory of operation
    What was said with `yp2p limit` is kept in the store and counts before the settings, each way and each device for
    itself, until it is taken back (`yp2p limit reset`). What follows from both goes to `Pacing`, which all links ask.

    The settings name devices as people do. Who that is may be known later, or be another one by then: it is looked up
    again whenever a member comes or goes, and now and then.

    Where the settings say so, NetworkManager is asked now and then whether the connection is metered; files wait as
    long as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import structlog
import trio

from yp2p import config
from yp2p.device.metered import Metered, ask_metered
from yp2p.errors import UsageError, YpError
from yp2p.identity import DeviceID, format_device_id
from yp2p.peers.peers import Peers
from yp2p.printable import plural
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.transport.pacing import Rates

_LOOK_EVERY_S = 30.0

log = structlog.get_logger()


class Said(NamedTuple):
    """What `yp2p limit` said, in bytes a second: 0 is no limit, None is nothing."""

    upload: int | None = None
    download: int | None = None


class Limits:
    """See above. `run` does the work.

    Args:
        find: who is called so. Raises YpError.
        name_of: what a device is called.
    """

    def __init__(
        self,
        own: DeviceID,
        settings: config.Limits,
        database: Database,
        peers: Peers,
        find: Callable[[str], DeviceID],
        name_of: Callable[[DeviceID], str],
    ) -> None:
        self._own = own
        self._settings = settings
        self._database = database
        self._peers = peers
        self._find = find
        self._name_of = name_of
        self._metered = Metered.UNKNOWN
        self._said: dict[DeviceID | None, Said] = {}
        for device, upload, download in tables.bandwidth.read_all(database.rows):
            self._said[DeviceID(device) if device else None] = Said(upload, download)
        self._of_settings: dict[DeviceID, int] = {}
        self._apply()

    def use(self, settings: config.Limits) -> None:
        """Keep to other settings from now on."""
        self._settings = settings
        if settings.metered != "pause":
            self._peers.pacing.hold_files(hold=False)
        self._apply()

    async def run(self) -> None:
        """Follow who the settings mean, and what the connection costs, until cancelled."""
        while True:
            changed = self._peers.members_changed
            if self._settings.metered == "pause":
                await self._ask()
            self._apply()
            with trio.move_on_after(_LOOK_EVERY_S):
                await changed.wait()

    async def _ask(self) -> None:
        found = await ask_metered()
        if found is not self._metered:
            self._metered = found
            log.info("connection_metered", metered=found.value)
        self._peers.pacing.hold_files(hold=found is Metered.YES)

    async def change(
        self, device: str | None, upload: int | None, download: int | None, *, reset: bool = False
    ) -> dict[str, Any]:
        """Set a limit, or take back what was set; gives what `shown` does.

        Args:
            device: its name or ID; None for all together.
            upload, download: None leaves what there is.

        Raises:
            UsageError, FolderError: there is no such device, or no such limit.
        """
        for rate in (upload, download):
            if rate is not None and rate != 0 and not config.LEAST_RATE <= rate <= config.MOST_RATE:
                allowed = f"the least is {config.LEAST_RATE // 1000}KB/s, the most {config.MOST_RATE // 10**9}GB/s"
                raise UsageError(f"a limit of {plural(rate, 'byte')} a second cannot be kept; {allowed}")
        which = self._find(device) if device is not None else None
        if which == self._own:
            raise UsageError(f"{device!r} is this device; its limits are those without --device")
        old = Said() if reset else self._said.get(which, Said())
        new = Said(
            *(after if after is not None else before for before, after in zip(old, (upload, download), strict=True))
        )
        self._said[which] = new
        if new == Said():
            del self._said[which]
        self._apply()
        log.info("limit_changed", upload=new.upload, download=new.download)
        await self._database.submit([tables.bandwidth.save(which or b"", *new)]).wait()
        return self.shown()

    def _apply(self) -> None:
        """Have the links keep to what was said and what is set."""
        before, self._of_settings = self._of_settings, {}
        for name, rate in self._settings.devices.items():
            try:
                self._of_settings[self._find(name)] = rate
            except YpError:
                continue  # it is not known yet
        self._peers.pacing.limit(self._rates(None))
        for device in {*before, *self._of_settings, *self._said} | self._peers.pacing.limited:
            if device is not None:
                self._peers.pacing.limit(self._rates(device), device)

    def _rates(self, device: DeviceID | None) -> Rates:
        said = self._said.get(device, Said())
        if device is None:
            upload, download = self._settings.upload, self._settings.download
        else:
            upload = download = self._of_settings.get(device, 0)
        return Rates(
            upload if said.upload is None else said.upload, download if said.download is None else said.download
        )

    def shown(self) -> dict[str, Any]:
        """The limits, and whether files wait because of the connection."""
        devices = sorted({*self._of_settings, *(device for device in self._said if device is not None)})
        return {
            **self._one(None),
            "devices": [{"id": format_device_id(d), "name": self._name_of(d), **self._one(d)} for d in devices],
            "metered": {
                "setting": self._settings.metered,
                "connection": self._metered.value,
                "files_wait": self._peers.pacing.holds_files,
            },
        }

    def _one(self, device: DeviceID | None) -> dict[str, Any]:
        rates = self._rates(device)
        return {"upload": rates.upload, "download": rates.download, "set_here": device in self._said}
