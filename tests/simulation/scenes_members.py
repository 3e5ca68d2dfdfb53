"""Scenes about a hostile member (`hostile.py`): what it tries with more design than chance has."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat
from typing import TYPE_CHECKING
from unittest.mock import patch

import trio
from simulation.hooks import as_host
from simulation.stage import Stage

from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Change, index_of
from yp2p.folder.catalogue import manifest_document_id
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.peers.session import FolderSession
from yp2p.protocol import channel
from yp2p.protocol.entries import Content
from yp2p.protocol.messages import ChannelData, FolderMessage, TreeQuery
from yp2p.protocol.wire import write_varint

if TYPE_CHECKING:
    from pathlib import Path

    from simulation.host import Host
    from simulation.hostile import HostileMember
    from simulation.world import World

# More clients than a document may have of those that the library cannot tell apart (`protocol/crowds.py`), and in how
# many updates they come.
_CROWD, _UPDATES, _MOST_ALIKE = 1536, 12, 1024
_LOWER = (1 << 11) - 1
# Where no peer makes anything; and how long it takes at most until it would be there.
_NOT_ALLOWED, _RENDERED_S = ("../outside", ".git/hooks/post-merge", ".yp2p/ours"), 4.0
# A message that is cheap to say takes a device so long, and for so long they are said.
_WORK_S, _FLOOD_S = 0.02, 12.0
# What work for a member may take of that: a fifth, and what it saved and may owe.
_MOST_WORKED_S = _FLOOD_S / 2


async def a_hostile_member(world: World) -> None:
    """The world of this theme has one (`World._begin`). It tries to have a text that nobody can work in, and a loop."""
    stage, member = Stage(world), world.hostile
    assert member is not None
    await trio.sleep(5.0)
    stage.one._write("crowd.txt", stage.one._line().encode(), in_place=True)
    with trio.move_on_after(30.0):
        while "crowd.txt" not in stage.one.host.folder.files.at:
            await trio.sleep(0.1)
    if stage.one.host.is_up and "crowd.txt" in stage.one.host.folder.files.at:
        await _write_where_nobody_may(stage, member)
        await _crowd_a_text(stage, member, "crowd.txt")
        await _keep_busy(stage, member)


async def _write_where_nobody_may(stage: Stage, member: HostileMember) -> None:
    """Entries with paths that lead outside, to what other programs run, and to what is ours."""
    world, host = stage.world, stage.one.host
    world.note(f"the member makes entries where {host.name} has none")
    said: list[ChannelData] = []
    for path in _NOT_ALLOWED:
        entry = EntryID(world.rng.randbytes(16))
        values = Change(entry, "x", Content.directory()).registers()
        values[entry.hex() + "p"] = values[entry.hex() + "p"][:1] + path.encode()
        update = ManifestReplica(world.rng.getrandbits(32)).write(values)
        assert update is not None
        document = manifest_document_id(index_of(entry))
        said.append(ChannelData(host.folder.id, document, channel.encode(channel.Updates((update,)))))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(member.say, host, said)
    await trio.sleep(_RENDERED_S)
    for one in world.hosts:
        there = [path for path in _NOT_ALLOWED if _is_there(one.disk.path / path)]
        stage.expect(not there, f"{one.name} has {there}")


def _is_there(path: Path) -> bool:
    return os.path.lexists(path)


async def _crowd_a_text(stage: Stage, member: HostileMember, path: str) -> None:
    """One that has a thousand clients of which the library takes each for any other."""
    host = stage.one.host
    with as_host(host):
        folder = host.folder
        document = folder.catalogue.entries[folder.files.at[path]].document
    clients = [(number << 32) + (1 << 31) for number in range(1, _CROWD + 1)]
    size = _CROWD // _UPDATES
    updates = [_written_by(clients[start : start + size]) for start in range(0, _CROWD, size)]
    stage.world.note(f"the member writes into {path} of {host.name} as {_CROWD} clients")
    said = [ChannelData(folder.id, document, channel.encode(channel.Updates((update,)))) for update in updates]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(member.say, host, said)
    for one in stage.world.hosts:
        alike = _most_alike(one, document) if one.is_up else 0
        stage.expect(alike <= _MOST_ALIKE, f"{one.name} has {alike} clients that are alike in {path}")


def _written_by(clients: list[int]) -> bytes:
    """An update: one character of each, behind that of the one before."""
    out = [write_varint(len(clients))]
    for number, client in enumerate(clients):
        after = b"\x84" + write_varint(clients[number - 1]) + b"\x00" if number else b"\x04\x01\x06source"
        out.append(b"\x01" + write_varint(client) + b"\x00" + after + b"\x01x")
    return b"".join(out) + b"\x00"


def _most_alike(host: Host, document: DocumentID) -> int:
    with as_host(host):
        clients = host.folder.texts.clocks(document)
    return max(Counter(client & _LOWER for client in clients).values(), default=0)


async def _keep_busy(stage: Stage, member: HostileMember) -> None:
    """It says without end what is a little work, while others write."""
    world, host = stage.world, stage.one.host
    world.note(f"the member keeps {host.name} busy")
    with _work_for(world, member.identity.device_id) as worked, trio.move_on_after(_FLOOD_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(member.say, host, repeat(TreeQuery(host.folder.id)))
            while True:
                stage.add(stage.one, "crowd.txt")
                await trio.sleep(0.5)
    took_s = sum(worked)
    world.note(f"that was {took_s:.2f} s of work")
    stage.expect(took_s <= _MOST_WORKED_S, f"of {_FLOOD_S:.0f} s {took_s:.1f} were work for one member")


@contextmanager
def _work_for(world: World, device: DeviceID) -> Iterator[list[float]]:
    """Each message of this device takes whoever takes it some time; gives how long, for each."""
    take, worked = FolderSession._take, list[float]()

    async def take_long(session: FolderSession, message: FolderMessage) -> None:
        if session.peer == device:
            world.processor.work(_WORK_S)
            worked.append(_WORK_S)
        await take(session, message)

    with patch.object(FolderSession, "_take", take_long):
        yield worked
