"""The end of a run: everything is healed, the devices come to rest, and then all has to be as the oracle says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import trio
from simulation import choosing, faults, hostile, masses, names, places, readers, rules, troubles
from simulation.host import Host
from simulation.hostile import HostileMember
from simulation.people import tokens_in
from simulation.rest import Failed

from yp2p.files.ignore import IgnoreRules
from yp2p.folder.notices import Versions

if TYPE_CHECKING:
    from simulation.world import World

_REST_LIMIT_S = 400.0


async def come_to_rest(world: World) -> None:
    """Heal everything, wait for the devices to be in sync, and look at all that there is. Raises Failed."""
    world.note("everything is healed")
    await _heal(world)
    world.nursery.start_soon(masses.answer_all, world)
    if world.hostile is not None:
        await _survive(world, world.hostile)
        return
    # Of a clone only equal trees tell that it has come to rest. Where not all are linked with all, what one in
    # between has not chosen comes to nobody behind it.
    if world.has_clone or world.network.never:
        await choosing.choose_everything(world)
    if not await world.rest.wait(_REST_LIMIT_S):
        raise Failed(f"not in sync after {_REST_LIMIT_S:.0f} s: {world.rest.why_not()}")
    await _choose_everything(world)
    if await readers.revert_all(world) and not await world.rest.wait(_REST_LIMIT_S):
        raise Failed(f"not in sync after all was reverted: {world.rest.why_not()}")
    world.check_log()
    trees = world.rest.trees(world.hosts)
    first, gone = trees[world.hosts[0].name], _left_out_and_gone(world)
    for name, tree in trees.items():
        if any(tree.get(path) != first.get(path) for path in (tree.keys() | first.keys()) - gone):
            raise Failed(f"{name} has another tree than {world.hosts[0].name}: {tree} and {first}")
    _check_blobs(world)
    for host in world.hosts:
        for versions in _changed_apart(host):
            world.oracle.told |= tokens_in(versions.stands.encode())
            world.oracle.kept_apart |= tokens_in((versions.ours + versions.theirs).encode())
    wrong = world.wrong + world.oracle.check(first) + names.check_outside(world)
    if wrong:
        raise Failed(f"{'; '.join(wrong)}: {first}")


async def _choose_everything(world: World) -> None:
    """What is chosen is alike; then everybody has everything. Raises Failed."""
    if not any(map(choosing.chooses, world.hosts)):
        return
    if not world.readers and not world.has_clone and (wrong := choosing.differing(world)):
        raise Failed(wrong)
    with trio.move_on_after(_REST_LIMIT_S):
        await choosing.choose_everything(world)
    if not await world.rest.wait(_REST_LIMIT_S):
        raise Failed(f"not in sync after everything was chosen: {world.rest.why_not()}")


def _wanted(host: Host) -> Iterator[str]:
    """Where a device is to have a blob that it does not have."""
    path_of = host.folder.catalogue.layout().path_of
    return (path_of.get(entry, "") for entry in host.folder.files.blobs.wanted)


def _left_out_and_gone(world: World) -> set[str]:
    """Blobs of which no device has the newest content: it was removed where it was left out (`_check_blobs`).

    A device that had an older one may still have that.
    """
    left_out = IgnoreRules(sorted(world.left_out))
    return {path for host in world.hosts for path in _wanted(host) if left_out.ignores(path)}


def _check_blobs(world: World) -> None:
    """What is said to be in a file is in a file.

    Excuses are a disk that lost it, and a device that left it out: a file that was removed right before that, or
    meanwhile, was not seen to go.
    """
    if world.oracle.had_power_cut:
        return
    left_out = IgnoreRules(sorted(world.left_out))
    for host in world.hosts:
        for path in _wanted(host):
            if not left_out.ignores(path):
                waiting = host.folder.files.waiting.entries
                raise Failed(f"no device has what {host.name} is to have at {path!r}: {waiting}")


async def _survive(world: World, member: HostileMember) -> None:
    """The hostile member goes; everybody starts again, works, and has lost nothing. Raises Failed."""
    member.leave()
    for host in world.hosts:
        await host.stop()
        await host.start()
    with trio.move_on_after(_REST_LIMIT_S):
        await choosing.choose_everything(world)
    wrong = world.wrong + await hostile.check(world)
    world.check_log()
    if wrong:
        raise Failed(f"after {member.sent} hostile messages: {'; '.join(wrong)}")


async def _heal(world: World) -> None:
    """Everything is there again, can be read and is not left out; all run, and all have joined."""
    world.network.heal()
    for host in world.hosts:
        places.unlock(world, host)
        troubles.end_on(world, host)
        if host.ignored or host.name in world.rescan:
            await host.stop()
            rules.heed(world, host)
        if host.has_joined and not host.is_up:
            await host.start()
    while any(not host.has_joined for host in world.hosts):
        before = [host.has_joined for host in world.hosts]
        await faults.join_late(world)
        assert before != [host.has_joined for host in world.hosts]


async def check_cost_of_an_edit(world: World) -> None:
    """At rest, one edit costs one message for each other device, whatever the network looks like (invariant 16)."""
    files = world.people[world.hosts[0].name]._files()
    if not files or world.has_clone or world.hostile is not None:
        return
    for people in world.people.values():
        people.editors.clear()
    for _ in range(3):
        editing = world.people[world.rng.choice(world.writers()).name]
        await trio.sleep(1.0)
        world.updates_sent.clear()
        editing.edit()
        if not await world.rest.wait(60.0):
            raise Failed(f"an edit at rest did not arrive: {world.rest.why_not()}")
    sent = sum(world.updates_sent.values())
    # The first ones open the channels, with a step 1 and 2 instead; the last one finds them open.
    if sent > 1.2 * (len(world.hosts) - 1):
        raise Failed(f"one edit cost {sent} messages among {len(world.hosts)} devices: {world.updates_sent}")


def _changed_apart(host: Host) -> list[Versions]:
    """The places that this device tells of as changed apart."""
    notices = (notice.versions for notice in host.folder.notices)
    return [versions for versions in notices if versions is not None]
