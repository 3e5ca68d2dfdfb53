"""Everybody in one file: editors with y-websocket, a program of ours and an editor of the disk, on two devices.

Each edit writes a word that is nowhere else, and takes out one of the characters that are there to be taken out. So in
the end each word is there, whatever reconnected, restarted or read late, and all have the same text.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import trio
from lab import Device, devices, eventually
from yjs.node import Node, stock_clients

from yp2p.client import Device as Program
from yp2p.client import File

# `make yjs-long` has 10,000 and ten minutes.
EDITS = int(os.environ.get("YP2P_YJS_EDITS", "200"))
# Editors in a browser that is none take ten milliseconds of a core for each edit of anybody: on a machine that has ten
# times as much to do, hours, and that is no fault.
TYPING_LIMIT_S = 300.0 + EDITS
IDLE_S = float(os.environ.get("YP2P_YJS_IDLE_S", "0"))
SAVE_S = 0.5
TEXT = "a😀b\nline two\n"
_FILLINGS = "😀👍漢é·"
_FILLING = re.compile(r"[^\x00-\x7f]")
_WORD = re.compile(r"<[^<>\n]*>")
_REST_LIMIT_S = 120.0

pytestmark = [pytest.mark.yjs, pytest.mark.timeout(600 + 2 * int(TYPING_LIMIT_S))]


@pytest.fixture
def node() -> Iterator[Node]:
    with stock_clients() as clients:
        yield clients


@pytest.fixture(scope="module")
def two_devices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Device, Device]]:
    with devices(tmp_path_factory.mktemp("everybody"), "one", "two") as (one, two):
        (one.dir / "notes").mkdir()
        two.join(one)
        for device in (one, two):
            device.wait()
        yield one, two


_numbers = itertools.count()


@pytest.fixture
def path(two_devices: tuple[Device, Device]) -> str:
    """A text of its own for each test, on both devices."""
    name = f"notes/{next(_numbers)} %.md"
    (two_devices[0].dir / name).write_text(TEXT)
    there = two_devices[1].dir / name
    eventually(lambda: there.exists() and there.read_text() == TEXT, _REST_LIMIT_S, f"{name} being on both devices")
    return name


def _room(device: Device, file: str) -> str:
    return f"{device.dir.name}/{quote(file)}"


def _edited(text: str, word: str, rng: random.Random) -> str:
    """A line with a word of its own, and one of the other characters less."""
    lines = text.splitlines(keepends=True)
    lines.insert(rng.randint(0, len(lines)), f"<{word}> {rng.choice(_FILLINGS)} {rng.choice(_FILLINGS)}\n")
    text = "".join(lines)
    others = [found.start() for found in _FILLING.finditer(text)]
    gone = rng.choice(others)
    return text[:gone] + text[gone + 1 :]


async def _program(file: File, edits: int) -> None:
    rng = random.Random(1)
    for number in range(edits):
        text = str(file)
        starts = [0, *(at + 1 for at, character in enumerate(text) if character == "\n")]
        at = rng.choice(starts)
        file.insert(at, f"<program.{number}> {rng.choice(_FILLINGS)} {rng.choice(_FILLINGS)}\n")
        others = [found.start() for found in _FILLING.finditer(str(file))]
        gone = rng.choice(others)
        file.delete(gone, gone + 1)
        await trio.sleep(rng.random() * 0.02)  # the pace of who types


def _disk_editor(place: Path, edits: int) -> None:
    """Saves as editors do, whatever came meanwhile: in place, and by a new file that takes the place."""
    rng = random.Random(2)
    for number in range(edits):
        text = _edited(place.read_text(), f"disk.{number}", rng)
        if number % 2:
            place.write_text(text)
        else:
            new = place.with_name(".new~")
            new.write_text(text)
            new.rename(place)
        time.sleep(SAVE_S)  # the pace of who saves


async def _until(
    condition: Callable[[], bool], limit_s: float = 45.0, what: str | Callable[[], str] = "the condition"
) -> None:
    """Wait until it holds, while other tasks go on."""
    await trio.to_thread.run_sync(eventually, condition, limit_s, what)


async def _until_typed(process: Node, name: str, edits: int) -> None:
    def typed() -> int:
        return int(process.ask("progress", name=name)["typed"])  # asked all the time: all of a text is a lot then

    await _until(
        lambda: typed() == edits, TYPING_LIMIT_S, lambda: f"{name} having typed {edits} edits, and not {typed()},"
    )


def _until_equal(texts: dict[str, object], what: str) -> str:
    def found() -> list[str]:
        return [str(one() if callable(one) else one) for one in texts.values()]

    eventually(lambda: len(set(found())) == 1, _REST_LIMIT_S, what)
    return found()[0]


def test_everybody_has_the_same_and_nothing_is_lost(node: Node, two_devices: tuple[Device, Device], path: str) -> None:
    one, two = two_devices
    saves = EDITS // 20
    each = (EDITS - saves) // 4
    words = Counter(
        [f"<{name}.{number}>" for name in ("A", "B", "late", "program") for number in range(each)]
        + [f"<disk.{number}>" for number in range(saves)]
    )

    async def test(late: Node) -> None:
        node.open(one, path, "A", room=_room(one, path), editor=True)
        node.open(two, path, "B", room=quote(f"{two.dir.name}/{path}", safe=""), root="codemirror", editor=True)
        late.open(one, path, "late", room=_room(one, path), root="quill")
        program = Program(two.home / "control.sock")
        async with program.open(two.dir / path) as file, trio.open_nursery() as nursery:
            for process, name in ((node, "A"), (node, "B"), (late, "late")):
                await _until(lambda process=process, name=name: process.ask("progress", name=name)["synced"])
                process.ask("type", name=name, edits=each, pause=10)
            nursery.start_soon(_program, file, each)
            nursery.start_soon(trio.to_thread.run_sync, _disk_editor, one.dir / path, saves)
            nursery.start_soon(_disturb, node, late, one)
            file.set_awareness("the program", file.position(0))
            for process, name in ((node, "A"), (node, "B"), (late, "late")):
                await _until_typed(process, name, each)
        async with program.open(two.dir / path) as file:
            everybody = {
                "A": lambda: node.text("A"),
                "what A shows": lambda: node.ask("look", name="A")["shown"],
                "B": lambda: node.text("B"),
                "what B shows": lambda: node.ask("look", name="B")["shown"],
                "late": lambda: late.text("late"),
                "program": lambda: trio.from_thread.run_sync(str, file),
                "disk of one": lambda: (one.dir / path).read_text(),
                "disk of two": lambda: (two.dir / path).read_text(),
            }
            text = await trio.to_thread.run_sync(_until_equal, everybody, "all texts being equal")
        found = Counter(_WORD.findall(text))
        assert not words - found, f"lost: {sorted((words - found).elements())[:10]}"
        # Where both devices moved a block, and one of them changed it, it stands in both places, which `yp2p notices`
        # tells: of ten thousand such edits that were merged as texts one came twice.
        twice = sorted((found - words).elements())
        assert len(twice) <= len(words) // 100, f"more than once: {twice[:10]}"
        for name in ("A", "B"):
            look = node.ask("look", name=name)
            assert (look["closed"], look["denied"]) == (None, [])

    with stock_clients() as late:
        trio.run(test, late)


async def _disturb(node: Node, late: Node, one: Device) -> None:
    """Reconnects, a reader that reads nothing for a while, and a daemon that stops, and one that is killed."""
    pause_s = EDITS / 500
    for number in range(4):
        await trio.sleep(pause_s)
        await trio.to_thread.run_sync(lambda: late.ask("sleep", ms=1500))
        name = "AB"[number % 2]
        node.ask("disconnect", name=name)
        await trio.sleep(0.3)
        node.ask("connect", name=name)
        if number % 2:
            await trio.to_thread.run_sync(one.kill if number == 1 else one.stop)
            await trio.to_thread.run_sync(one.start)


def test_everybody_sees_everybody(node: Node, two_devices: tuple[Device, Device], path: str) -> None:
    one, two = two_devices
    node.open(one, path, "A", room=_room(one, path), editor=True)
    node.open(two, path, "B", room=_room(two, path), root="codemirror", editor=True)
    for name in "AB":
        eventually(lambda name=name: node.ask("look", name=name)["shown"] == TEXT)  # type: ignore[misc]

    async def test() -> None:
        async with Program(two.home / "control.sock").open(two.dir / path) as file:
            file.set_awareness("the program", file.position(5))
            node.ask("splice", name="A", at=0, remove=0, insert="x")
            node.ask("splice", name="B", at=14, remove=0, insert="y\n")  # at the end, where a position names the root
            with trio.fail_after(20):
                while {other.get("name") for other in file.awareness} != {"person A", "person B"}:
                    await file.changed()
            for name, others in (("A", ["person B", "the program"]), ("B", ["person A", "the program"])):
                await _until(
                    lambda name=name, others=others: sorted(node.ask("look", name=name)["carets"]) == others, 20
                )
            node.ask("destroy", name="A")
            with trio.fail_after(20):
                while {other.get("name") for other in file.awareness} != {"person B"}:
                    await file.changed()

    trio.run(test)


@pytest.mark.parametrize("kind", ["hocuspocus", "version 4"])
def test_other_providers_take_part(node: Node, two_devices: tuple[Device, Device], path: str, kind: str) -> None:
    one, two = two_devices
    room = f"{one.dir.name}/{path if kind == 'hocuspocus' else quote(path)}"
    node.open(one, path, "other", room=room, kind=kind)
    node.open(two, path, "stock", room=_room(two, path))
    for name in ("other", "stock"):
        eventually(lambda name=name: node.text(name) == TEXT, what=name)  # type: ignore[misc]
    node.ask("splice", name="other", at=0, remove=1, insert="from the other 👍🏽 ")
    node.ask("splice", name="stock", at=4, remove=0, insert="from the stock one ")
    for device in two_devices:
        eventually(lambda device=device: "the other 👍🏽 " in (device.dir / path).read_text())  # type: ignore[misc]
    one.kill()
    node.ask("splice", name="other", at=0, remove=0, insert="while away ")
    (two.dir / "notes" / "b.md").write_text("another one\n")
    one.start()
    for device in two_devices:
        eventually(lambda device=device: "while away " in (device.dir / path).read_text())  # type: ignore[misc]

    def texts() -> set[str]:
        disks = {(device.dir / path).read_text() for device in two_devices}
        return {node.text("other"), node.text("stock"), *disks}

    eventually(lambda: len(texts()) == 1, what=lambda: f"one text of {texts()}")
    for name in ("other", "stock"):
        expected = [f"person {'stock' if name == 'other' else 'other'}"]
        eventually(
            lambda name=name, expected=expected: _people(node, name) == expected, what=f"{name} seeing the other"
        )  # type: ignore[misc]
    if kind == "hocuspocus":
        eventually(lambda: node.ask("look", name="other")["unsynced"] == 0, what="it being shown as saved")
        eventually(lambda: (one.dir / "notes" / "b.md").exists(), what="the other file having come")
        node.open(one, path, "second", room=f"{one.dir.name}/notes/b.md", kind=kind)  # over the same connection
        eventually(lambda: node.text("second") == "another one\n")
        node.open(one, path, "none", room=f"{one.dir.name}/none.md", kind=kind)
        eventually(lambda: "none.md" in "".join(node.ask("look", name="none")["denied"]))
        node.ask("splice", name="second", at=0, remove=0, insert="NUL \0")
        eventually(lambda: "NUL" in "".join(node.ask("look", name="second")["denied"]))
        eventually(lambda: node.text("second") == "another one\n")


def _people(node: Node, name: str) -> list[str]:
    return [state["user"]["name"] for state in node.ask("look", name=name)["others"].values()]


@pytest.mark.skipif(not IDLE_S, reason="YP2P_YJS_IDLE_S=0")
def test_who_does_nothing_stays_connected(node: Node, two_devices: tuple[Device, Device], path: str) -> None:
    one, _ = two_devices
    node.open(one, path, "A", room=_room(one, path))
    node.open(one, path, "B", room=_room(one, path), kind="version 4")
    node.open(one, path, "C", room=f"{one.dir.name}/{path}", kind="hocuspocus")
    for name in "ABC":
        eventually(lambda name=name: bool(node.text(name)))  # type: ignore[misc]
    time.sleep(IDLE_S)  # what is measured
    for name in "ABC":
        look = node.ask("look", name=name)
        assert (look["connects"], look["closed"]) == (1, None)
    node.ask("splice", name="A", at=0, remove=0, insert="still here ")
    eventually(lambda: (one.dir / path).read_text().startswith("still here "))
