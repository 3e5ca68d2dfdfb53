"""Whether the devices of a world are at rest: settled, in sync with each other, and, of a clone, with equal trees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from simulation.host import Host
from tallies import miscounted

from yp2p.identity import EntryID
from yp2p.peers.session import FolderSession

if TYPE_CHECKING:
    from simulation.world import World


class Failed(Exception):
    """The run did not end as it must."""


class Rest:
    """Of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def trees(self, hosts: list[Host]) -> dict[str, dict[str, bytes]]:
        """What these have on their disks, by name, without what can come to none of them."""
        gone = self._blobs_that_nobody_has(hosts)
        return {
            host.name: {path: data for path, data in host.disk.contents().items() if path not in gone} for host in hosts
        }

    def _blobs_that_nobody_has(self, hosts: list[Host]) -> set[str]:
        """Where those are, by name."""
        paths: set[str] = set()
        lost = self._lost_entries(hosts)
        for host in hosts:
            path_of = host.folder.catalogue.layout().path_of
            paths |= {path_of[entry] for entry in lost if entry in path_of}
        return paths

    def _lost_entries(self, hosts: list[Host]) -> set[EntryID]:
        """The blobs whose file a power cut damaged before another device had its content: all wait for it.

        (Some have the content before, some nothing, and some have not chosen it.)
        """
        wanted: set[tuple[EntryID, bytes]] = set()
        there: set[tuple[EntryID, bytes]] = set()
        for host in hosts if self._world.oracle.had_power_cut else []:
            folder = host.folder
            wanted |= {(entry, content.hash) for entry, content in folder.files.blobs.wanted.items()}
            there |= {(entry, record.content) for entry, record in folder.files.items()}
        return {entry for entry, _ in wanted - there}

    async def wait(self, limit_s: float) -> bool:
        with trio.move_on_after(limit_s):
            calm = 0
            while calm < 3:
                await trio.sleep(0.5)
                calm = calm + 1 if not self.why_not() else 0
            return True
        return False

    def why_not(self) -> str:
        up = [host for host in self._world.hosts if host.is_up and host.has_joined]
        self._world.wrong += [f"{host.name} miscounted {what}" for host in up for what in miscounted(host.folder)]
        for host in up:
            folder = host.folder
            state = folder.state
            if state.pause_reason or not state.settled or not state.adopted:
                return f"{host.name} is not settled: {state.pause_reason or folder.files.waiting or state.adopted}"
            for other in up:
                if other is host or not self._world.is_in_sight(host, other) or self._world.has_clone:
                    continue
                session = folder.observers.sessions.get(other.identity.device_id)
                if isinstance(session, FolderSession) and self._lacks_what_is_lost(session, up):
                    continue
                if not isinstance(session, FolderSession) or not session.agreement.in_sync:
                    how = "no session" if session is None else f"behind {len(session.agreement.behind)}"  # type: ignore[attr-defined]
                    return f"{host.name} is not in sync with {other.name} ({how})"
        trees = list(self.trees(up).values()) if self._world.has_clone else []
        return "the trees differ" if any(tree != trees[0] for tree in trees) else ""

    def _lacks_what_is_lost(self, session: FolderSession, up: list[Host]) -> bool:
        """Whether a session is in sync but for what no device has."""
        agreement = session.agreement
        return bool(agreement.behind) and agreement.compared and agreement.behind.keys() <= self._lost_entries(up)
