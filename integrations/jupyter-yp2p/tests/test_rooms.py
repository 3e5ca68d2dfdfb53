"""What is typed in a room is in the file on both devices, and what the other device saves is in the room."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import nbformat
from conftest import TEXT
from lab import Device

LIMIT_S = 60.0


async def until(condition: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(LIMIT_S):
            while not condition():  # noqa: ASYNC110 (files are looked at)
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{what} did not become true") from None


async def room_of(server: Any, path: str, kind: str = "file") -> Any:
    (extension,) = server.extension_manager.extension_apps["jupyter_server_ydoc"]
    file_format = "json" if kind == "notebook" else "text"
    document = await extension.get_document(
        path=path, content_type=kind, file_format=file_format, copy=False, create=True
    )
    return next(room for room in extension.ywebsocket_server.rooms.values() if room._document is document)


def is_live(room: Any) -> bool:
    return type(room._file).__name__ == "CoupledLoader"


async def test_a_text_is_live_both_ways(jp_serverapp: Any, two_devices: tuple[Device, Device]) -> None:
    one, two = two_devices
    room = await room_of(jp_serverapp, "a.txt")
    await until(lambda: is_live(room), "the room being live")
    text = room._document.ydoc.get("source", type=type(room._document._ysource))
    text.insert(len("a😀".encode()), "typed 漢 ")
    await until(lambda: (two.dir / "a.txt").read_text() == "a😀typed 漢 b\nline two\n", "the text on the other device")
    (two.dir / "a.txt").write_text("a😀typed 漢 b\nline two, saved 👍🏽\n")
    await until(lambda: str(text) == "a😀typed 漢 b\nline two, saved 👍🏽\n", "the save in the room")
    one.kill()
    text.insert(0, "while away ")
    one.start()
    await until(lambda: "while away " in (two.dir / "a.txt").read_text(), "what was typed while the daemon was away")
    await until(lambda: room._document.dirty is False, "the room knowing that it is saved")
    await until(
        lambda: (one.dir / "a.txt").read_text() == (two.dir / "a.txt").read_text() == str(text), "all being equal"
    )


async def test_random_edits_on_both_sides_are_all_there(jp_serverapp: Any, two_devices: tuple[Device, Device]) -> None:
    """Through all the saves and looks at the disk of the server."""
    one, two = two_devices
    room, rng = await room_of(jp_serverapp, "a.txt"), random.Random(1)
    await until(lambda: is_live(room), "the room being live")
    text = room._document._ysource
    for number in range(150):
        before = str(text)
        starts = [0, *(at + 1 for at, character in enumerate(before) if character == "\n")]
        text.insert(len(before[: rng.choice(starts)].encode()), f"<room {number}> 😀\n")
        if number % 10 == 0:
            lines = (two.dir / "a.txt").read_text().splitlines(keepends=True)
            lines.insert(rng.randint(0, len(lines)), f"<disk {number}> é\n")
            (two.dir / "a.txt").write_text("".join(lines))
        await asyncio.sleep(0.03)  # the pace of who types
    words = [f"<room {number}>" for number in range(150)] + [f"<disk {number}>" for number in range(0, 150, 10)]
    await until(lambda: all(word in str(text) for word in words), "every word in the room")
    await until(
        lambda: (one.dir / "a.txt").read_text() == (two.dir / "a.txt").read_text() == str(text), "all being equal"
    )


async def test_a_notebook_is_live_both_ways(jp_serverapp: Any, two_devices: tuple[Device, Device]) -> None:
    one, two = two_devices
    room = await room_of(jp_serverapp, "n.ipynb", "notebook")
    await until(lambda: is_live(room), "the room being live")
    document = room._document

    def sources(device: Device) -> list[str]:
        try:
            return [cell.source for cell in nbformat.read(device.dir / "n.ipynb", as_version=4).cells]
        except ValueError:  # it is no notebook at the moment
            return []

    document.ycells[1]["source"].insert(0, "typed = 'é😀'\n")
    await until(lambda: sources(two) == ["# Title 😀", "typed = 'é😀'\nx = 1", "y = 2"], "the cell on the other device")
    found = nbformat.read(two.dir / "n.ipynb", as_version=4)
    found.cells[2].source = "y = 3"
    found.cells.append(nbformat.v4.new_markdown_cell("the end", id="four"))
    kept = document.ycells[1]["source"]
    document.ycells[0]["source"].insert(0, "# More\n")  # at the same time
    nbformat.write(found, two.dir / "n.ipynb")
    wanted = ["# More\n# Title 😀", "typed = 'é😀'\nx = 1", "y = 3", "the end"]
    await until(lambda: [cell["source"] for cell in document.get()["cells"]] == wanted, "the save in the room")
    await until(lambda: sources(one) == sources(two) == wanted, "both disks")
    kept.insert(0, "# the same cell as before\n")
    await until(lambda: sources(two)[1].startswith("# the same cell"), "a cell that was not changed being kept")
    whole = (two.dir / "n.ipynb").read_text()
    (two.dir / "n.ipynb").write_text("no notebook {")
    await asyncio.sleep(1)  # that it stays
    assert [cell["source"] for cell in document.get()["cells"]][2:] == wanted[2:]
    (two.dir / "n.ipynb").write_text(whole)
    document.ycells[3]["source"].insert(0, "This is ")
    await until(lambda: sources(one) == sources(two) and sources(two)[3:] == ["This is the end"], "it going on")


async def test_what_is_not_live_is_edited_through_the_disk(
    jp_serverapp: Any, two_devices: tuple[Device, Device]
) -> None:
    one, two = two_devices
    room = await room_of(jp_serverapp, "windows.txt")
    room._document._ysource.insert(0, "typed ")
    await until(lambda: (two.dir / "windows.txt").read_bytes().startswith(b"typed one"), "the text through the disk")
    assert not is_live(room)
    (one.dir / "b.txt").write_text(TEXT)
    other = await room_of(jp_serverapp, "b.txt")
    await until(lambda: is_live(other), "a file that was just made being live")
    (one.dir / "b.txt").write_bytes(b"\x00\x01 no text any more")
    await until(lambda: not is_live(other), "a file that is no text any more being let go")
