"""Scenes about a device that only reads: what it does stays on its disk, and what others do comes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from simulation import readers
from simulation.disk import REAL, peek
from simulation.people import People, State, tokens_in
from simulation.stage import Stage

if TYPE_CHECKING:
    from simulation.world import World

_SETTLED_S = 7.0
_COMES_S = 60.0


async def a_device_that_only_reads(world: World) -> None:
    """A device is made a reader while it is apart, or after it was; it works on, as the others do."""
    stage = Stage(world)
    reader, third = world.people["h1"], world.people["h2"]
    paths = [await stage.file() for _ in range(5)]
    blob = await stage.blob()
    was_apart = world.rng.random() < 0.7
    if was_apart:
        stage.cut_off(reader.host, 600.0)
        await trio.sleep(1.0)
        if world.rng.random() < 0.5:
            await readers.demote(world, reader.host)
    own = _work(stage, reader, paths, blob) if was_apart else set()
    await trio.sleep(world.rng.choice((0.0, 3.0, _SETTLED_S)))
    if reader.host.name not in world.readers:
        await readers.demote(world, reader.host)
    honest = {path: stage.add(people, path) for path, people in ((paths[3], stage.one), (paths[4], third))}
    if world.rng.random() < 0.5:
        honest[paths[0]] = stage.add(stage.one, paths[0], at=0)
    await _come_together(stage, reader, own)
    for path, token in honest.items():
        stage.expect(any(token in tokens_in(data) for data in _files(reader)), f"{token} of {path} is not on its disk")
    if not was_apart:
        own = _work(stage, reader, paths, blob)
    await _expect_only_there(stage, reader, own)
    token = stage.add(third, paths[4], at=0)
    with trio.move_on_after(_COMES_S):
        while not stage.has(reader, paths[4], token):
            await trio.sleep(0.1)
    stage.expect(stage.has(reader, paths[4], token), f"{token} did not come to the reader")
    await stage.rest()
    if world.rng.random() < 0.5:
        await _goes_back(stage, reader, own)
    elif world.rng.random() < 0.5:
        await _may_write_again(stage, reader)


def _work(stage: Stage, reader: People, paths: list[str], blob: str) -> set[str]:
    """Everything that people do to files; gives the tokens of what is new."""
    disk = reader.host.disk.path
    own = {stage.add(reader, paths[0])}
    new = reader._line()
    reader._write("of-the-reader.txt", new.encode(), in_place=True)
    data = reader._new_blob()
    reader._write(blob, data, in_place=False)
    for path in (paths[1], paths[2]):
        reader.editors.pop(path, None)
    REAL.unlink(disk / paths[1])
    REAL.rename(disk / paths[2], disk / "renamed.txt")
    reader.host.disk.changed()
    stage.world.moved |= {paths[1], paths[2], "renamed.txt"}
    stage.world.oracle.apart |= tokens_in(peek(disk / "renamed.txt"))
    stage.world.note(f"{reader.host.name} changes {paths[0]}, {blob}, deletes {paths[1]}, renames {paths[2]}")
    return own | tokens_in(new.encode()) | tokens_in(data)


async def _come_together(stage: Stage, reader: People, own: set[str]) -> None:
    """All meet, and maybe the reader ends while it finds out what nobody else has."""
    for token in own:
        stage.world.oracle.tokens[token] = State.NEVER
    host = reader.host
    if stage.world.rng.random() < 0.5:
        host.crash_after(stage.world.rng.randint(1, 120))
        stage.heal()
        with trio.move_on_after(10.0):
            await host.ends()
        await host.kill()
        await host.start()
    stage.heal()
    await stage.rest()


async def _expect_only_there(stage: Stage, reader: People, own: set[str]) -> None:
    """What it did is on its disk and on no other one, and it says so."""
    host = reader.host
    with trio.move_on_after(_COMES_S):
        while not {"of-the-reader.txt", "renamed.txt"} <= host.folder.files.local.paths.keys():
            await trio.sleep(0.1)
    await trio.sleep(_SETTLED_S)
    await stage.rest()
    # What a member had for a moment, and took back, may have gone from this disk as from all.
    here = tokens_in(b"\n".join([*_files(reader), *_kept(reader)]))
    stage.expect(own <= here, f"{own - here} of the reader is not on its disk")
    mine, theirs = host.disk.contents(), stage.one.host.disk.contents()
    differs = {path for path in mine.keys() | theirs.keys() if mine.get(path) != theirs.get(path)}
    shown = host.folder.files.local.paths
    stage.expect(shown.keys() == differs, f"it says that {sorted(shown)} are otherwise, and {sorted(differs)} are")
    for other in stage.world.hosts:
        if other is not host:
            found = own & tokens_in(b"\n".join(other.disk.contents().values()))
            stage.expect(not found, f"{found} of the reader is on {other.name}")


async def _goes_back(stage: Stage, reader: People, own: set[str]) -> None:
    await readers.revert(stage.world, reader.host)
    await stage.rest()
    trees = [host.disk.contents() for host in stage.world.hosts]
    stage.expect(all(tree == trees[0] for tree in trees), "the trees differ after all was reverted")
    kept = tokens_in(b"\n".join(_kept(reader)))
    stage.expect(own <= kept, f"{own - kept} is not in the trash of the reader")


async def _may_write_again(stage: Stage, reader: People) -> None:
    own = tokens_in(b"\n".join(_files(reader)))
    await readers.promote(stage.world, reader.host)
    with trio.move_on_after(_COMES_S):
        while reader.host.knows_that_it_reads:
            await trio.sleep(0.1)
    await trio.sleep(_SETTLED_S)
    await stage.rest()
    for token in own:
        stage.expect(all(stage.homes(token)), f"{token} did not come to all")


def _kept(people: People) -> list[bytes]:
    """What is in the trash, and in the history."""
    return [*map(peek, people.host.trash()), people.host.stored_bytes()]


def _files(people: People) -> list[bytes]:
    return list(people.host.disk.contents().values())
