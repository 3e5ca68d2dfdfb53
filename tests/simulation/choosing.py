"""Devices that have only some of the files on their disks, and choose otherwise now and then.

What a device does not choose is elsewhere, and nothing of it is lost: at the end everybody has what they chose as all
have it, and then everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from simulation.hooks import as_host

from yp2p.errors import FolderError, UsageError

if TYPE_CHECKING:
    from simulation.host import Host
    from simulation.world import World

_PATHS = ("a.txt", "b.txt", "notes", "notes/c.md", "deep", "deep/er", "p.bin", "notes/q.bin")
_CHOICE_S = 10.0


async def choose(world: World) -> None:
    """A device has only some of the files from now on, or all again."""
    hosts = [host for host in world.hosts if host.is_watching and host.has_joined]
    if hosts:
        paths = world.rng.sample(_PATHS, world.rng.choice((0, 1, 1, 2, 3)))
        await choose_paths(world, world.rng.choice(hosts), paths)


async def choose_paths(world: World, host: Host, paths: list[str]) -> bool:
    """A device has only these of the files from now on, as far as there are such; tells whether it could choose."""
    with as_host(host), trio.move_on_after(_CHOICE_S):
        assert host.device is not None
        known = host.folder.catalogue.layout().entry_at
        named = [path for path in paths if any(one == path or one.startswith(f"{path}/") for one in known)]
        if paths and not named:
            return False
        try:
            await host.device.choosing.choose(None, named)
        except (FolderError, UsageError) as error:
            world.note(f"{host.name} cannot choose {named}: {error}")
            return False
        world.note(f"{host.name} chooses {named or 'everything'}")
        return True
    return False


def chooses(host: Host) -> bool:
    """Whether a device has only some of the files."""
    if not host.is_up or not host.has_joined:
        return False
    with as_host(host):
        return bool(host.folder.files.choice.paths)


def differing(world: World) -> str:
    """What two devices have chosen and not alike; empty where there is nothing."""
    found: dict[str, dict[str, bytes]] = {}
    for host in world.hosts:
        with as_host(host):
            folder = host.folder
            for path, data in host.disk.contents().items():
                found.setdefault(path, {})[host.name] = data
            missing = [
                path
                for path, entry in folder.catalogue.layout().entry_at.items()
                if entry not in folder.files
                and entry not in folder.files.choice.unchosen
                and entry not in folder.files.ignored
                and entry not in folder.files.blobs.wanted
            ]
        if missing:
            return f"{host.name} has chosen {missing}, and has them not"
    names = [path for path, by_host in found.items() if len(set(by_host.values())) > 1]
    return f"{names} are not alike: {[found[path] for path in names]}" if names else ""


async def choose_everything(world: World) -> None:
    """All devices have all files again."""
    for host in world.hosts:
        while chooses(host) and not await choose_paths(world, host, []):
            await trio.sleep(1.0)
