"""The Python API, against real daemons, on trio and on asyncio."""

from __future__ import annotations

import ast
import random
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio
import trio.testing
from bridge import open_bridge, replica_like
from lab import Device, devices, eventually, tree

from yp2p.client import Assoc, Author, Edit, File, FileUnavailable, NotRunning, Position, connect
from yp2p.control.call import RemoteError
from yp2p.documents.diff import Hunk
from yp2p.errors import PositionInvalid
from yp2p.protocol.clients import Writer
from yp2p.protocol.ysync import Shape, check

BACKENDS = ["trio", "asyncio"]
TEXT = "one é😀\ntwo\n"


def _run(backend: str, test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        with anyio.fail_after(60):
            await test()

    anyio.run(limited, backend=backend)


def _socket(device: Device) -> Path:
    return device.home / "control.sock"


async def _until(file: File, condition: Callable[[], bool]) -> None:
    while not condition():
        await file.changed()


def _shared(tmp_path: Path, one: Device, two: Device) -> None:
    (one.dir / "a.md").write_text(TEXT)
    two.join(one)
    for device in (one, two):
        device.wait()


def _shared_alone(one: Device) -> None:
    (one.dir / "a.md").write_text(TEXT)
    one.cli("share", str(one.dir))
    one.wait()


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_programs_and_two_disks_have_the_same(tmp_path: Path, backend: str) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        _shared(tmp_path, one, two)

        async def test() -> None:
            async with (
                connect(_socket(one)) as here, connect(_socket(two)) as there,
                here.open("a.md") as mine, there.open(str(two.dir / "a.md")) as theirs,
            ):  # fmt: skip
                assert str(mine) == str(theirs) == TEXT
                cursor, edits = theirs.position(8), theirs.edits()
                mine.insert(4, "漢")
                edit = await anext(edits)
                assert edit == Edit((Hunk(4, 4, "漢"),), (Author("one"),))
                assert edit.delta == [{"retain": 4}, {"insert": "漢"}]
                assert "漢" in str(theirs)
                assert theirs.index_of(cursor) == 9
                theirs.edit(8, 9, "TWO: ")
                theirs.delete(0, 4)
                await _until(mine, lambda: str(mine) == str(theirs))
                await mine.flush()
                await mine.set_bookmark("end", mine.position(len(str(mine)), Assoc.BEFORE))
                await _until(theirs, lambda: theirs.is_connected)
                mine.set_awareness("a person", mine.position(len(str(mine))))
                await _until(theirs, lambda: any(who.get("name") == "a person" for who in theirs.awareness))
                (who,) = theirs.awareness
                assert (who["device"], who["line"]) == ("one", 3)
                assert theirs.index_of(Position.from_json(who["cursor"])) == len(str(theirs))
                wanted = str(theirs)
                await anyio.to_thread.run_sync(
                    partial(eventually, lambda: all((d.dir / "a.md").read_text() == wanted for d in (one, two)))
                )
                assert not edits.waiting()
                (one.dir / "a.md").write_text(wanted + "saved by an editor\n")
                edit = await anext(edits)
                assert (edit.changes[-1].text, edit.authors) == ("saved by an editor\n", (Author("one"),))
            with pytest.raises(FileUnavailable):
                await anext(edits)

        _run(backend, test)


@pytest.mark.parametrize("backend", BACKENDS)
def test_files_are_found_and_named_as_on_the_command_line(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with devices(tmp_path, "one") as (one,):
        (one.dir / "sub").mkdir()
        (one.dir / "sub/a.md").write_text("in sub\n")
        (one.dir / "sub/b.bin").write_bytes(b"\0")
        _shared_alone(one)

        async def test() -> None:
            async with connect(_socket(one)) as here:
                assert await here.find("*.md") == [str(one.dir / "a.md"), str(one.dir / "sub/a.md")]
                assert await here.find("sub/**", one.dir.name) == [str(one.dir / "sub/a.md")]
                assert await here.find("*.bin") == []
                with pytest.raises(RemoteError, match="no folder is called 'none'"):
                    await here.find("*", "none")
                events = here.events("file", folder=one.dir.name)
                assert (await anext(events))["kind"] == "daemon"
                monkeypatch.chdir(one.dir / "sub")
                async with here.open("a.md") as file, here.open("../a.md") as other:
                    assert (str(file), str(other)) == ("in sub\n", TEXT)
                    file.insert(0, "more ")
                    await file.flush()
                    event = await anext(events)
                    assert (event["path"], event["change"]) == ("sub/a.md", "changed")
                with anyio.move_on_after(0.1):
                    await anext(events)  # it can be left while it waits
                await events.aclose()
                monkeypatch.chdir(tmp_path)
                async with here.open("a.md") as file:
                    assert str(file) == TEXT

        _run(backend, test)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_daemon_that_comes_back_finds_everything(tmp_path: Path, backend: str) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        _shared(tmp_path, one, two)

        async def test() -> None:
            async with connect(_socket(one)) as here, here.open("a.md") as file:
                rng = random.Random(1)
                for round_ in range(3):
                    for number in range(50):
                        file.insert(rng.choice([0, len(str(file))]), f"<{round_}-{number}😀>")
                        if number == 25:
                            await anyio.to_thread.run_sync(one.kill)
                    await _until(file, lambda: not file.is_connected)
                    file.insert(0, f"<{round_}-a way>")
                    (one.dir / "a.md").write_text(str(file))  # by the same program: it comes from the disk as well
                    file.replace_all(str(file).replace("-a way>", "-away>") + f"<{round_}-not saved>")
                    await anyio.to_thread.run_sync(one.start)
                    await file.flush()
                wanted = str(file)
                for round_ in range(3):
                    for number in range(50):
                        assert wanted.count(f"<{round_}-{number}😀>") == 1
                    assert wanted.count(f"<{round_}-away>") == wanted.count(f"<{round_}-not saved>") == 1
                await anyio.to_thread.run_sync(
                    partial(eventually, lambda: all((d.dir / "a.md").read_text() == wanted for d in (one, two)), 30)
                )

        _run(backend, test)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_open_file_stays_itself_when_it_is_renamed_and_the_daemon_comes_back(tmp_path: Path, backend: str) -> None:
    """Also where another file took its name: each keeps its text."""
    with devices(tmp_path, "one", "two") as (one, two):
        _shared(tmp_path, one, two)

        async def test() -> None:
            async with connect(_socket(one)) as here, here.open("a.md") as file:
                (one.dir / "a.md").rename(one.dir / "b.md")
                await _until(file, lambda: file.path == str(one.dir / "b.md"))
                await anyio.to_thread.run_sync(partial(eventually, lambda: (two.dir / "b.md").exists()))
                (one.dir / "a.md").write_text("another one\n")
                await anyio.to_thread.run_sync(partial(eventually, lambda: (two.dir / "a.md").exists()))
                await anyio.to_thread.run_sync(one.stop)
                await _until(file, lambda: not file.is_connected)
                file.insert(0, "written meanwhile\n")
                await anyio.to_thread.run_sync(one.start)
                await file.flush()
                await file.set_bookmark("here", file.position(3))
                assert str(file) == "written meanwhile\n" + TEXT
                wanted = {"a.md": b"another one\n", "b.md": str(file).encode()}
                await anyio.to_thread.run_sync(
                    partial(eventually, lambda: tree(one.dir) == tree(two.dir) == wanted, 30)
                )

        _run(backend, test)


@pytest.mark.parametrize("backend", BACKENDS)
def test_programs_of_one_device_see_each_other(tmp_path: Path, backend: str) -> None:
    with devices(tmp_path, "one") as (one,):
        _shared_alone(one)

        async def test() -> None:
            async with connect(_socket(one)) as device, device.open("a.md") as first:
                async with device.open("a.md") as second:
                    first.set_awareness("the first", first.position(8))
                    second.set_awareness("the second")
                    await _until(second, lambda: any(who.get("name") == "the first" for who in second.awareness))
                    await _until(first, lambda: any(who.get("name") == "the second" for who in first.awareness))
                    (who,) = second.awareness
                    assert (who["device"], who["line"]) == ("one", 2)
                await _until(first, lambda: not first.awareness)

        _run(backend, test)


def test_a_file_that_was_just_made_is_opened(tmp_path: Path) -> None:
    """A new file rests for a moment before it is looked at, as its writer may not be done."""
    text = "made a moment ago\n"
    with devices(tmp_path, "one") as (one,):
        _shared_alone(one)

        async def test() -> None:
            (one.dir / "new.md").write_text(text)  # noqa: ASYNC240 (a program made it)
            async with connect(_socket(one)) as device, device.open("new.md") as file:
                assert str(file) == text
                file.insert(0, "typed, ")
            eventually(lambda: (one.dir / "new.md").read_text() == f"typed, {text}")

        _run("trio", test)


@pytest.mark.parametrize("backend", BACKENDS)
def test_after_its_block_a_file_takes_nothing(tmp_path: Path, backend: str) -> None:
    with devices(tmp_path, "one") as (one,):
        _shared_alone(one)

        async def test() -> None:
            async with connect(_socket(one)) as device:
                async with device.open("a.md") as file:
                    for wrong in ({"name": "x" * 200}, {"name": 5}, {"name": "\ud83d"}, {"cursor": 5}):
                        with pytest.raises(ValueError, match="and not"):
                            file.set_awareness(**wrong)
                    for index, assoc in ((1.5, Assoc.AFTER), (0, 5)):
                        with pytest.raises(PositionInvalid, match="no place"):
                            file.position(index, assoc)  # type: ignore[arg-type]
                    file.insert(0, "kept ")
                    manager = file.undo_manager(scopes=[file.text])
                    assert not manager.can_undo()
                assert not file.is_connected
                for use in (
                    lambda: file.insert(0, "x"), lambda: file.replace_all("x"), file.set_awareness,
                    lambda: file.text.insert(0, "x"), lambda: file.transaction().__enter__(),
                ):  # fmt: skip
                    with pytest.raises(FileUnavailable, match="not open any more"):
                        use()
                for wait in (file.flush, file.changed):
                    with pytest.raises(FileUnavailable, match="not open any more"):
                        await wait()

        _run(backend, test)
        eventually(lambda: (one.dir / "a.md").read_text() == "kept " + TEXT)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_edit_that_makes_a_text_too_large_is_refused(tmp_path: Path, backend: str) -> None:
    with devices(tmp_path, "one", YP2P_FILES__MAX_TEXT_BYTES="1024") as (one,):
        _shared_alone(one)

        def write_twice(file: File) -> None:
            with file.transaction():
                file.insert(0, "a" * 600)
                file.insert(0, "b" * 600)

        async def test() -> None:
            async with connect(_socket(one)) as device, device.open("a.md") as file:
                for edit in (
                    lambda: write_twice(file),
                    lambda: file.edit(0, 3, "too much" * 200),
                    lambda: file.insert(1, "\N{SNOWMAN}" * 400),  # three bytes each
                    lambda: file.replace_all("x" * 1025),
                    lambda: file.text.insert(0, "y" * 1025),
                ):
                    with pytest.raises(ValueError, match="at most 1024"):
                        edit()
                    assert str(file) == TEXT
                file.replace_all("x" * 1024)
                file.replace_all(TEXT)
                await file.flush()

        _run(backend, test)
        eventually(lambda: (one.dir / "a.md").read_text() == TEXT)


def test_an_edit_that_the_daemon_does_not_take_is_taken_back_with_a_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two programs write at a time what is too much together."""
    with devices(tmp_path, "one", YP2P_FILES__MAX_TEXT_BYTES="1024") as (one,):
        _shared_alone(one)

        async def test() -> None:
            async with connect(_socket(one)) as device, device.open("a.md") as file, device.open("a.md") as other:
                file.insert(0, "a" * 600)
                other.insert(0, "b" * 600)
                while "more than 1024 bytes" not in caplog.text:  # noqa: ASYNC110 (whichever of both is told)
                    await anyio.sleep(0.01)
                while len(str(file)) != 600 + len(TEXT) or str(file) != str(other):  # noqa: ASYNC110
                    await anyio.sleep(0.01)
                file.replace_all("fine " + TEXT)
                await file.flush()
                assert str(file) == "fine " + TEXT

        _run("trio", test)
        eventually(lambda: (one.dir / "a.md").read_text() == "fine " + TEXT)


@pytest.mark.parametrize("backend", BACKENDS)
def test_undo_takes_back_what_this_program_did(tmp_path: Path, backend: str) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        _shared(tmp_path, one, two)

        async def test() -> None:
            async with (
                connect(_socket(one)) as here, connect(_socket(two)) as there,
                here.open("a.md") as mine, there.open("a.md") as theirs,
            ):  # fmt: skip
                mine.insert(0, "mine ")
                await _until(theirs, lambda: str(theirs).startswith("mine "))
                theirs.insert(5, "theirs ")
                await _until(mine, lambda: str(mine).startswith("mine theirs "))
                undo = mine.undo
                assert undo.can_undo()
                undo.undo()
                assert str(mine) == "theirs " + TEXT
                await _until(theirs, lambda: str(theirs) == "theirs " + TEXT)
                assert not undo.can_undo()
                undo.redo()
                await _until(theirs, lambda: str(theirs) == "mine theirs " + TEXT)
                await mine.flush()

        _run(backend, test)
        # The daemon's own undo knows what programs did as well.
        two.cli("undo", str(two.dir / "a.md"))
        eventually(lambda: (one.dir / "a.md").read_text() == "mine " + TEXT)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_example_of_the_readme_does_what_it_says(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    code = readme.partition("## For programs")[2].partition("```python\n")[2].partition("```")[0]
    text = "twelve char|acters\n"
    with devices(tmp_path, "one") as (one,):
        (one.dir / "notes").mkdir()
        (one.dir / "notes" / "a.md").write_text(text)
        one.cli("share", str(one.dir))
        one.wait()
        monkeypatch.setenv("YP2P_HOME", str(one.home))
        names: dict[str, Any] = {}

        async def test() -> None:
            await eval(compile(code, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)

        _run(backend, test)
        assert capsys.readouterr().out == f"20 # Title\n{text}\n"
        assert str(names["file"]) == text
        assert names["file"].undo.can_redo()
        assert not names["file"].undo.can_undo()
        assert names["file"].unstored == 0
        eventually(lambda: (one.dir / "notes" / "a.md").read_text() == text)


def test_errors_are_typed(tmp_path: Path) -> None:
    with devices(tmp_path, "one") as (one,):
        (one.dir / "a.md").write_text(TEXT)
        (one.dir / "blob").write_bytes(b"\xff\x00")
        one.cli("share", str(one.dir))
        one.wait()

        async def test() -> None:
            async with connect(_socket(one)) as here:
                for path, reason in (
                    ("nothing.md", "there is no file 'nothing.md'"),
                    ("blob", "blob is not a text file"),
                    ("/nowhere/a.md", "is in no folder of this device"),
                    ("half \ud83d.md", "is the name of no file"),
                    ("a\0.md", "is the name of no file"),
                ):
                    with pytest.raises(FileUnavailable, match=reason):
                        async with here.open(path):
                            pass
                async with here.open("a.md") as file:
                    with pytest.raises(IndexError, match="outside a text of"):
                        file.insert(100, "x")
                    assert file.index_of(file.position(0, Assoc.BEFORE)) == 0
            with pytest.raises(NotRunning):
                async with connect(tmp_path / "no.sock"):
                    pass

        _run("trio", test)


def test_what_a_program_brings_back_of_others_is_not_its_own(tmp_path: Path) -> None:
    """It may have heard of it before it was stored here, and the daemon was gone."""

    async def test() -> None:
        async with open_bridge(tmp_path) as bridge:
            folder, live = bridge.folder, bridge.document("a.txt")
            peer, own = (replica_like(bridge, "a.txt", client, Writer.TYPED) for client in (4711, 815))
            theirs = peer.edit([Hunk(0, 0, "theirs ")])
            assert theirs is not None
            own.receive(theirs)
            own.edit([Hunk(0, 0, "ours ")])
            folder.edits.own_claims.to_publish.clear()
            news = own.update_since(live.state_vector())
            commit = folder.edits.accept_from_program(live, check(news, Shape.TEXT), object(), 0.5, client=815)
            assert commit is not None
            await commit.wait()
            assert folder.edits.own_claims.to_publish - folder.clients.ids == {815}
            mine = own.edit([Hunk(0, 0, "more ")])
            assert mine is not None
            await folder.edits.accept_from_program(live, check(mine, Shape.TEXT), object(), 0.5, client=815).wait()  # type: ignore[union-attr]
            assert [seq for (seq,) in folder.database.rows("SELECT seq FROM step")] == [live.last_seq]

    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text("text\n")
    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0.01))
