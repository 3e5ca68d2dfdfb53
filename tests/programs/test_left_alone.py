"""A folder that this device only reads, and one that is paused: what programs, agents and editors are told there.

Each is told in a sentence, by its own means, and nothing that anybody wrote is lost.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
import trio
from lab import Device, devices, eventually, unexpected_lines
from teamtype.follower import editor

from yp2p.client import connect
from yp2p.errors import YpError

pytestmark = pytest.mark.long

TEXT = "one\ntwo\nthree\n"
READS, PAUSED = "may only read", "gets this one when its folder goes on (paused by a person"


@contextmanager
def _pair(base: Path) -> Iterator[tuple[Device, Device]]:
    with devices(base, "one", "two") as (one, two):
        (one.dir / "a.txt").write_text(TEXT)
        two.join(one)
        for device in (one, two):
            device.wait()
        yield one, two
        for device in (one, two):
            assert not unexpected_lines(device, "event='folder_paused'")


def _is_reader(one: Device, two: Device) -> None:
    one.cli("device", "role", "two", "reader")
    eventually(lambda: bool(two.status()["folders"][0]["is_reader"]))


def _goes_on(one: Device, two: Device) -> None:
    two.cli("folder", "unpause", str(two.dir))
    for device in (one, two):
        device.wait()


def _text(device: Device) -> str:
    return (device.dir / "a.txt").read_text()


def test_agents_in_a_folder_that_is_paused(tmp_path: Path) -> None:
    with _pair(tmp_path) as (one, two):
        two.cli("folder", "pause", str(two.dir))
        (two.dir / "a.txt").write_text(f"zero\n{TEXT}")
        path = str(two.dir / "a.txt")
        read = two.call("POST", "/v1/read", {"path": path})
        assert read["text"] == TEXT
        assert PAUSED in read["note"]
        edits = [
            {"path": path, "version": read["version"], "text": f"{TEXT}four\n"},
            {"path": str(two.dir / "new.txt"), "version": None, "text": "new\n"},
        ]
        answer = two.call("POST", "/v1/edit", {"edits": edits, "name": "bot"})
        assert answer["done"]
        assert all(PAUSED in file["note"] for file in answer["files"])
        eventually(lambda: _text(one) == f"{TEXT}four\n", what="the other device having it")
        assert _text(two) == f"zero\n{TEXT}"
        assert not (two.dir / "new.txt").exists()
        (taken, _) = two.call("POST", "/v1/undo/by", {"path": str(two.dir), "name": "bot"})
        assert PAUSED in taken["note"]
        version = two.call("POST", "/v1/read", {"path": path})["version"]
        edit = edits[0] | {"version": version}
        two.call("POST", "/v1/edit", {"edits": [edit], "name": "other bot"})
        assert f"Note: {read['note']}.\n" in two.run("undo", path).stderr
        assert f"Note: {read['note']}.\n" in two.run("redo", path).stderr
        _goes_on(one, two)
        assert _text(one) == _text(two) == f"zero\n{TEXT}four\n"
        assert two.call("POST", "/v1/read", {"path": path})["note"] == ""


def test_agents_in_a_folder_that_this_device_only_reads(tmp_path: Path) -> None:
    with _pair(tmp_path) as (one, two):
        path = str(two.dir / "a.txt")
        version = two.call("POST", "/v1/read", {"path": path})["version"]
        edit = {"path": path, "version": version, "text": f"{TEXT}four\n"}
        two.call("POST", "/v1/edit", {"edits": [edit], "name": "bot"})
        _is_reader(one, two)
        read = two.call("POST", "/v1/read", {"path": path})
        assert read["text"] == f"{TEXT}four\n"
        new = {"path": str(two.dir / "new.txt"), "version": None, "text": "new\n"}
        for edits in ([edit | {"version": read["version"]}], [edit, new], [new]):
            with pytest.raises(YpError, match=READS):
                two.call("POST", "/v1/edit", {"edits": edits, "name": "bot"})
        with pytest.raises(YpError, match=READS):
            two.call("POST", "/v1/undo/by", {"path": path, "name": "bot"})
        assert _text(one) == _text(two) == f"{TEXT}four\n"
        assert not (two.dir / "new.txt").exists()


def test_an_mcp_client_is_told(tmp_path: Path) -> None:
    pytest.importorskip("mcp.server", reason="the package mcp is not installed: pip install 'yp2p[mcp]'")
    from mcp import Client
    from mcp_types import Implementation

    from yp2p.mcp.server import make_server

    async def ask(tool: str, **given: object) -> str:
        server = make_server([], None, read_only=False, socket=two.home / "control.sock")
        async with Client(server, client_info=Implementation(name="a client", version="1")) as client:
            return str((await client.call_tool(tool, given)).content[0].text)

    with _pair(tmp_path) as (one, two):
        two.cli("folder", "pause", str(two.dir))
        read = json.loads(anyio.run(lambda: ask("read", path="a.txt")))
        assert PAUSED in read["note"]
        for tool, given in (
            ("edit", {"path": "a.txt", "version": read["version"], "text": f"{TEXT}four\n"}),
            ("create_file", {"path": "new.txt", "text": "new\n"}),
        ):
            assert PAUSED in json.loads(anyio.run(lambda: ask(tool, **given)))["note"]  # noqa: B023
        (*_, taken) = json.loads(anyio.run(lambda: ask("undo", path="")))["files"]
        assert PAUSED in taken["note"]
        _goes_on(one, two)
        assert "note" not in json.loads(anyio.run(lambda: ask("read", path="a.txt")))
        _is_reader(one, two)
        for tool, given in (
            ("edit", {"path": "a.txt", "version": read["version"], "text": "x"}),
            ("create_file", {"path": "new.txt", "text": "new\n"}), ("undo", {"path": ""}),
        ):  # fmt: skip
            assert READS in anyio.run(lambda: ask(tool, **given))  # noqa: B023
        assert _text(one) == _text(two) == TEXT


def test_an_editor_of_teamtype_is_told_once(tmp_path: Path) -> None:
    """What is typed in a paused folder is live all the same; what a reader types is taken back."""

    async def test() -> None:
        async with editor(two, "ann") as ann:
            file = await ann.open(two.dir / "a.txt", TEXT)
            file.edit((0, 0, "typed\n"))
            (note,) = await ann.flush()
            assert PAUSED in note
            file.edit((0, 0, "and more\n"))
            assert await ann.flush() == []
            await trio.to_thread.run_sync(eventually, lambda: _text(one) == f"and more\ntyped\n{TEXT}")
            assert _text(two) == f"{TEXT}saved\n"
            await trio.to_thread.run_sync(_goes_on, one, two)
            await ann.until(lambda: file.content == f"and more\ntyped\n{TEXT}saved\n")
            file.edit((0, 0, "again "))
            assert await ann.flush() == []
            await trio.to_thread.run_sync(_is_reader, one, two)
            file.edit((0, 0, "reader "))  # whether it has heard of that or not
            await ann.flush()
            await ann.until(lambda: "reader" not in file.content)
            file.edit((0, 0, "reader "))
            (error,) = await ann.flush()
            assert READS in error
            await ann.until(lambda: file.content == f"again and more\ntyped\n{TEXT}saved\n")

    with _pair(tmp_path) as (one, two):
        two.cli("folder", "pause", str(two.dir))
        (two.dir / "a.txt").write_text(f"{TEXT}saved\n")
        trio.run(test)
        assert _text(one) == _text(two)


def test_who_becomes_a_reader_while_an_editor_is_open(tmp_path: Path) -> None:
    async def test() -> None:
        async with connect(two.home / "control.sock") as here, here.open(str(two.dir / "a.txt")) as file:
            with trio.fail_after(20):
                while file.is_reader is None:
                    await file.changed()
                assert (file.is_reader, file.note) == (False, "")
                await trio.to_thread.run_sync(_is_reader, one, two)
                while not file.is_reader:
                    await file.changed()
            assert READS in file.note
            with trio.fail_after(20):
                await trio.to_thread.run_sync(one.cli, "device", "role", "two", "member")
                while file.is_reader:
                    await file.changed()
            assert file.note == ""

    with _pair(tmp_path) as (one, two):
        trio.run(test)


def test_an_editor_of_lsp_is_told(tmp_path: Path) -> None:
    """What it saves while the folder is paused is there once; what a reader saves is its own."""
    pytest.importorskip("pygls.lsp", reason="the package pygls is not installed: pip install 'yp2p[lsp]'")
    from lsp.test_lsp import open_editor

    async def until(condition: Callable[[], bool]) -> None:
        await asyncio.to_thread(eventually, condition)

    async def test() -> None:
        async with open_editor(two, "a.txt") as here:
            await until(lambda: any(PAUSED in said for said in here.said))
            here.type(f"typed\n{here.text}")
            await until(lambda: _text(one) == f"typed\n{TEXT}")
            (one.dir / "a.txt").write_text(f"typed\n{TEXT}of the other\n")
            await until(lambda: here.text == f"typed\n{TEXT}of the other\n")
            (two.dir / "a.txt").write_text(here.text)
            here.type(f"{here.text}at last\n")
            await until(lambda: "at last" in _text(one))
            await asyncio.to_thread(_goes_on, one, two)
            assert _text(one) == _text(two) == here.text == f"typed\n{TEXT}of the other\nat last\n"
            await asyncio.to_thread(_is_reader, one, two)
            await until(lambda: any(READS in said for said in here.said))
            here.type(f"its own\n{here.text}")
            (one.dir / "a.txt").write_text(f"{_text(one)}end\n")
            await until(lambda: here.text == f"its own\ntyped\n{TEXT}of the other\nat last\nend\n")
            await until(lambda: _text(two) == _text(one))
            (two.dir / "a.txt").write_text(here.text)
            await until(lambda: two.status()["folders"][0]["local_changes"] != [])
        assert _text(two).startswith("its own\n")
        assert _text(one) == f"typed\n{TEXT}of the other\nat last\nend\n"

    with _pair(tmp_path) as (one, two):
        two.cli("folder", "pause", str(two.dir))
        asyncio.run(test())
