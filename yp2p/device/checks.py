"""`yp2p check` for the folders of this device (`check/`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

from yp2p.check.checker import Checker, Wanted
from yp2p.device.folders import Folders
from yp2p.folder.lookup import choose
from yp2p.identity import DeviceID, Identity
from yp2p.peers.peers import Peers
from yp2p.store.database import Database


class Checks:
    """Checks, for whoever asks."""

    def __init__(
        self,
        identity: Identity,
        database: Database,
        home: Folders,
        peers: Peers,
        called: Callable[[DeviceID], str],
    ) -> None:
        self._home = home
        self._checker = Checker(identity, database, home.disks, peers, called)

    @property
    def restart(self) -> trio.Event:
        """Set when the daemon is to start anew, to mend its store."""
        return self._checker.restart

    def use_key(self, key: Path | None) -> None:
        """The file of the device's key; None where it comes from outside."""
        self._checker.key = key

    async def run(self, name: str | None, *, read: bool, peers: bool, repair: bool) -> dict[str, Any]:
        """Check one folder, or all. Raises UsageError: there is no such folder."""
        every = list(self._home.by_id.values())
        folders = [choose(every, name)] if name is not None else every
        return await self._checker.check(folders, Wanted(read=read, peers=peers, repair=repair))
