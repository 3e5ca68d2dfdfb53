"""What goes wrong: connections drop, devices stop, crash, lose their power, go back to a backup or are cloned."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import trio
from simulation import directories, hooks, names
from simulation.hooks import current_host
from simulation.people import People, tokens_in
from simulation.places import unlock

from yp2p.config import History
from yp2p.history import retention as retention_module
from yp2p.history.ages import DAY_S
from yp2p.history.retention import Retention

if TYPE_CHECKING:
    from simulation.host import Host
    from simulation.world import World

# Between which steps a device ends: of the store and the network, of texts, of blobs. Without a choice nearly all
# crashes would come before something is sent.
_STEPS = (
    ("before a commit", "in a commit", "after a commit", "before sending"),
    ("open", "write", "in a write", "fchmod", "utime", "fdatasync", "syncfs", "rename", "link", "unlink", "mkdir"),
    ("rename", "syncfs", "mkdir", "before a commit", "in a commit", "after a commit"),
    ("open", "ftruncate", "pwrite", "in a pwrite", "copy_file_range", "in a copy_file_range", "fdatasync", "rename"),
)


async def _rename_one(world: World) -> None:
    world.some_people().rename()


async def _swap(world: World) -> None:
    names.swap(world)


# What is in the middle of being done to names when a device ends: its own people's, or others'.
_CHANGES_OF_NAMES = (_rename_one, _swap, *directories.CHANGES)


def drop_connections(world: World) -> None:
    connections = sorted(world.network.connections, key=lambda c: (c.ends, c.ways[c.ends[0]].latency_s))
    for connection in connections:
        if world.rng.random() < 0.5:
            world.note(f"the connection of {connection.ends} drops")
            connection.break_now()


def part(world: World) -> None:
    one, other = world.rng.sample(world.hosts, 2)
    duration_s = world.rng.choice((0.1, 1.0, 4.0, 8.0, 30.0))
    both = world.rng.random() < 0.6
    world.note(f"{one.name} {'and' if both else 'to'} {other.name}: nothing gets through for {duration_s} s")
    world.network.block(one.name, other.name, duration_s, both_ways=both, nursery=world.nursery)


async def stop_one(world: World) -> None:
    host = world.some_host(up=True)
    if host is not None:
        world.note(f"{host.name} stops")
        await host.stop()


async def kill_one(world: World) -> None:
    """A device ends between any two of its next steps, by SIGKILL."""
    host = world.some_host(up=True)
    if host is not None:
        await _work_until_crash(world, host)
        world.note(f"{host.name} is killed")
        await host.kill()


async def cut_power_of_one(world: World) -> None:
    """A device loses its power between any two of its next steps, and comes up again."""
    host = world.some_host(up=True)
    if host is None:
        return
    unlock(world, host)
    host.disk.record()
    await _work_until_crash(world, host)
    world.note(f"{host.name} loses its power")
    await host.cut_power()
    world.people[host.name].editors.clear()
    await host.start()
    # Nobody goes on with a file that is empty or full of NULs before the daemon has put it right.
    with trio.move_on_after(30):
        for disk in host.device.home.disks.values() if host.device is not None else ():
            await disk.scanned.wait()
    host.disk.is_recording = False


async def _work_until_crash(world: World, host: Host) -> None:
    """Let it end at one of its next steps; whoever works on it goes on meanwhile."""
    if world.rng.random() < 0.5:
        host.crash_after(world.rng.randint(1, 80))
    else:
        steps = world.rng.choice(_STEPS)
        host.crash_after(world.rng.choice((1, 1, 2, 3, 5)), world.rng.choice(steps))
    for _ in range(world.rng.randint(0, 3)):
        await _work_meanwhile(world, world.people[host.name])
        await trio.sleep(world.rng.choice((0.0, 0.05, 0.5)))
    with trio.move_on_after(world.rng.choice((0.1, 2.0, 5.0))):
        await host.ends()


async def _work_meanwhile(world: World, people: People) -> None:
    """Somebody works on a device that is about to end, or somewhere else what then comes to it."""
    if world.swarm.has("end among names") and world.rng.random() < 0.5:
        await world.rng.choice(_CHANGES_OF_NAMES)(world)
    elif world.swarm.has("replace a blob") and world.rng.random() < 0.5:
        world.some_people().replace_blob(long=world.rng.random() < 0.5)
    else:
        world.rng.choice((people.edit, people.save, people.append, people.create))()


async def start_one(world: World) -> None:
    host = world.some_host(up=False)
    if host is not None:
        world.note(f"{host.name} starts")
        await host.start()


async def join_late(world: World) -> None:
    waiting = [host for host in world.hosts if not host.has_joined]
    if waiting:
        host = waiting[0]
        sharers = [h for h in world.writers() if h.is_up and h.has_joined and world.is_in_sight(h, host)]
        if sharers:
            await world.join(host, world.rng.choice(sharers))


async def back_up(world: World) -> None:
    host = world.some_host(up=True)
    if host is not None and host.name not in world.readers:
        world.backups[host.name] = host.base / "backup.db"
        host.copy_store(world.backups[host.name])
        (host.base / "backup").mkdir(exist_ok=True)
        for old in (host.base / "backup").iterdir():
            old.unlink()
        for path, data in host.disk.contents().items():
            record = host.folder.files.by_path(path)
            if record is None or record.content != hashlib.sha256(data).digest():
                continue  # a version that no daemon has seen would be an edit when it comes back
            (host.base / "backup" / path.replace("/", "%")).write_bytes(data)
        world.note(f"{host.name} is backed up")


async def restore_backup(world: World) -> None:
    """The store goes back to a backup and the files do not, or the reverse."""
    hosts = [host for host in world.hosts if host.name in world.backups and host.has_joined]
    if not hosts:
        return
    host = world.rng.choice(hosts)
    was_up = host.is_up
    await host.stop()
    people = world.people[host.name]
    people.editors.clear()
    files_went_back = world.rng.random() < 0.5
    if not files_went_back:
        world.note(f"{host.name} gets its store back from a backup")
        only_stored = tokens_in(host.stored_bytes()) - tokens_in(b"\n".join(host.disk.contents().values()))
        host.store.unlink()
        world.backups[host.name].rename(host.store)
        world.oracle.may_be_lost(host, only_stored)  # as what a power cut took from the disk a moment ago
        host.forget_watching()
        world.oracle.store_went_back()
        people.made_apart(b"".join(host.disk.contents().values()))
    else:
        world.note(f"{host.name} gets its files back from a backup")
        before = host.disk.contents()
        for saved in sorted((host.base / "backup").iterdir()):
            path = saved.name.replace("%", "/")
            if (
                path in before
                and not people.is_locked(path)
                and before[path] != saved.read_bytes()
                and path not in world.moved
            ):
                people._write(path, saved.read_bytes(), in_place=False)
        world.oracle.files_were_put_back(host, before)
    del world.backups[host.name]
    if was_up or files_went_back:
        await host.start()
    # Nobody goes on with old files before the daemon has seen that they are.
    with trio.move_on_after(30 if files_went_back else 0):
        while host.is_up and not host.is_watching:
            await trio.sleep(0.1)


async def clone(world: World) -> None:
    """A disk image of a device runs on a second machine."""
    host = world.some_host(up=True)
    everybody_joined = all(host.has_joined for host in world.hosts)
    if host is None or world.has_clone or not everybody_joined or len(world.hosts) < 3 or world.readers:
        return
    world.has_clone = True
    await host.stop()
    unlock(world, host)
    clone = world.add_host("clone", host.identity)
    host.copy_disk_to(clone)
    for data in host.disk.contents().values():
        world.oracle.apart |= tokens_in(data)
        world.oracle.copied |= tokens_in(data)
    world.note(f"{host.name} is cloned")
    await host.start()


def set_clock(world: World) -> None:
    """A clock that was wrong is set while the daemon runs, back or forward; what has been written keeps its time."""
    host = world.some_host(up=True)
    if host is not None:
        by_s = world.rng.choice((-7200.0, -60.0, -1.0, 60.0, 7200.0, -40 * 86400.0))
        host.skew_s += by_s
        world.note(f"the clock of {host.name} is set by {by_s} s")


async def thin(world: World) -> None:
    """Twenty minutes pass in which nothing happens, a day by the clock; a device lets go of all versions of before."""
    host = world.some_host(up=True)
    if host is not None:
        await thin_on(world, host)


async def thin_on(world: World, host: Host) -> None:
    """See above."""
    if host.device is None:
        return
    token = current_host.set(host)
    try:
        retention = Retention(host.folder, History(max_age_days=1), host.device.home.disks[host.folder.id].bases)
        world.is_idle = True
        await trio.sleep(retention_module._YOUNG_S + 1)  # what is younger stays
        with trio.move_on_after(2.0 if host.is_up else 0.0):
            count = await retention.thin(hooks.now_s() + 2 * DAY_S)
            world.note(f"{host.name} lets go of {count} versions")
    finally:
        world.is_idle = False
        current_host.reset(token)
