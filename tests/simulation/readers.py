"""Roles that are taken and given: a device that only reads, whatever people do on its disk.

What is written there stays there, and every honest edit comes to it. Who was made a reader late, or while it was apart,
may have written what somebody else has and what nobody has: of that nothing is asked but that all agree in the end.
At the end everything is reverted on the readers' disks; then all trees are equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from simulation.disk import peek
from simulation.hooks import as_host
from simulation.people import State, tokens_in

from yp2p.errors import FolderError
from yp2p.folder.own_statements import OwnStatements
from yp2p.trust.statements import Role

if TYPE_CHECKING:
    from simulation.host import Host
    from simulation.world import World

_COMMIT_S = 5.0
_REVERT_S = 60.0


async def change_role(world: World) -> None:
    """The first device makes another one a reader, or one that is a reader an administrator again."""
    if not _may_have_readers(world) or not (world.hosts[0].is_up and world.hosts[0].has_joined):
        return
    hosts = [host for host in world.hosts[1:] if host.has_joined]
    if hosts:
        host = world.rng.choice(hosts)
        await (promote if host.name in world.readers else demote)(world, host)


def _may_have_readers(world: World) -> bool:
    """Nobody hands on what a reader has, and it is not known what a clone or a hostile member has of it."""
    return not (world.network.never or world.has_clone or world.hostile is not None)


async def demote(world: World, host: Host) -> None:
    """The first device takes the role of another one, which hears of it sooner or later."""
    world.note(f"{world.hosts[0].name} makes {host.name} a reader")
    world.readers.add(host.name)
    world.backups.clear()  # who gets such a store back may write again, and nobody else knows
    _may_not_last(world, host)
    await _say(world, host, Role.READER)


def _may_not_last(world: World, host: Host) -> None:
    """What the first device has not by now of what was done there may be taken back, or stay there."""
    oracle, keeper = world.oracle, world.hosts[0]
    has = tokens_in(keeper.stored_bytes() + b"\n" + b"\n".join(keeper.disk.contents().values()))
    for token in oracle.written_on(host) - has:
        oracle.tokens[token] = State.EITHER
    oracle.may_be_back(host)
    oracle.apart |= tokens_in(b"\n".join(host.disk.contents().values()))


async def promote(world: World, host: Host) -> None:
    """A reader may write again: whatever its disk has otherwise is an edit."""
    world.note(f"{world.hosts[0].name} makes {host.name} an administrator again")
    oracle = world.oracle
    here = tokens_in(b"\n".join(host.disk.contents().values()))
    oracle.apart |= here
    for token, state in oracle.tokens.items():
        is_own = state is State.NEVER and token in oracle.written_on(host)
        if is_own or (state is State.THERE and token not in here):
            oracle.tokens[token] = State.EITHER
    world.readers.discard(host.name)
    world.backups.clear()
    await _say(world, host, Role.ADMINISTRATOR)


async def _say(world: World, host: Host, role: Role) -> None:
    keeper = world.hosts[0]
    with as_host(keeper), trio.move_on_after(_COMMIT_S):
        say = OwnStatements(keeper.folder.membership)
        try:
            if role is Role.READER:
                await say.remove(host.identity.device_id, role)
            else:
                await say.grant(host.identity.public, role, host.name)
        except FolderError as error:
            world.note(f"that cannot be said: {error}")


def knows(host: Host) -> bool:
    """Whether a device knows that it only reads."""
    if not host.is_up or not host.has_joined:
        return False
    with as_host(host):
        return host.folder.membership.is_reader


async def revert(world: World, host: Host) -> None:
    """Everything is as all have it, and what was there is in the trash."""
    if host.device is None:
        return
    with as_host(host), trio.move_on_after(_REVERT_S):
        while paths := sorted(host.folder.files.local.paths):
            before = host.disk.contents()
            world.note(f"{host.name} reverts {paths}")
            answer = await host.device.kept.revert(None, paths)
            for one in answer["reverted"]:
                if one["kept"] is not None and one["path"] in before:
                    kept = peek(host.disk.path / one["kept"])
                    if kept != before[one["path"]]:
                        world.wrong.append(f"{host.name} reverts {one['path']} and keeps {kept!r}")
            await trio.sleep(1.0)


async def revert_all(world: World) -> bool:
    """The same on all that only read; tells whether there was any."""
    hosts = [host for host in world.hosts if knows(host)]
    for host in hosts:
        await revert(world, host)
    return bool(hosts)
