"""Scenes about devices: who joins, who relays, whose store goes back, whose machine is copied, whose blobs meet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import trio
from simulation import faults
from simulation.disk import REAL, peek
from simulation.hooks import as_host, current_host
from simulation.people import State, tokens_in
from simulation.stage import Stage

from yp2p.documents.diff import Hunk
from yp2p.documents.registers import OWNER_BYTES, Claim
from yp2p.documents.text import TextReplica
from yp2p.folder.own_statements import OwnStatements
from yp2p.protocol.ysync import Shape, check

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.people import People
    from simulation.world import World

# Twice as long as it takes at most until devices that have nothing to say say that.
_QUIET_S = 65.0
# What is relayed at once needs no longer, on slow links and with slow stores.
_RELAYED_S = 4.0
_SAYS_WHOSE = re.compile(r"twice\.conflict-h[0-9]+-[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9a-f]{8}\.")


async def a_joiner_with_the_same_files(world: World) -> None:
    """Whoever joins with the same files gets none of them."""
    stage = Stage(world)
    for _ in range(3):
        await stage.file()
    files = {path: data for path, data in stage.one.host.disk.contents().items() if path.startswith("scene")}
    host = world.add_host(f"h{len(world.hosts)}")
    for path, data in files.items():
        world.people[host.name]._write(path, data, in_place=True)
    before = world.reached["local files are reused at joining"], world.reached["documents are pulled"]
    await world.join(host, stage.one.host)
    await stage.rest()
    after = world.reached["local files are reused at joining"], world.reached["documents are pulled"]
    world.note(f"before and after joining: {before}, {after}")
    texts = [path for path in stage.one.host.disk.contents() if path.endswith((".txt", ".md"))]
    most = len(texts) - len(files) + 1
    stage.expect(after[1] - before[1] <= most, f"{after[1] - before[1]} documents were sent to {host.name}")
    for path, data in files.items():
        stage.expect(peek(host.disk.path / path) == data, f"{path} is another on {host.name}")


async def a_store_goes_back(world: World) -> None:
    """A device gets its store back from a backup, and goes on at once."""
    stage = Stage(world)
    path = await stage.file()
    host = stage.one.host
    stage.add(stage.one, path, at=0)
    await stage.rest()
    backup, before = host.base / "scene.db", _doubled_names(world)
    host.copy_store(backup)
    stage.add(stage.one, path, at=1)
    await stage.rest()
    stage.cut_off(host, 20.0)
    await host.stop()
    world.note(f"{host.name} gets its store back from a backup")
    host.store.unlink()
    backup.rename(host.store)
    host.forget_watching()
    world.oracle.store_went_back()
    stage.one.made_apart(b"".join(host.disk.contents().values()))
    await host.start()
    await trio.sleep(6.0)  # the files have been looked at
    own = stage.add(stage.one, path, at=2)
    await trio.sleep(0.5)
    theirs = stage.add(stage.other, path, at=3)
    await trio.sleep(6.0)
    stage.heal()
    await stage.rest()
    for token in (own, theirs):
        stage.expect_once(path, token)
    stage.expect(_doubled_names(world) == before, "two operations had one name")


def _doubled_names(world: World) -> int:
    return world.reached["documents_diverged"] + world.reached["client_id_renewed"]


async def a_line_of_devices(world: World) -> None:
    """Three in a line: what the first writes is at the last one in a moment, by who is between them."""
    stage = Stage(world)
    path = await stage.file()
    last = world.people[world.hosts[-1].name]
    for number in range(4):
        writer, reader = (stage.one, last) if number % 2 == 0 else (last, stage.one)
        before = world.reached["an edit is relayed"]
        token = stage.add(writer, path)
        await trio.sleep(_RELAYED_S)
        stage.expect(stage.has(reader, path, token), f"{token} took too long to {reader.host.name}")
        if number > 1:  # the first ones open the channels
            stage.expect(world.reached["an edit is relayed"] > before, f"{token} was not relayed to {reader.host.name}")
        await stage.rest()


async def links_that_were_cut(world: World) -> None:
    """A device comes back under a new link before the others have noticed that the old one is gone."""
    stage = Stage(world)
    path = await stage.file()
    for host in (stage.one.host, stage.other.host, stage.one.host):
        host.disk.record()
        host.disk.synchronised()
        await stage.cut_power(host)
        await trio.sleep(1.0)
        token = stage.add(stage.other if host is stage.one.host else stage.one, path, at=0)
        await trio.sleep(world.rng.uniform(4.0, 8.0))
        await stage.rest()
        for people in (stage.one, stage.other):
            stage.expect(stage.has(people, path, token), f"{token} is not in {path}")
    before = world.reached["what there is is announced"]
    await trio.sleep(_QUIET_S)
    announced = world.reached["what there is is announced"] - before
    stage.expect(announced >= 2, f"in {_QUIET_S:.0f} quiet seconds it was announced {announced} times what there is")


async def a_machine_is_copied(world: World) -> None:
    """A disk image of a device runs on a second machine; both work."""
    stage = Stage(world)
    path = await stage.file()
    await faults.clone(world)
    clone = world.people.get("clone")
    if clone is None:
        return
    await clone.host.start()
    for number in range(3):
        for people in (stage.one, clone):
            stage.add(people, path, at=number)
            await trio.sleep(world.rng.uniform(0.0, 5.0))
    await stage.rest()
    stage.expect(world.reached["device_cloned"] > 0, "nobody has seen that two machines have one key")


async def blobs_apart(world: World) -> None:
    """Blobs that two replace apart stand side by side; one that was replaced in turn stands alone."""
    stage = Stage(world)
    path = await stage.blob()
    for people in (stage.one, stage.other, stage.one):
        token = stage.put_blob(people, path)
        await trio.sleep(1.0)
        await stage.rest()
        stage.expect_only_in(path, token)
    beside = [name for name in stage.one.host.disk.contents() if name.startswith("scene") and ".conflict-" in name]
    stage.expect(not beside, f"{beside} stand beside a blob that nobody changed apart")
    async with stage.apart():
        tokens = [stage.put_blob(people, path) for people in (stage.one, stage.other)]
    for token in tokens:
        stage.expect(all(stage.homes(token)), f"the blob with {token} is lost")
    await _put_aside_by_two(stage)


async def _put_aside_by_two(stage: Stage) -> None:
    """Two devices make one change of a blob while a third one makes another, which gets the name: there is one copy."""
    path = await stage.blob()
    everybody = [stage.one, stage.other, stage.world.people[stage.world.hosts[2].name]]
    odd = max(everybody, key=lambda people: people.host.folder.clients.own)
    same, too = (people for people in everybody if people is not odd)
    stage.cut_off(stage.other.host, 30.0)
    async with stage.apart():
        tokens = [stage.put_blob(odd, path), stage.put_blob(same, path)]
        too._write(path, same.host.disk.contents()[path], in_place=False)
        stage.world.note(f"{too.host.name} makes the same of it as {same.host.name}")
    for token in tokens:
        homes = stage.homes(token)
        stage.expect(all(len(found) == 1 for found in homes), f"the blob with {token} is in {homes}")


async def deleted_while_others_replace(world: World) -> None:
    """Blobs are deleted while others, who are apart, replace them: what was saved comes back."""
    stage = Stage(world)
    paths = [await stage.blob() for _ in range(4)]
    async with stage.apart():
        tokens = []
        for path in paths:
            tokens.append(stage.put_blob(stage.one, path))
            stage.put_blob(stage.other, path)
            await trio.sleep(1.0)
            stage.other._unlink(path)
    for token in tokens:
        stage.expect(all(stage.homes(token)), f"the blob with {token}, saved while others deleted, is lost")
    await _deleted_by_both(stage)


async def _deleted_by_both(stage: Stage) -> None:
    """One makes a blob of a text and deletes that, the other one deletes the text: it is gone, and nobody asks for what
    was in it."""
    paths = [await stage.file() for _ in range(2)]
    async with stage.apart():
        for path, one, other in zip(paths, (stage.one, stage.other), (stage.other, stage.one), strict=True):
            stage.put_blob(one, path)
            other._unlink(path)
            await trio.sleep(4.0)  # the blob was looked at
            one._unlink(path)
    for path in paths:
        left = [host.name for host in stage.world.hosts if path in host.disk.contents()]
        stage.expect(not left, f"{path}, which both deleted, is on {left}")


async def the_same_name_twice(world: World) -> None:
    """Two make different texts and blobs of one name while apart: both stay, under the same names everywhere."""
    stage = Stage(world)
    async with stage.apart():
        tokens: list[str] = []
        for people in (stage.one, stage.other):
            text = "".join(people._line() for _ in range(4))
            people._write("twice.txt", text.encode(), in_place=True)
            tokens += [*tokens_in(text.encode()), stage.put_blob(people, "twice.bin")]
    for token in tokens:
        stage.expect(all(stage.homes(token)), f"{token} is lost")
    beside = [name for name in stage.one.host.disk.contents() if name.startswith("twice.c")]
    stage.expect(len(beside) == 2, f"{beside} stand beside what two have made")
    for name in beside:
        stage.expect(_SAYS_WHOSE.match(name) is not None, f"{name} does not say whose it is")
    await _made_again_by_both(stage)


async def _made_again_by_both(stage: Stage) -> None:
    """A deleted text is made again on both at about the same time, as by two checkouts: it comes once, and alone."""
    for _ in range(4):
        path = await stage.file()
        stage.other._unlink(path)
        await trio.sleep(4.0)
        await stage.rest()
        text = "".join(stage.one._line() for _ in range(4))
        for people in (stage.one, stage.other):
            people._write(path, text.encode(), in_place=True)
            stage.world.note(f"{people.host.name} makes {path} again: {text!r}")
            await trio.sleep(stage.world.rng.uniform(0.0, 0.4))
        await trio.sleep(4.0)
        await stage.rest()
        beside = [name for name in stage.one.host.disk.contents() if name.startswith(path.removesuffix(".txt") + ".c")]
        stage.expect(not beside, f"{beside} stand beside {path}, which both made again")
        for token in sorted(tokens_in(text.encode())):
            stage.expect_once(path, token)


async def a_lost_device(world: World) -> None:
    """A device is lost and removed. One that was away meets it first, and works on: only that lasts.

    The lost one also writes in the name of the one that removed it, without that one's signature.
    """
    stage = Stage(world)
    keeper, lost, away = (world.people[host.name] for host in world.hosts)
    path, deleted, renamed = [await stage.file() for _ in range(3)]
    blob = await stage.blob()
    before = {name: peek(keeper.host.disk.path / name) for name in (path, deleted, renamed, blob)}
    stage.cut_off(keeper.host, 600.0)
    token = current_host.set(keeper.host)
    await OwnStatements(keeper.host.folder.membership).remove(lost.host.identity.device_id)
    current_host.reset(token)
    world.note(f"{keeper.host.name} removes {lost.host.name}")
    written = [stage.add(lost, path, at=0), stage.put_blob(lost, blob)]
    world.oracle.brought_back(tokens_in(before[blob]))
    await trio.sleep(world.rng.uniform(0.0, 3.0))
    forged = lost._line()
    _write_as(keeper, lost, path, forged)
    await trio.sleep(world.rng.uniform(1.0, 3.0))
    lines = lost._read(path).splitlines(keepends=True)
    lost._write(path, "".join(lines[:-1]).encode(), in_place=True)
    lost._write("of-a-thief.txt", (line := lost._line()).encode(), in_place=True)
    REAL.unlink(lost.host.disk.path / deleted)
    REAL.rename(lost.host.disk.path / renamed, lost.host.disk.path / "renamed.txt")
    lost.host.disk.changed()
    with trio.move_on_after(60):
        while not {"of-a-thief.txt", "renamed.txt"} <= away.host.disk.contents().keys():
            await trio.sleep(0.1)
    own = [stage.add(away, path, at=3)]
    own += tokens_in((new := away._line()).encode())
    away._write("of-the-one-away.txt", new.encode(), in_place=True)
    await trio.sleep(world.rng.uniform(1.0, 6.0))
    await lost.host.stop()
    world.hosts.remove(lost.host)
    del world.people[lost.host.name]
    for one in (*written, *tokens_in(line.encode()), *tokens_in(forged.encode())):
        world.oracle.tokens[one] = State.NEVER
    if world.rng.random() < 0.5:
        await stage.restart([away.host])
    stage.heal()
    await stage.rest()
    for people in (keeper, away):
        files = people.host.disk.contents()
        for name in (deleted, renamed, blob):
            stage.expect(files.get(name) == before[name], f"{name} is {files.get(name)!r} on {people.host.name}")
        for one in own:
            stage.expect(any(one.encode() in data for data in files.values()), f"{one} is not on {people.host.name}")
        kept = [line for line in files[path].splitlines(keepends=True) if own[0].encode() not in line]
        stage.expect(b"".join(kept) == before[path], f"{path} is {files[path]!r} on {people.host.name}")
    stage.expect(world.reached["changes_taken_back"] > 0, "nothing was taken back")


async def two_remove_each_other(world: World) -> None:
    """Two remove each other while all three are apart. All agree on who is out: who was heard first by the third stays.

    What the one that is out did meanwhile lasts nowhere; what the others did is on both of them.
    """
    stage = Stage(world)
    everybody = [world.people[host.name] for host in world.hosts]
    third = everybody.pop(world.rng.randrange(3))
    path = await stage.file()
    for people in everybody:
        stage.cut_off(people.host, 600.0)
    await trio.sleep(1.0)
    written = {people.host.name: _works_apart(stage, people, path) for people in (*everybody, third)}
    for people, other in zip(everybody, reversed(everybody), strict=True):
        await _remove(people, other)
    await trio.sleep(world.rng.uniform(0.0, 6.0))
    first = world.rng.choice((everybody[1], everybody[1], everybody[0], None))  # the older one stays where it is equal
    if first is not None:
        world.network.unblock(first.host.name, third.host.name)
        (other,) = (people for people in everybody if people is not first)
        await _until(lambda: not _takes_part(third, other))
        await trio.sleep(_QUIET_S)  # that the third one has heard of it is known there as well
    stage.heal()
    out = await _until_one_is_out(everybody, third)
    stage.expect(out is not None, "it is not agreed on which of two is out that removed each other")
    stage.expect(first is None or first is not out, f"{out and out.host.name} is out, which was heard first")
    if out is None:
        return
    await out.host.stop()
    world.hosts.remove(out.host)
    del world.people[out.host.name]
    for token in written.pop(out.host.name):
        world.oracle.tokens[token] = State.NEVER
    await stage.rest()
    for host in world.hosts:
        texts = b"".join(host.disk.contents().values())
        for token in (token for tokens in written.values() for token in tokens):
            stage.expect(token.encode() in texts, f"{token} is not on {host.name}")


def _works_apart(stage: Stage, people: People, path: str) -> list[str]:
    """Somebody writes into a text and makes another; gives the tokens."""
    line = people._line()
    people._write(f"of-{people.host.name}.txt", line.encode(), in_place=True)
    stage.world.note(f"{people.host.name} makes a text: {line!r}")
    return [stage.add(people, path), *tokens_in(line.encode())]


async def _remove(people: People, other: People) -> None:
    people.world.note(f"{people.host.name} removes {other.host.name}")
    token = current_host.set(people.host)
    await OwnStatements(people.host.folder.membership).remove(other.host.identity.device_id)
    current_host.reset(token)


def _takes_part(people: People, other: People) -> bool:
    """Whether a device is a member, as people have heard on theirs."""
    return other.host.identity.device_id in people.host.folder.membership.members


async def _until(holds: Callable[[], bool], limit_s: float = 180.0) -> bool:
    with trio.move_on_after(limit_s):
        while not holds():
            await trio.sleep(0.5)
        return True
    return False


async def _until_one_is_out(both: list[People], third: People) -> People | None:
    """Which of two is out, once all three devices agree on that."""

    def found() -> list[People]:
        return [one for one in both if not any(_takes_part(people, one) for people in (*both, third))]

    def stay() -> list[People]:
        return [one for one in both if all(_takes_part(people, one) for people in (*both, third))]

    await _until(lambda: len(found()) == len(stay()) == 1)
    return found()[0] if len(found()) == len(stay()) == 1 else None


def _write_as(owner: People, people: People, path: str, line: str) -> None:
    """A patched program of a device writes the first line of a text with a client ID of which it says whose it is."""
    host, client = people.host, people.world.rng.getrandbits(31) + 1
    people.world.note(f"{host.name} writes {line!r} into {path} as {owner.host.name}")
    with as_host(host):
        folder = host.folder
        document = folder.catalogue.entries[folder.files.at[path]].document
        folder.catalogue.write([Claim(client, owner.host.identity.device_id[:OWNER_BYTES], bytes(64))])
        replica = TextReplica.from_updates(client, [folder.texts.state(document)])
        assert replica.edit([Hunk(0, 0, line)]) is not None
        folder.edits.accept(folder.texts.open(document), check(replica.state(), Shape.TEXT), None)
