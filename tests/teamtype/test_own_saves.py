"""What an editor with the bridge saves itself is no change, whoever is slow."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from lab import devices, eventually
from teamtype.follower import editor
from teamtype.saving import SavedBuffer, doubled


async def _soon(condition: Callable[[], bool]) -> None:
    await trio.to_thread.run_sync(eventually, condition)


@pytest.mark.long
def test_a_save_that_is_found_before_its_edit_came_is_none(tmp_path: Path) -> None:
    """A word by letters, each saved, while this process does not run for a moment: the daemon finds the save first."""

    async def test() -> None:
        async with editor(one) as ann:
            path = one.dir / "a.txt"
            buffer = await ann.open(path, "top\nend\n")
            file = SavedBuffer(ann, buffer, path)
            for number, letter in enumerate("word\n"):
                buffer.edit((4 + number, 4 + number, letter))
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(ann.flush)
                    await trio.lowlevel.checkpoint()
                    file.save()
                    time.sleep(0.4)  # noqa: ASYNC251 (nothing runs here meanwhile, that is what is tried)
            await trio.to_thread.run_sync(one.wait)
            await _soon(lambda: path.read_text() == "top\nword\nend\n")
            assert buffer.content == "top\nword\nend\n"

    with devices(tmp_path, "one") as (one,):
        (one.dir / "a.txt").write_text("top\nend\n")
        one.cli("share", str(one.dir))
        one.wait()
        trio.run(test)


@pytest.mark.long
def test_a_byte_order_mark_is_saved_once(tmp_path: Path) -> None:
    """An editor has it as an option of the file, and writes it with the text."""

    async def test() -> None:
        async with editor(one) as ann:
            path = one.dir / "a.txt"
            file = SavedBuffer(ann, await ann.open(path, "one\r\ntwo\r\n", "\r\n"), path)
            for number in range(3):
                file.type(0, f"{number} ")
                await ann.flush()
                wanted = file.buffer.content
                await trio.to_thread.run_sync(one.wait)
                await _soon(lambda: path.read_bytes() == b"\xef\xbb\xbf" + wanted.encode())  # noqa: B023
                assert file.buffer.content == wanted
                path.write_bytes(path.read_bytes() + b"of a program\r\n")
                await ann.until(lambda: file.buffer.content == f"{wanted}of a program\r\n")  # noqa: B023
            assert file.buffer.content == "2 1 0 one\r\ntwo\r\n" + 3 * "of a program\r\n"

    with devices(tmp_path, "one") as (one,):
        (one.dir / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
        one.cli("share", str(one.dir))
        one.wait()
        trio.run(test)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_lines_of_two_editors_that_save_after_each_edit_stand_once(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    lines = [f"{name} {number}" for number in range(40) for name in ("ann", "bob")]

    async def types(file: SavedBuffer, name: str) -> None:
        for line in (line for line in lines if line.startswith(name)):
            file.type(rng.randrange(len(file.buffer.lines)), f"{line}\n")
            await file.editor.flush()
            await trio.sleep(rng.random() * 0.05)

    async def test() -> None:
        async with editor(one, "ann") as ann, editor(two, "bob") as bob, trio.open_nursery() as nursery:
            files = []
            for device, who in ((one, ann), (two, bob)):
                path = device.dir / "a.txt"
                text = path.read_text()
                files.append(SavedBuffer(who, await who.open(path, text), path))
                nursery.start_soon(files[-1].watch)
            async with trio.open_nursery() as typing:
                for file, name in zip(files, ("ann", "bob"), strict=True):
                    typing.start_soon(types, file, name)

            def are_equal() -> bool:
                seen = {file.buffer.content for file in files} | {file.path.read_text() for file in files}
                return len(seen) == 1

            await _soon(are_equal)
            for device in (one, two):
                await trio.to_thread.run_sync(device.wait)
            await _soon(are_equal)
            assert doubled(files[0].path.read_text(), lines) == {}
            nursery.cancel_scope.cancel()

    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.txt").write_text("".join(f"line {number}\n" for number in range(20)))
        two.join(one)
        for device in (one, two):
            device.wait()
        trio.run(test)
