"""An editor that follows the protocol, against real daemons: what happens to files, daemons and editors."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from lab import Device, devices, eventually
from teamtype.follower import Refused, editor

from yp2p.client import Device as Client
from yp2p.editors.bridge import Bridge
from yp2p.editors.view import View


def _alone(one: Device) -> None:
    one.cli("share", str(one.dir))
    one.wait()


def _shown(data: bytes) -> str:
    """What an editor has of it. A merge of words may leave a CR without its LF."""
    return data.decode().replace("\r\n", "\n").replace("\r", "\u240d")


async def _soon(condition: Callable[[], bool]) -> None:
    await trio.to_thread.run_sync(eventually, condition)


@pytest.mark.long
def test_text_comes_and_goes_and_others_are_seen(tmp_path: Path) -> None:
    """Also where line ends are CR LF, or both, and where lines have form feeds and U+2028 in them."""
    windows, mixed, odd = "one\r\ntwo\r\n", "one\r\ntwo\nthree\rfour\n", "a\x0cb\u2028c\x85d\ne\n"

    async def test() -> None:
        async with editor(one, "ann") as ann, editor(two, "bob") as bob:
            text = (one.dir / "windows.txt").read_bytes().decode()
            lf = await ann.open(one.dir / "windows.txt", text.replace("\r\n", "\n"))  # as Neovim has it
            crlf = await bob.open(two.dir / "windows.txt", text, "\r\n")  # as VS Code has it
            lf.edit((0, 0, "first\n"), (4, 7, "TWO"))
            assert await ann.flush() == []
            await bob.until(lambda: crlf.content == "first\r\none\r\nTWO\r\n")
            crlf.edit((crlf.size, crlf.size, "end\n"))
            await bob.flush()
            await ann.until(lambda: lf.content == "first\none\nTWO\nend\n")
            for device in (one, two):
                await _soon(lambda: (device.dir / "windows.txt").read_bytes() == b"first\r\none\r\nTWO\r\nend\r\n")  # noqa: B023

            both = await ann.open(one.dir / "mixed.txt", mixed)
            await ann.until(lambda: both.content == "one\ntwo\nthree\u240dfour\n")
            both.edit((both.size, both.size, "five\n"))
            both.edit((3, 3, "\nand"))
            await ann.flush()
            await _soon(lambda: (two.dir / "mixed.txt").read_bytes() == b"one\r\nand\r\ntwo\nthree\rfour\nfive\n")

            here, there = await ann.open(one.dir / "odd.txt", odd), await bob.open(two.dir / "odd.txt", odd)
            here.edit((here.size, here.size, "last"))  # line 2: nothing but LF ends one
            await ann.flush()
            await bob.until(lambda: there.content == odd + "last")

            await ann.ask("cursor", {"uri": here.uri, "ranges": [{"start": here.place(2), "end": here.place(9)}]})
            await bob.until(lambda: any(one["name"] == "ann" for one in bob.cursors.values()))
            (seen,) = bob.cursors.values()
            assert seen["uri"] == there.uri
            assert seen["ranges"] == [{"start": there.place(2), "end": there.place(9)}]
            await ann.close(here)
            await bob.until(lambda: next(iter(bob.cursors.values()))["ranges"] == [])

    with devices(tmp_path, "one", "two") as (one, two):
        for name, text in (("windows.txt", windows), ("mixed.txt", mixed), ("odd.txt", odd)):
            (one.dir / name).write_bytes(text.encode())
        two.join(one)
        for device in (one, two):
            device.wait()
        trio.run(test)


def test_what_is_no_text_of_a_folder_is_refused_with_a_sentence(tmp_path: Path) -> None:
    async def test() -> None:
        async with editor(one) as ann:
            for path, said in (
                (one.dir / "picture.bin", "not a text file"),
                (one.dir / ".git" / "config", "git/config"),
                (tmp_path / "outside.txt", "in no folder of this device"),
                (tmp_path / "nowhere.txt", "in no folder of this device"),
                (one.dir / "no" / "such.txt", "cannot be made"),
            ):
                with pytest.raises(Refused, match=said):
                    await ann.open(path, "")
            assert not (tmp_path / "nowhere.txt").exists()
            with pytest.raises(Refused, match="is no method"):
                await ann.ask("save", {})
            with pytest.raises(Refused, match="is not open"):
                await ann.ask("edit", {"uri": "file:///a", "revision": 0, "delta": []})
            await ann.ask("cursor", {"uri": "file:///a", "ranges": []})  # plugins say it of files that they closed

            file = await ann.open(one.dir / "a.txt", "text\n")
            file.edit((0, 0, "a NUL: \0"))
            (error,) = await ann.flush()
            assert "NUL" in error
            await ann.until(lambda: file.content == "text\n")
            file.edit((0, 0, "\ud83d"))  # half a character
            (error,) = await ann.flush()
            assert "surrogate" in error
            await ann.until(lambda: file.content == "text\n")
            file.edit()
            file.edit((0, 4, "good"))
            assert await ann.flush() == []

            other = await ann.open(one.dir / "b.txt", "other\n")
            delta = [
                {"range": {"start": {"line": 9, "character": 9}, "end": {"line": 9, "character": 9}}, "replacement": ""}
            ]
            with pytest.raises(Refused, match="open it again"):
                await ann.ask("edit", {"uri": other.uri, "revision": 0, "delta": delta})
            with pytest.raises(Refused, match="is not open"):
                await ann.ask("edit", {"uri": other.uri, "revision": 0, "delta": []})
            other = await ann.open(one.dir / "b.txt", "other\n")
            other.edit((0, 0, "an"))
            assert await ann.flush() == []
            await _soon(lambda: (one.dir / "b.txt").read_text() == "another\n")
            await _soon(lambda: (one.dir / "a.txt").read_text() == "good\n")

            await ann.write({"method": "edit"})  # of a notification nobody is told what is wrong
            await ann._stream.send_all(b"nothing that is a message\r\n\r\n")
            await ann.until(lambda: ann.fault is not None)
            assert ann.fault is not None
            assert ann.fault["code"] == -32700

    with devices(tmp_path, "one") as (one,):
        (tmp_path / "outside.txt").write_text("")
        (one.dir / ".git").mkdir()
        for name, data in (
            ("picture.bin", b"\0\xff"),
            (".git/config", b"x"),
            ("a.txt", b"text\n"),
            ("b.txt", b"other\n"),
        ):
            (one.dir / name).write_bytes(data)
        _alone(one)
        trio.run(test)


@pytest.mark.long
def test_files_that_are_new_renamed_deleted_and_replaced(tmp_path: Path) -> None:
    async def test() -> None:
        async with editor(one) as ann:
            for name, content in (("new.txt", "\n"), ("empty.txt", "")):
                new = await ann.open(one.dir / name, content)
                new.edit((0, 0, "typed"))
                assert await ann.flush() == []
                await _soon(lambda: (one.dir / name).read_text() == f"typed{content}")  # noqa: B023

            file = await ann.open(one.dir / "a.txt", "text\n")
            (one.dir / "a.txt").rename(one.dir / "renamed.txt")
            await trio.to_thread.run_sync(one.wait)
            file.edit((0, 0, "after: "))
            assert await ann.flush() == []
            await _soon(lambda: (one.dir / "renamed.txt").read_text() == "after: text\n")
            assert not (one.dir / "a.txt").exists()

            gone = await ann.open(one.dir / "gone.txt", "text\n")
            (one.dir / "gone.txt").unlink()
            await trio.to_thread.run_sync(one.wait)
            await trio.sleep(1.5)  # more than an editor needs that writes another file in its place
            assert not (one.dir / "gone.txt").exists()
            gone.edit((0, 0, "not gone: "))
            assert await ann.flush() == []
            await _soon(lambda: (one.dir / "gone.txt").exists())
            await _soon(lambda: (one.dir / "gone.txt").read_text() == "not gone: text\n")

            blob = await ann.open(one.dir / "blob.txt", "text\n")
            (one.dir / "blob.txt").write_bytes(b"\0 no text any more")
            await trio.to_thread.run_sync(one.wait)
            errors: list[str] = []
            taken = -1
            with trio.fail_after(60):
                while not errors:
                    blob.edit((0, 0, "x"))
                    errors = await ann.flush()
                    taken += 1
                    await trio.sleep(0.05)
            assert "is not open" in errors[0]
            if taken:  # before it was known here that it is no text any more
                beside = one.dir / "blob.unsaved-1.txt"
                await _soon(lambda: beside.exists() and beside.read_text() == f"{'x' * taken}text\n")
            (one.dir / "blob.txt").write_text("text again\n")
            await trio.to_thread.run_sync(one.wait)
            again = await ann.open(one.dir / "blob.txt", "text again\n")
            again.edit((0, 0, "and "))
            assert await ann.flush() == []
            await _soon(lambda: (one.dir / "blob.txt").read_text() == "and text again\n")

    with devices(tmp_path, "one") as (one,):
        for name in ("a.txt", "gone.txt", "blob.txt"):
            (one.dir / name).write_text("text\n")
        _alone(one)
        trio.run(test)


@pytest.mark.long
def test_an_editor_does_not_notice_that_the_daemon_restarts(tmp_path: Path) -> None:
    """It may open files and type meanwhile; what it typed is saved where no daemon comes back before it goes."""

    async def test() -> None:
        async with editor(one) as ann:
            file = await ann.open(one.dir / "a.txt", "text\n")
            await trio.to_thread.run_sync(one.kill)
            file.edit((0, 0, "typed while it was away: "))
            assert await ann.flush() == []
            other = await ann.open(one.dir / "b.txt", "other\n")
            other.edit((0, 0, "an"))
            assert await ann.flush() == []
            await trio.to_thread.run_sync(one.start)
            await _soon(lambda: (one.dir / "a.txt").read_text() == "typed while it was away: text\n")
            await _soon(lambda: (one.dir / "b.txt").read_text() == "another\n")
            (one.dir / "b.txt").write_text("another\nsaved by something else\n")
            await ann.until(lambda: other.content == "another\nsaved by something else\n")
            other.edit((0, 0, "yet "))
            assert await ann.flush() == []
            await _soon(lambda: (one.dir / "b.txt").read_text() == "yet another\nsaved by something else\n")

            await trio.sleep(0.5)  # it is known what is stored
            await trio.to_thread.run_sync(one.kill)
            file.edit((0, 0, "last: "))
            late = await ann.open(one.dir / "c.txt", "third\n")
            late.edit((5, 5, " file"))
            assert await ann.flush() == []
        assert (one.dir / "a.txt").read_text() == "last: typed while it was away: text\n"
        assert (one.dir / "c.txt").read_text() == "third file\n"

    with devices(tmp_path, "one") as (one,):
        for name, text in (("a.txt", "text\n"), ("b.txt", "other\n"), ("c.txt", "third\n")):
            (one.dir / name).write_text(text)
        _alone(one)
        trio.run(test)


@pytest.mark.long
def test_what_is_typed_and_saved_while_no_daemon_runs_is_there_once(tmp_path: Path) -> None:
    """Also where the last of it was not saved, and where nothing was typed after the save."""

    async def test() -> None:
        async with editor(one) as ann:
            text = (one.dir / "a.txt").read_bytes().decode()
            file = await ann.open(one.dir / "a.txt", text, "\r\n")
            for last in ("", "ing", " and more"):
                await trio.to_thread.run_sync(one.kill)
                file.edit((file.size, file.size, "typed\n"))
                assert await ann.flush() == []
                (one.dir / "a.txt").write_bytes(file.content.encode())
                file.edit((file.size - (3 if last == "ing" else 1), file.size - 1, last))
                assert await ann.flush() == []
                wanted = file.content
                await trio.to_thread.run_sync(one.start)
                await ann.until(lambda: file.content == wanted)  # noqa: B023
                await _soon(lambda: (one.dir / "a.txt").read_bytes().decode() == wanted)  # noqa: B023
                await trio.to_thread.run_sync(one.wait)
                assert file.content == wanted == (one.dir / "a.txt").read_bytes().decode()

    with devices(tmp_path, "one") as (one,):
        (one.dir / "a.txt").write_bytes(b"text\r\nand\r\n")
        _alone(one)
        trio.run(test)
        assert not one.call("GET", "/v1/notices")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
def test_random_edits_of_two_editors_and_a_disk(tmp_path: Path, seed: int) -> None:
    """Editors as Emacs' and VS Code's plugins are, several ranges in an edit among them."""
    rng = random.Random(seed)

    async def test() -> None:
        async with editor(one) as ann, editor(two) as bob:
            text = (one.dir / "a.txt").read_bytes().decode()
            files = [
                await ann.open(one.dir / "a.txt", text.replace("\r\n", "\n")),
                await bob.open(two.dir / "a.txt", text, "\r\n"),
            ]
            for number in range(600):
                file = rng.choice(files)
                places = sorted(rng.randint(0, file.size) for _ in range(rng.choice([2, 2, 4])))
                spans = list(zip(places[::2], places[1::2], strict=True))
                if len({a for a, _ in spans} | {b for _, b in spans}) < 2 * len(spans):
                    spans = spans[:1]  # at one place it would not be plain what comes first
                file.edit(*((a, min(b, a + 5), rng.choice(["", "x", "é💚\n", "\n", "word "])) for a, b in spans))
                if rng.random() < 0.5:
                    await rng.choice([ann, bob]).flush()
                if number in (200, 400):
                    saved = two.dir / "a.txt"
                    saved.write_bytes(saved.read_bytes() + b"saved\r\n")
            for one_editor in (ann, bob):
                assert await one_editor.flush() == []

            def are_equal() -> bool:
                seen = {"\n".join(file.lines) for file in files}
                disks = {(device.dir / "a.txt").read_bytes() for device in (one, two)}
                return len(seen) == len(disks) == 1 and _shown(disks.pop()) == seen.pop()

            await _soon(are_equal)
            assert all(file.taken for file in files)

    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.txt").write_bytes("".join(f"line {number}\r\n" for number in range(20)).encode())
        two.join(one)
        for device in (one, two):
            device.wait()
        trio.run(test)


@pytest.mark.long
def test_where_a_device_only_reads_what_is_typed_is_taken_back(tmp_path: Path) -> None:
    async def test() -> None:
        async with editor(one) as ann, editor(two) as bob:
            here = await ann.open(one.dir / "a.txt", "text\n")
            there = await bob.open(two.dir / "a.txt", "text\n")
            there.edit((0, 0, "typed "))
            (error,) = await bob.flush()
            assert "may only read" in error
            here.edit((5, 5, "more\n"))
            assert await ann.flush() == []
            await bob.until(lambda: there.content == "text\nmore\n")
            with pytest.raises(Refused, match="may only read"):
                await bob.open(two.dir / "new.txt", "new")
        assert not (two.dir / "new.txt").exists()

    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.txt").write_text("text\n")
        two.join(one)
        for device in (one, two):
            device.wait()
        one.cli("device", "role", "two", "reader")
        eventually(lambda: bool(two.status()["folders"][0]["is_reader"]))
        trio.run(test)


@pytest.mark.long
def test_a_fault_in_one_file_is_not_one_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of what was typed is lost by it."""

    async def test() -> None:
        async with editor(one) as ann:
            broken = await ann.open(one.dir / "a.txt", "text\n")
            whole = await ann.open(one.dir / "b.txt", "text\n")
            broken.edit((0, 0, "typed "))
            assert await ann.flush() == []
            with monkeypatch.context() as faulty:
                faulty.setattr(View, "edit", lambda *_: 1 // 0)
                broken.edit((0, 0, "lost"))
                (error,) = await ann.flush()
            assert "ZeroDivisionError" in error
            broken.edit((0, 0, "lost as well"))
            (error,) = await ann.flush()
            assert "is not open" in error
            whole.edit((0, 0, "typed "))
            assert await ann.flush() == []
        for name in ("a.txt", "b.txt"):
            await _soon(lambda: (one.dir / name).read_text() == "typed text\n")  # noqa: B023

    with devices(tmp_path, "one") as (one,):
        for name in ("a.txt", "b.txt"):
            (one.dir / name).write_text("text\n")
        _alone(one)
        trio.run(test)


async def test_an_editor_that_does_not_read_is_not_read_for_ever(tmp_path: Path) -> None:
    bridge = Bridge(Client(tmp_path / "control.sock"), {}, "somebody")
    here, there = trio.testing.memory_stream_pair()
    there.send_stream.send_all = _wait_for_ever  # type: ignore[method-assign]
    message = b'{"id":1,"method":"save"}'
    data = b"Content-Length: %d\r\n\r\n%s" % (len(message), message)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bridge.serve, there, there)
        for _ in range(3):
            await here.send_all(data * 2000)
        await trio.testing.wait_all_tasks_blocked()
        assert len(bridge._answers) < 6000
        nursery.cancel_scope.cancel()


async def test_an_editor_that_goes_at_once_is_not_waited_for(tmp_path: Path) -> None:
    """What it said is saved, although no daemon is there."""
    (tmp_path / "a.txt").write_text("text\n")
    bridge = Bridge(Client(tmp_path / "control.sock"), {str(tmp_path): ""}, "somebody")
    _, there = trio.testing.memory_stream_pair()
    uri = (tmp_path / "a.txt").as_uri()
    place = {"line": 0, "character": 0}
    edit = {"uri": uri, "revision": 0, "delta": [{"range": {"start": place, "end": place}, "replacement": "typed "}]}
    said: list[bytes] = []
    for method, params in (("open", {"uri": uri, "content": "text\n"}), ("edit", edit)):
        body = json.dumps({"method": method, "params": params}).encode()
        said.append(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    async def receive_some(_: int) -> bytes:
        return said.pop(0) if said else b""  # no other task runs in between

    there.receive_stream.receive_some = receive_some  # type: ignore[method-assign]
    with trio.fail_after(30):
        assert await bridge.serve(there, there) is None
    assert (tmp_path / "a.txt").read_text() == "typed text\n"


async def _wait_for_ever(data: bytes) -> None:
    await trio.sleep_forever()
