"""Devices on which somebody removes the past of a file, or of all files, while everybody works on.

Nothing that a file holds now is lost by that, on any device, whoever was away; the past is gone where it was done, and
the device merges on with those that have it still. A person who has an old version open there closes it: what is saved
from such a one later is an edit of the present. Other devices are asked for the same, and do it when somebody agrees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from simulation.hooks import as_host
from simulation.people import tokens_in

from yp2p.documents.text import TextReplica
from yp2p.errors import FolderError, UsageError
from yp2p.store import tables

if TYPE_CHECKING:
    from simulation.host import Host
    from simulation.world import World

_LIMIT_S = 30.0


async def purge(world: World) -> None:
    """Somebody removes the past of a text, or of the whole folder."""
    hosts = [host for host in world.hosts if host.is_watching and host.has_joined]
    if hosts:
        host = world.rng.choice(hosts)
        texts = world.people[host.name].texts()
        await purge_on(world, host, world.rng.choice(["", *texts]))


async def purge_on(world: World, host: Host, path: str) -> None:
    """See above."""
    assert host.device is not None
    world.people[host.name].editors.clear()
    with as_host(host), trio.move_on_after(_LIMIT_S):
        target = str(host.disk.path / path) if path else str(host.disk.path)
        try:
            done = await host.device.purging.purge(target, with_file=False)
        except (FolderError, UsageError) as error:
            world.note(f"{host.name} cannot purge {path!r}: {error}")
            return
        world.note(f"{host.name} purges {path!r}: {done['versions']} versions")
        world.wrong += _left(host, path)


async def answer(world: World) -> None:
    """Somebody agrees to what another device asks for, or refuses it."""
    hosts = [host for host in world.hosts if host.is_watching and host.has_joined]
    asked = [(host, one) for host in hosts for one in host.folder.observers.purges.undecided()]
    if not asked:
        return
    host, one = world.rng.choice(asked)
    agree = world.rng.random() < 0.8
    assert host.device is not None
    world.people[host.name].editors.clear()
    with as_host(host), trio.move_on_after(_LIMIT_S):
        try:
            await host.device.asked_purges.decide(one.number, agree=agree)
        except (FolderError, UsageError) as error:
            world.note(f"{host.name} cannot answer request {one.number}: {error}")
            return
        world.note(f"{host.name} {'agrees to' if agree else 'refuses'} request {one.number}")


def _left(host: Host, path: str) -> list[str]:
    """What of the past is still in a log that was purged and has not grown since."""
    folder, wrong = host.folder, list[str]()
    for entry, name in folder.catalogue.layout().path_of.items():
        document = folder.catalogue.entries[entry].document
        rows = tables.log.updates(folder.database.rows, folder.id, document)
        if (path and name != path) or len(rows) != 1 or document not in folder.catalogue.entry_of:
            continue
        text = TextReplica.from_updates(1, [rows[0][1]]).text()
        if left := tokens_in(rows[0][1]) - tokens_in(text.encode()):
            wrong.append(f"{host.name} has {left} of {name} after it was purged")
    return wrong
