"""Scenes about texts: who saves what had been read when, histories that were apart, names that change."""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING

import trio
from simulation import names
from simulation.disk import REAL, peek
from simulation.hooks import as_host
from simulation.people import State, tokens_in
from simulation.stage import Stage

from yp2p.folder.client_ids import fresh_client_id
from yp2p.protocol.clients import Writer
from yp2p.protocol.update_merge import read_blocks

if TYPE_CHECKING:
    from simulation.people import People
    from simulation.world import World


async def stale_editors(world: World) -> None:
    """A save of what was opened before others' change came keeps that; of who has read it, it is an edit."""
    stage = Stage(world)
    path = await stage.file()
    for _ in range(2):
        buffer = await stage.opened(stage.one, path)
        theirs = stage.add(stage.other, path, at=1)
        await stage.rest()
        own = stage.save(stage.one, path, buffer)
        await stage.rest()
        for token in (own, theirs):
            stage.expect(stage.has(stage.other, path, token), f"{token} is not in {path}")
        theirs = stage.add(stage.other, path, at=2)
        await stage.rest()
        lines = (await stage.opened(stage.one, path)).splitlines(keepends=True)
        world.oracle.taken_out(stage.one.host, {theirs}, path)
        stage.save(stage.one, path, "".join(line for line in lines if theirs not in line))
        await stage.rest()
        stage.expect(not stage.has(stage.other, path, theirs), f"{theirs}, which was read and taken out, is back")
    await _one_value_by_two(stage)


async def _one_value_by_two(stage: Stage) -> None:
    """A program that has not read the value that another device wrote writes its own: that stands, and it is told."""
    path = await stage.file()
    lines = (await stage.opened(stage.one, path)).splitlines(keepends=True)
    stage.world.oracle.taken_out(stage.other.host, tokens_in(lines[2].encode()), path)
    for people in (stage.other, stage.one):
        token = stage.world.oracle.fresh()
        lines[2] = f"{token} is the value\n"
        people._write(path, "".join(lines).encode(), in_place=True)
        stage.world.note(f"{people.host.name} writes the value {token} into {path}")
        await stage.rest()
    stage.expect(stage.has(stage.other, path, token), f"{token}, which was written last, is not in {path}")


async def editors_of_moved_files(world: World) -> None:
    """An editor saves under the name at which its file stood, which was renamed or changed places elsewhere."""
    stage = Stage(world)
    path, second = await stage.file(), await stage.file()
    buffer = await stage.opened(stage.one, path)
    stage.other._rename_to(path, f"moved-{path}")
    await stage.rest()
    lines = "".join(stage.other._line() for _ in range(4)).encode()
    stage.other._write(path, lines, in_place=True)
    world.note(f"{stage.other.host.name} makes another {path}: {lines!r}")
    await stage.rest()
    token = stage.save(stage.one, path, buffer)
    await stage.rest()
    stage.expect_only_in(f"moved-{path}", token)
    for token in tokens_in(lines):
        stage.expect_only_in(path, token)
    path = f"moved-{path}"
    buffer = await stage.opened(stage.one, path)
    theirs = stage.add(stage.other, path, at=1) if world.rng.random() < 0.5 else ""
    await stage.rest()
    names.exchange(stage.other, path, second)
    await stage.rest()
    token = stage.save(stage.one, path, buffer)
    await stage.rest()
    stage.expect_only_in(second, token)
    if theirs:
        stage.expect_only_in(second, theirs)


async def texts_apart(world: World) -> None:
    """Two write at the end of one line while they are apart, and elsewhere: nothing is glued, nothing comes twice."""
    stage = Stage(world)
    path = await stage.file(end="the end ")
    for number in range(2):
        stage.cut_off(stage.one.host, 30.0)
        await trio.sleep(1.0)
        tokens = []
        for people in (stage.one, stage.other):
            tokens.append(world.oracle.fresh())
            people._write(path, f"{people._read(path)}{tokens[-1]}".encode(), in_place=True)
            world.note(f"{people.host.name} writes {tokens[-1]} behind {path}")
        lines = [stage.add(stage.one, path, at=0), stage.add(stage.other, path, at=4)]
        await trio.sleep(world.rng.choice((0.5, 3.0, 7.0)))
        stage.heal()
        await stage.rest()
        for token in lines:
            stage.expect_once(path, token)
        for token in tokens:
            text = stage.one._read(path)
            stage.expect(text.count(token) <= 1, f"{token} is {text.count(token)} times in {text!r}")
        _expect_repairs_alike(stage, path)
        stage.one._write(path, f"{stage.one._read(path)}\n".encode(), in_place=True)  # whoever appends begins a line
        await stage.rest()
        if number == 0:
            path = await stage.file(end="another end ")


def _expect_repairs_alike(stage: Stage, path: str) -> None:
    """Devices that meet repair by themselves, each: what they put in at the same place is one operation."""
    host = stage.one.host
    with as_host(host):
        folder = host.folder
        rows = folder.texts.updates(folder.texts.open(folder.catalogue.entries[folder.files.at[path]].document))
    put_in: dict[object, set[int]] = {}
    for block in chain.from_iterable(map(read_blocks, rows)):
        if Writer.of(block.client) is Writer.REPAIR and block.clock == 0:
            put_in.setdefault((block.origin, block.right, block.text()), set()).add(block.client)
    twice = [place for place, clients in put_in.items() if len(clients) > 1]
    stage.expect(not twice, f"several repairs of {path} put in the same: {twice}")


async def the_same_while_stopped(world: World) -> None:
    """The same change and the same new file on several devices while no daemon runs: each is one thing, whatever is
    made of it on either device before they meet."""
    stage = Stage(world)
    path, new = await stage.file(), "new-scene.txt"
    line, text = stage.one._line(), "".join(stage.one._line() for _ in range(4))
    (changed,) = tokens_in(line.encode())
    world.oracle.shared.add(changed)

    def work() -> None:
        for people in (stage.one, stage.other):
            people._write(path, f"{people._read(path)}{line}".encode(), in_place=True)
            people._write(new, text.encode(), in_place=True)
        world.note(f"all write {line!r} into {path} and make {new}: {text!r}")

    stage.cut_off(stage.one.host, 60.0)
    await stage.restart([stage.one.host, stage.other.host], work)
    await trio.sleep(4.0)
    stage.take_out(stage.other, path, changed)
    tokens = [stage.add(stage.one, new, at=0), stage.add(stage.other, new)]
    await trio.sleep(2.0)
    stage.heal()
    await stage.rest()
    stage.expect(not any(stage.homes(changed)), f"{changed}, which was taken out, is in {stage.homes(changed)}")
    for token in (*tokens, *sorted(tokens_in(text.encode()))):
        stage.expect_only_in(new, token)


async def renames_while_others_edit(world: World) -> None:
    """A file is renamed, or copied and removed, while others write into it: that comes to it under its new name."""
    stage = Stage(world)
    for by_copy in (False, True):
        path = await stage.file()
        other_name = f"renamed-{path}"
        async with stage.apart(settle_s=6.0):
            token = stage.add(stage.other, path)
            if by_copy:
                _copy_and_remove(stage.one, path, other_name)
            else:
                stage.one._rename_to(path, other_name)
        stage.expect_only_in(other_name, token)
        names.swap_while_others_edit(world)
        await stage.rest()


def _copy_and_remove(people: People, path: str, target: str) -> None:
    """As `mv` to another file system and back: the file has another inode."""
    root = people.host.disk.path
    data = peek(root / path)
    people.world.oracle.apart |= tokens_in(data)
    (root / target).write_bytes(data)
    people.host.disk.changed()
    REAL.unlink(root / path)
    people.host.disk.changed()
    people.world.moved |= {path, target}
    people.world.note(f"{people.host.name} copies {path} to {target} and removes it")


async def other_names_outside(world: World) -> None:
    """A file has another name outside of the folder; once it was replaced, what is written there is none of ours."""
    stage = Stage(world)
    path = await stage.file()
    host = stage.one.host
    outside = host.base / "outside"
    outside.mkdir(exist_ok=True)
    for number in range(2):
        target = outside / f"scene{number}"
        REAL.link(host.disk.path / path, target)
        world.note(f"{host.name} links {path} to a name outside the folder")
        if world.rng.random() < 0.5:
            await stage.restart([host])
        stage.add(stage.other, path)
        await stage.rest()
        token = world.oracle.fresh()
        world.oracle.tokens[token] = State.NEVER
        world.oracle.outside.setdefault(host.name, set()).add(token)
        with target.open("ab") as file:
            file.write(f"{token} from outside\n".encode())
            file.flush()
            host.stamp(file.fileno())
        world.note(f"{host.name} writes {token} to the name outside")
        await trio.sleep(world.rng.choice((1.0, 70.0)))
        await stage.rest()
    await stage.restart([host])
    await stage.rest()


async def two_with_one_client_id(world: World) -> None:
    """Two machines go on from one image of a running one: what they write apart has the same names."""
    stage = Stage(world)
    own, fork = fresh_client_id(), fresh_client_id()
    for people in (stage.one, stage.other):
        assert people.host.device is not None
        clients = people.host.device.home.clients
        clients.own, clients.fork, clients.ids = own, fork, clients.ids | {own, fork}
    path = await stage.file()
    async with stage.apart(settle_s=6.0):
        tokens = []
        for people in (stage.one, stage.other):
            tokens.append(world.oracle.fresh())
            people._write(path, f"{people._read(path)}{tokens[-1]} alike\n".encode(), in_place=True)
            world.note(f"{people.host.name} writes {tokens[-1]} into {path}")
    for people in (stage.one, stage.other):
        await stage.restart([people.host])
    await stage.rest()


async def late_saves(world: World) -> None:
    """A program that had a file open while it was replaced writes into the one that is no longer there."""
    stage = Stage(world)
    path = await stage.file()
    for is_text in (True, False, True):
        before = set(stage.temporary(stage.one.host))
        stage.add(stage.other, path, at=1)
        await stage.rest()
        displaced = [file for file in stage.temporary(stage.one.host) if file not in before]
        if not displaced:
            continue
        token = world.oracle.fresh()
        data = f"{token} late\n".encode() if is_text else b"\xff\xfe" + token.encode()
        world.oracle.tokens[token] = State.THERE if is_text else State.EITHER
        with displaced[-1].open("ab") as file:
            file.write(data)
            file.flush()
            stage.one.host.stamp(file.fileno())
        world.note(f"{stage.one.host.name} writes {data!r} into what {path} was")
        await trio.sleep(world.rng.choice((3.0, 70.0)))
        await stage.rest()
        if is_text:
            stage.expect(stage.has(stage.other, path, token), f"{token}, saved late, is not in {path}")
        else:
            trash = tokens_in(b"".join(map(peek, stage.one.host.trash())))
            stage.expect(token in trash, f"{token}, saved late, is not in the trash")


async def saves_into_an_exchange(world: World) -> None:
    """Somebody saves while a file is about to be replaced: at the last moment before it is looked at, and after."""
    stage = Stage(world)
    path = await stage.file()
    for kind in ("fdatasync", "rename", "fdatasync", "rename"):
        tokens: list[str] = []
        host = stage.one.host
        is_by_name = kind == "rename"  # whoever writes into it would wait for the daemon

        def save(tokens: list[str] = tokens, in_place: bool = not is_by_name) -> None:
            tokens.append(stage.add(stage.one, path, in_place=in_place))

        host.interrupt(kind, world.rng.randint(1, 2), save)
        theirs = stage.add(stage.other, path, at=0)
        await stage.rest()
        host.interrupt("", 0, save)
        for token in (theirs, *tokens):
            stage.expect(stage.has(stage.other, path, token), f"{token} is not in {path}")
            stage.expect(stage.has(stage.one, path, token), f"{token} is not in {path}")


def modified_as_before(people: People, path: str, status: os.stat_result) -> None:
    """Two writes may have one time."""
    REAL.utime(people.host.disk.path / path, ns=(status.st_atime_ns, status.st_mtime_ns))
