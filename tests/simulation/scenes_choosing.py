"""Scenes about what a device does not have on its disk by choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from simulation import choosing
from simulation.stage import Stage

if TYPE_CHECKING:
    from simulation.people import People
    from simulation.world import World

# So long it takes at most until what may leave has left.
_LEFT_S = 20.0


async def some_files_on_some_disks(world: World) -> None:
    """Devices do not want a file on their disks: there is one that keeps it, and whoever wants it gets it."""
    stage = Stage(world)
    text = await stage.file()
    everybody = [world.people[host.name] for host in world.hosts]
    await _nobody_wants_it(stage, text, everybody)
    await _missing_is_not_deleted(stage, text)


async def _nobody_wants_it(stage: Stage, text: str, everybody: list[People]) -> None:
    """All choose otherwise, at about the same time: the last one has nobody to rely on."""
    world, path = stage.world, await stage.blob()
    token = stage.put_blob(stage.one, path)
    await stage.rest()
    for people in world.rng.sample(everybody, len(everybody)):
        await choosing.choose_paths(world, people.host, [text])
        await trio.sleep(world.rng.choice((0.0, 0.0, 0.3, 3.0)))
    await trio.sleep(_LEFT_S)
    await stage.rest()
    homes = stage.homes(token)
    stage.expect(any(homes), f"the blob with {token} is on no disk")
    await choosing.choose_everything(world)
    await stage.rest()
    stage.expect(all(stage.homes(token)), f"the blob with {token} is in {stage.homes(token)}, and everybody wants it")


async def _missing_is_not_deleted(stage: Stage, text: str) -> None:
    """Somebody removes by hand what is not chosen and could not leave yet: the others have it all the same."""
    path = await stage.blob()
    token = stage.put_blob(stage.one, path)
    await stage.rest()
    async with stage.apart():
        await choosing.choose_paths(stage.world, stage.one.host, [text])
        await trio.sleep(1.0)
        (stage.one.host.disk.path / path).unlink()
        stage.world.note(f"{stage.one.host.name} removes {path} by hand")
    homes = stage.homes(token)
    stage.expect(homes[1:] == [[path]] * (len(homes) - 1), f"the blob with {token} is in {homes}")
    await choosing.choose_everything(stage.world)
    await stage.rest()
    stage.expect(all(stage.homes(token)), f"the blob with {token} is in {stage.homes(token)}, and everybody wants it")
