"""Scenes about names that cross: a file and a directory of one name, while a daemon ends in the middle of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from simulation import directories, names, rules
from simulation.disk import peek
from simulation.people import tokens_in
from simulation.stage import Stage

if TYPE_CHECKING:
    from simulation.people import People
    from simulation.world import World

# So many that their directory is moved as one.
_WHOLE = ("0.txt", "1.txt", "2.txt", "3.txt")
_SEEN_S = 7.0  # so long it takes at most until what was done has come to all
_STEPS = ("rename", "syncfs", "mkdir", "before a commit", "in a commit", "after a commit")


async def names_that_cross(world: World) -> None:
    """A file goes into a directory of its own name, out of it again, and changes places with one. The device on which
    that is done ends in the middle, or the one that hears of it; somebody goes on with the file elsewhere."""
    stage = Stage(world)
    await _a_whole_directory(stage)
    await _two_change_places(stage)
    await _what_stays_is_waited_for(stage)
    path, inner = await stage.file(), await stage.file(directory="around/")
    tokens = {name: tokens_in(peek(stage.one.host.disk.path / name)) for name in (path, inner)}
    name = inner.rpartition("/")[2]
    nested = directories.nesting(path)[-1][1]
    between = "around-between"
    for steps, before, after in (
        (directories.nesting(path), path, nested),
        (directories.unnesting(nested), nested, path),
        ([("around", between), (path, "around"), (between, path)], path, "around"),
        ([(path, between), ("around", path), (between, "around")], "around", path),
    ):
        doer = world.rng.choice((stage.one, stage.other))
        await _ends_meanwhile(stage, stage.one, doer, steps)
        theirs = stage.add(stage.other, _where(stage.other, before, after))
        await stage.one.host.start()
        await stage.rest()
        stage.expect_only_in(after, theirs)
        for token in tokens[path]:
            stage.expect_only_in(after, token)
        beside = f"{path}/{name}" if after == "around" else inner
        for token in tokens[inner]:
            stage.expect_only_in(beside, token)


async def _a_whole_directory(stage: Stage) -> None:
    """A directory with all its files gets another name; one device ends in the middle, and the other goes on."""
    tokens = {name: stage.save(stage.one, f"whole/{name}", "") for name in _WHOLE}
    await stage.rest()
    ending = stage.world.rng.choice((stage.one, stage.other))
    await _ends_meanwhile(stage, ending, stage.one, [("whole", "renamed")])
    theirs = stage.add(stage.other, _where(stage.other, f"whole/{_WHOLE[0]}", f"renamed/{_WHOLE[0]}"))
    await ending.host.start()
    await stage.rest()
    stage.expect_only_in(f"renamed/{_WHOLE[0]}", theirs)
    for name, token in tokens.items():
        stage.expect_only_in(f"renamed/{name}", token)


async def _two_change_places(stage: Stage) -> None:
    """Two texts change places on one device; the other one ends when the first of them has made way, or later."""
    paths = [await stage.file(), await stage.file()]
    tokens = [tokens_in(peek(stage.one.host.disk.path / path)) for path in paths]
    stage.other.host.crash_after(stage.world.rng.choice((2, 2, 3)), "rename")
    names.exchange(stage.one, *paths)
    with trio.move_on_after(8.0):
        await stage.other.host.ends()
    await stage.other.host.kill()
    await stage.other.host.start()
    await stage.rest()
    for path, there in zip(reversed(paths), tokens, strict=True):
        for token in there:
            stage.expect_only_in(path, token)


async def _what_stays_is_waited_for(stage: Stage) -> None:
    """A file takes the name of a directory, in which one device has something that is none of the folder's."""
    world, host = stage.world, stage.one.host
    path, inner = await stage.file(), await stage.file(directory="kept/")
    (token, *_), (beside, *_) = (tokens_in(peek(host.disk.path / name)) for name in (path, inner))
    own = host.disk.path / "kept" / "1.own"

    def leave_out() -> None:
        host.ignored = "*.own"
        own.write_bytes(b"own")
        host.disk.changed()
        world.note(f"{host.name} has {own.name} for itself")

    await stage.restart([host], leave_out)
    await trio.sleep(_SEEN_S)
    await directories.in_steps(stage.other, [("kept", "kept-elsewhere"), (path, "kept")])
    await trio.sleep(_SEEN_S)
    stage.expect(own.is_file(), f"{own.name} of {host.name} is gone")
    stage.expect(stage.has(stage.one, path, token), f"{path} is not where it was on {host.name}, which has to wait")
    own.unlink()
    host.disk.changed()
    await stage.restart([host], lambda: rules.heed(world, host))
    await stage.rest()
    stage.expect_only_in("kept", token)
    stage.expect_only_in(f"kept-elsewhere/{inner.rpartition('/')[2]}", beside)


def _where(people: People, before: str, after: str) -> str:
    """Where a file is on a device, which may not have heard of its new name."""
    return after if (people.host.disk.path / after).is_file() else before


async def _ends_meanwhile(stage: Stage, ending: People, doer: People, steps: directories.Steps) -> None:
    """Somebody does the steps while one device ends, maybe in what follows from them."""
    ending.host.crash_after(stage.world.rng.choice((1, 1, 2, 3, 5)), stage.world.rng.choice(_STEPS))
    await directories.in_steps(doer, steps)
    with trio.move_on_after(stage.world.rng.choice((0.5, 3.0, 8.0))):
        await ending.host.ends()
    stage.world.note(f"{ending.host.name} is killed")
    await ending.host.kill()
