"""Scenes about disks: crashes, power cuts, what is missing and was not deleted, the trash, what is thinned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from simulation import faults, masses, rules
from simulation.disk import REAL, peek
from simulation.people import tokens_in
from simulation.scenes_texts import modified_as_before
from simulation.stage import Stage

from yp2p.peers.session import FolderSession

if TYPE_CHECKING:
    from simulation.host import Host
    from simulation.world import World

_CRASHES = ("rename", "link", "before a commit", "after a commit", "unlink", "fdatasync")


async def crashes_in_writes(world: World) -> None:
    """A daemon ends while it puts a version in place; somebody goes on with that before it starts again."""
    stage = Stage(world)
    path = await stage.file()
    host = stage.one.host
    for number in range(3):
        host.crash_after(world.rng.choice((1, 1, 2, 3)), world.rng.choice(_CRASHES))
        await _write_while_it_ends(stage, path if number else "crash.txt")
        await host.start()
        await stage.rest()


async def crashes_after_writes(world: World) -> None:
    """A daemon ends when a version is in place and the store does not say so yet; somebody goes on with that, and what
    was new in it is taken out elsewhere: it is no edit of the one who goes on."""
    stage = Stage(world)
    path = await stage.file()
    host = stage.one.host
    for number in range(4):
        name = path if number % 2 else f"after{number}.txt"
        step = world.rng.choice((1, 2)) if number % 2 else 1
        host.interrupt("rename", step, lambda: host.crash_after(1, "before a commit"))
        (token, *_) = await _write_while_it_ends(stage, name)
        is_taken_out = stage.has(stage.one, name, token)
        own = ""
        if is_taken_out:
            own = stage.add(stage.one, name)
            stage.take_out(stage.other, name, token)
        host.interrupt("", 0, lambda: None)
        await host.start()
        await stage.rest()
        if own:
            stage.expect_only_in(name, own)
            stage.expect(not any(stage.homes(token)), f"{token}, which was taken out, is in {stage.homes(token)}")
    await _a_blob_is_cut_in_two(stage)


async def _a_blob_is_cut_in_two(stage: Stage) -> None:
    """The same with another blob in the place of one: it is there, or comes again."""
    path = await stage.blob()
    host = stage.one.host
    for step in (1, 2):
        host.interrupt("rename", step, lambda: host.crash_after(1, "before a commit"))
        token = stage.put_blob(stage.other, path)
        with trio.move_on_after(3.0):
            await host.ends()
        await host.kill()
        host.interrupt("", 0, lambda: None)
        await host.start()
        await stage.rest()
        stage.expect(stage.has(stage.one, path, token), f"the blob with {token} is not {path}")


async def _write_while_it_ends(stage: Stage, path: str) -> list[str]:
    """Another device writes a file, or a new one, and the first one ends; gives the tokens of that."""
    world, host = stage.world, stage.one.host
    if stage.other.host.disk.contents().get(path) is not None:
        tokens = [stage.add(stage.other, path, at=1)]
    else:
        text = "".join(stage.other._line() for _ in range(4))
        stage.other._write(path, text.encode(), in_place=True)
        world.note(f"{stage.other.host.name} makes {path}: {text!r}")
        tokens = sorted(tokens_in(text.encode()))
    with trio.move_on_after(3.0):
        await host.ends()
    await host.kill()
    return tokens


async def killed_after_saves(world: World) -> None:
    """A daemon ends right after others have got what was saved here: it has it as well, and does not make it anew."""
    stage = Stage(world)
    path = await stage.file()
    host = stage.one.host
    for _ in range(3):
        token = stage.add(stage.one, path, at=1)
        with trio.move_on_after(1.0):
            while not stage.has(stage.other, path, token):
                await trio.sleep(0.01)
        await host.kill()
        is_taken_out = stage.has(stage.other, path, token)
        if is_taken_out:
            stage.take_out(stage.other, path, token)
            await trio.sleep(0.5)
        stage.cut_off(host, 4.0)
        await host.start()
        await trio.sleep(2.0)
        stage.heal()
        await stage.rest()
        stage.expect(is_taken_out != stage.has(stage.other, path, token), f"{token} is back, or lost")


async def power_cuts(world: World) -> None:
    """The power goes after a version was put in place: it is there. It goes right after a save: what that damages is no
    edit."""
    stage = Stage(world)
    host = stage.one.host
    paths = [await stage.file() for _ in range(4)]
    for number, path in enumerate(paths):
        host.disk.record()
        if number % 2 == 0:
            before = _damages(world)
            token = stage.add(stage.other, path, at=2)
            await stage.rest()
            await stage.cut_power(host)
            await stage.rest()
            stage.expect(_damages(world) == before, f"a version of {path} was put in place before it was on the disk")
            stage.expect(stage.has(stage.one, path, token), f"{token}, which others had, is gone from {path}")
        else:
            tokens = tokens_in(peek(host.disk.path / path))
            for one in paths:
                stage.add(stage.one, one)
            await stage.cut_power(host)
            await stage.rest()
            there = tokens_in(stage.other.host.disk.contents().get(path, b""))
            stage.expect(tokens <= there, f"{tokens - there}, which others had, are gone from {path}")


def _damages(world: World) -> int:
    names = ("what a power cut damaged is repaired", "a file that a power cut took comes back")
    return sum(world.reached[name] for name in names)


async def an_append_before_a_power_cut(world: World) -> None:
    """What was appended within one tick of the clock before the power went is no damage."""
    stage = Stage(world)
    path = await stage.file()
    host = stage.one.host
    for _ in range(2):
        status = (host.disk.path / path).stat()
        await host.kill()
        host.has_lost_power()
        token = stage.add(stage.one, path)
        modified_as_before(stage.one, path, status)
        await host.start()
        await stage.rest()
        stage.expect(stage.has(stage.other, path, token), f"{token}, appended before a power cut, is lost")


async def many_are_removed(world: World) -> None:
    """Somebody removes many files at once; a person is asked."""
    stage = Stage(world)
    masses.make_many(world)
    await stage.rest()
    await masses.remove_many(world)
    with trio.move_on_after(60.0):
        while world.rest.why_not():
            await trio.sleep(1.0)
            for host in world.hosts:
                masses.answer(host, accept=True)  # those who hear of it ask as well
    await stage.rest()


async def deleted_elsewhere(world: World) -> None:
    """What others delete is in the trash here, also what has another name."""
    stage = Stage(world)
    for is_linked in (False, True):
        path = await stage.file()
        host = stage.one.host
        if is_linked:
            (host.base / "outside").mkdir(exist_ok=True)
            REAL.link(host.disk.path / path, host.base / "outside" / path)
        tokens = tokens_in(peek(host.disk.path / path))
        stage.other._unlink(path)
        await trio.sleep(5.0)
        await stage.rest()
        trash = tokens_in(b"".join(map(peek, host.trash())))
        stage.expect(tokens <= trash, f"{path}, deleted elsewhere, is not in the trash of {host.name}")


async def left_out_or_locked(world: World) -> None:
    """A directory is left out and emptied here, then one cannot be read: the others keep what they have."""
    stage = Stage(world)
    path = await stage.file(directory="notes/")
    host = stage.one.host
    tokens = tokens_in(peek(host.disk.path / path))

    def leave_out() -> None:
        host.ignored = "notes/"
        world.note(f"{host.name} leaves out {host.ignored}")

    await stage.restart([host], leave_out)
    await trio.sleep(1.0)
    rules.remove_ignored(world, host)
    await trio.sleep(4.0)
    await stage.restart([host], lambda: rules.heed(world, host))
    world.oracle.brought_back(tokens)
    await stage.rest()
    _expect_kept(stage, path, tokens)
    (host.disk.path / "notes").chmod(0)
    host.locked = "notes"
    world.note(f"{host.name} cannot read notes")
    await stage.restart([host])
    await trio.sleep(6.0)
    _expect_kept(stage, path, tokens, at_all=False)
    (host.disk.path / "notes").chmod(0o755)
    host.locked = ""
    world.note(f"{host.name} can read notes again")
    await stage.restart([host])
    await stage.rest()
    _expect_kept(stage, path, tokens)


def _expect_kept(stage: Stage, path: str, tokens: set[str], *, at_all: bool = True) -> None:
    for people in (stage.one, stage.other) if at_all else (stage.other,):
        data = people.host.disk.contents().get(path, b"")
        stage.expect(tokens <= tokens_in(data), f"{path}, which nobody deleted, is gone from {people.host.name}")


async def the_root_is_gone(world: World) -> None:
    """The marker is away for a while and somebody works there: nothing of the folder was deleted."""
    stage = Stage(world)
    path = await stage.file()
    host = stage.one.host
    tokens = tokens_in(peek(host.disk.path / path))
    aside = host.base / "aside-scene"
    host.is_away = True
    REAL.rename(host.disk.path, aside)
    REAL.mkdir(host.disk.path)
    world.note(f"{host.name} has an empty directory in the place of its folder")
    await stage.restart([host])
    theirs = stage.add(stage.other, path)
    await trio.sleep(6.0)
    _expect_kept(stage, path, tokens, at_all=False)
    for left in sorted(host.disk.path.rglob("*"), reverse=True):
        (REAL.rmdir if left.is_dir() else REAL.unlink)(left)
    REAL.rmdir(host.disk.path)
    REAL.rename(aside, host.disk.path)
    world.note(f"{host.name} has its folder again")
    await host.looks_again()
    host.is_away = False
    await stage.rest()
    _expect_kept(stage, path, tokens | {theirs})


async def a_directory_in_the_place_of_a_file(world: World) -> None:
    """Somebody removes a file and makes a directory of its name, and the reverse."""
    stage = Stage(world)
    path = await stage.file()
    root = stage.other.host.disk.path
    stage.other._unlink(path)
    line = stage.other._line()
    (token,) = tokens_in(line.encode())
    stage.other._write(f"{path}/inner.txt", line.encode(), in_place=True)
    world.note(f"{stage.other.host.name} makes a directory {path}")
    await trio.sleep(4.0)
    await stage.rest()
    stage.expect_only_in(f"{path}/inner.txt", token)
    stage.other._unlink(f"{path}/inner.txt")
    REAL.rmdir(root / path)
    stage.other.host.disk.changed()
    line = stage.other._line()
    (token,) = tokens_in(line.encode())
    stage.other._write(path, line.encode(), in_place=True)
    await trio.sleep(4.0)
    await stage.rest()
    stage.expect_only_in(path, token)


async def a_file_that_is_held_open(world: World) -> None:
    """While a program has a file open for writing nothing takes its place, and its device is behind."""
    stage = Stage(world)
    path = await stage.file()
    host = stage.other.host
    with (host.disk.path / path).open("r+b"):  # noqa: ASYNC230
        world.note(f"{host.name} holds {path} open")
        token = stage.add(stage.one, path)
        await _expect_behind(stage, path, token, 4.0)
    await stage.rest()
    stage.expect(stage.has(stage.other, path, token), f"{token} is not in {path}")
    await _what_waits_is_written_there(stage, path)
    marker, kept = host.disk.path / ".yp2p" / "marker", host.base / "marker"
    host.is_away = True
    REAL.rename(marker, kept)
    host.disk.changed()
    world.note(f"{host.name} loses its marker")
    await trio.sleep(3.0)
    token = stage.add(stage.one, path)
    await _expect_behind(stage, path, token, 6.0)
    stage.expect(not host.folder.state.settled, f"{host.name} says that it has settled while its folder is not there")
    REAL.rename(kept, marker)
    host.disk.changed()
    world.note(f"{host.name} has its marker again")
    await host.looks_again()
    host.is_away = False
    await stage.rest()


async def _what_waits_is_written_there(stage: Stage, path: str) -> None:
    """The program that holds a file open writes the very version that waits for it, as a pull does: it comes once."""
    host = stage.other.host
    with (host.disk.path / path).open("r+b") as file:  # noqa: ASYNC230
        token = stage.add(stage.one, path)
        await trio.sleep(3.0)
        file.write(peek(stage.one.host.disk.path / path))
        file.flush()
        host.stamp(file.fileno())
        stage.world.note(f"{host.name} writes the same into {path}")
    await stage.rest()
    stage.expect_once(path, token)


async def _expect_behind(stage: Stage, path: str, token: str, duration_s: float) -> None:
    """As long as the other device has not got a line, nobody says that it has everything."""
    until, entry = trio.current_time() + duration_s, stage.one.host.folder.files.at[path]
    await trio.sleep(1.0)
    while trio.current_time() < until:
        session = _session(stage.one.host, stage.other.host)
        has_it = stage.has(stage.other, path, token)
        if (
            isinstance(session, FolderSession)
            and not has_it
            and (session.agreement.in_sync or entry not in session.agreement.behind)
        ):
            stage.expect(False, f"{stage.other.host.name} is not behind without {token}")
            return
        await trio.sleep(0.2)


def _session(host: Host, other: Host) -> object | None:
    return host.folder.observers.sessions.get(other.identity.device_id)


async def the_past_is_thinned(world: World) -> None:
    """Days pass on a device; a save of a version of before, and a device that was apart, come after that."""
    stage = Stage(world)
    path, second = await stage.file(lines=8), await stage.file()
    host = stage.one.host
    for number in range(3):
        stage.add(stage.one, path, at=number)
        await trio.sleep(1.0)
    await stage.rest()
    buffer = await stage.opened(stage.one, second)
    of_others = stage.add(stage.other, second, at=3)
    await stage.rest()
    stage.cut_off(stage.other.host, 4000.0)
    await trio.sleep(1.0)
    lines = stage.one._read(path).splitlines(keepends=True)
    gone = tokens_in(lines[5].encode())
    world.oracle.taken_out(host, gone, path)
    stage.one._write(path, "".join(lines[:5] + lines[6:]).encode(), in_place=True)
    await trio.sleep(1.0)
    theirs = stage.add(stage.other, path, at=1)
    doomed = "doomed.txt"
    stage.one._write(doomed, stage.one._line().encode(), in_place=True)
    await trio.sleep(4.0)
    stage.one._unlink(doomed)
    await trio.sleep(4.0)
    for _ in range(2):
        await faults.thin_on(world, host)
    stage.heal()
    await stage.rest()
    own, stale = stage.add(stage.one, path), stage.save(stage.one, second, buffer)
    await stage.rest()
    for where, token in ((path, own), (path, theirs), (second, stale), (second, of_others)):
        stage.expect(stage.has(stage.other, where, token), f"{token} is not in {where}")
