"""`yp2p mcp` with the SDK's own client: its tools over a real daemon, and calls that are wrong in every way."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from lab import Device, devices

pytest.importorskip("mcp.server", reason="the package mcp is not installed: pip install 'yp2p[mcp]'")

from mcp import Client, StdioServerParameters
from mcp_types import Implementation

from yp2p.errors import UsageError
from yp2p.mcp.names import Names
from yp2p.mcp.server import make_server
from yp2p.mcp.tools import Tools

TEXT = "one\ntwo\nthree\n"
LOOKING = {"list_files", "search", "read", "history", "diff", "blame", "who"}
CHANGING = {"edit", "edit_files", "create_file", "undo"}


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    with devices(tmp_path_factory.mktemp("mcp"), "one") as (one,):
        (one.dir / "sub").mkdir()
        (one.dir / "a.md").write_text(TEXT)
        (one.dir / "sub/b.txt").write_text("two words\n")
        (one.dir / "picture.bin").write_bytes(bytes(range(256)))
        one.cli("share", str(one.dir))
        one.wait()
        yield one


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def _client(
    device: Device, *, mode: str = "auto", name: str | None = None, read_only: bool = False
) -> AsyncIterator[Client]:
    server = make_server([], name, read_only=read_only, socket=device.home / "control.sock")
    async with Client(server, mode=mode, client_info=Implementation(name="a client", version="1")) as client:
        yield client


async def _ask(client: Client, tool: str, **given: Any) -> dict[str, Any]:
    answer = await client.call_tool(tool, given)
    assert not answer.is_error, answer.content
    assert json.loads(answer.content[0].text) == answer.structured_content  # type: ignore[union-attr]
    found: dict[str, Any] = answer.structured_content  # type: ignore[assignment]
    return found


def _run(test: Any) -> None:
    async def limited() -> None:
        with anyio.fail_after(60):
            await test()

    anyio.run(limited, backend="asyncio")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_client_reads_edits_and_takes_back(mode: str, device: Device) -> None:
    path = device.dir / "a.md"
    path.write_text(TEXT)

    async def test() -> None:
        async with _client(device, mode=mode) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert tools.keys() == LOOKING | CHANGING
            assert all(tool.description and "name" not in tool.input_schema["properties"] for tool in tools.values())
            assert {
                name for name, tool in tools.items() if tool.annotations and tool.annotations.read_only_hint
            } == LOOKING
            assert {
                name for name, tool in tools.items() if tool.annotations and tool.annotations.destructive_hint
            } == CHANGING
            files = (await _ask(client, "list_files"))["files"]
            assert [(one["path"], one["kind"]) for one in files] == [
                ("a.md", "text"), ("picture.bin", "blob"), ("sub/b.txt", "text"),
            ]  # fmt: skip
            assert [one["path"] for one in (await _ask(client, "list_files", glob="**/*.txt"))["files"]] == [
                "sub/b.txt"
            ]
            found = (await _ask(client, "search", text="TWO", ignore_case=True))["lines"]
            assert found == [
                {"path": "a.md", "line": 2, "text": "two"},
                {"path": "sub/b.txt", "line": 1, "text": "two words"},
            ]
            read = await _ask(client, "read", path="a.md")
            assert (read["text"], read["lines"]) == (TEXT, 3)
            part = await _ask(client, "read", path="a.md", first_line=2, last_line=2)
            assert (part["text"], part["version"]) == ("two\n", read["version"])
            path.write_text("zero\n" + TEXT)
            device.wait()
            edit = await _ask(
                client, "edit", path="a.md", version=read["version"], blocks=[{"search": "three", "replace": "THREE"}]
            )
            assert edit["done"]
            assert edit["between"]["authors"] == [{"device": "one", "name": None}]
            assert edit["both"] == edit["not_applied"] == []
            assert path.read_text() == "zero\none\ntwo\nTHREE\n"
            lines = (await _ask(client, "blame", path="a.md", first_line=4))["lines"]
            assert [(one["text"], one["name"]) for one in lines] == [("THREE", "a client")]
            assert (await _ask(client, "history", path="a.md", limit=1))["versions"][0]["writers"] == ["a client"]
            assert "+THREE" in (await _ask(client, "diff", path="a.md", one=read["version"]))["diff"]
            with anyio.fail_after(60):
                while not any(one["name"] == "a client" for one in (await _ask(client, "who"))["here"]):
                    await anyio.sleep(0.1)
            other = await _ask(client, "read", path="sub/b.txt")
            done = await _ask(client, "edit_files", edits=[
                {"path": "a.md", "version": edit["version"], "diff": "@@ -2 +2 @@\n-one\n+ONE\n"},
                {"path": "sub/b.txt", "version": other["version"], "text": "all new\n"},
            ])  # fmt: skip
            assert done["done"]
            assert [(device.dir / one["path"]).read_text() for one in done["files"]] == [
                "zero\nONE\ntwo\nTHREE\n", "all new\n",
            ]  # fmt: skip
            made = await _ask(client, "create_file", path="new/c.md", text="new\n")
            assert (device.dir / "new/c.md").read_text() == "new\n"
            edit = await _ask(client, "edit", path="new/c.md", version=made["version"], text="newer\n")
            assert (await _ask(client, "blame", path="new/c.md"))["lines"][0]["name"] == "a client"
            undone = await _ask(client, "undo", path="")
            assert [one["path"] for one in undone["files"]] == ["a.md", "new/c.md", "sub/b.txt"]
            assert not (device.dir / "new/c.md").exists()
            assert path.read_text() == "zero\n" + TEXT
            assert (device.dir / "sub/b.txt").read_text() == "two words\n"

    _run(test)


def test_who_may_only_read_has_no_tool_that_changes_anything(device: Device) -> None:
    async def test() -> None:
        async with _client(device, read_only=True) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == LOOKING
            assert (await client.call_tool("undo", {"path": ""})).is_error

    _run(test)


def test_what_is_wrong_is_a_sentence(device: Device) -> None:
    async def test() -> None:
        async with _client(device, name="bot") as client:
            version = (await _ask(client, "read", path="a.md"))["version"]
            for tool, given, words in [
                ("read", {"path": "none.md"}, "there is no file"),
                ("read", {"path": "/etc/passwd"}, "is in no folder that can be seen"),
                ("read", {"path": "../../etc/passwd"}, "is in no folder that can be seen"),
                ("read", {"path": "picture.bin"}, "is not a text file"),
                ("read", {"path": ""}, "is the folder itself"),
                ("read", {"path": "a\0b"}, "no NUL"),
                ("edit", {"path": "a.md", "version": "1-0000000000000000", "text": ""}, "is not kept here any more"),
                ("edit", {"path": "a.md", "version": "x", "text": ""}, "is no version"),
                ("edit", {"path": "a.md", "version": version}, "either its whole text"),
                ("edit", {"path": "a.md", "version": version, "text": "a\0"}, "NUL"),
                ("edit", {"path": "a.md", "version": version, "diff": "none"}, "no hunk"),
                ("edit", {"path": "a.md", "version": version, "text": "\ud800"}, ""),
                ("edit", {"path": "sub/b.txt", "version": version, "text": ""}, "is of another file"),
                ("diff", {"path": "a.md", "one": "none"}, "is no version"),
                ("list_files", {"folder": "other"}, "no folder 'other'"),
                ("list_files", {"limit": 0}, "the limit is 0"),
                ("search", {"text": ""}, "look for a part of one line"),
                ("edit_files", {"edits": []}, "0 files"),
                ("create_file", {"path": "a.md", "text": "x"}, "is there already"),
                ("create_file", {"path": "../x", "text": "x"}, "is in no folder that can be seen"),
                ("create_file", {"path": ".git/hooks/post-commit", "text": "x"}, "reserved name"),
            ]:
                answer = await client.call_tool(tool, given)
                assert answer.is_error, (tool, given)
                said = answer.content[0].text  # type: ignore[union-attr]
                assert words in said, (tool, given, said)
                assert "Traceback" not in said
            assert (device.dir / "a.md").read_text().endswith(TEXT)

    _run(test)


def test_a_name_that_is_no_utf_8_hides_nothing(device: Device) -> None:
    other = device.dir / os.fsdecode(b"sub/caf\xe9.txt")
    other.write_text("two caf\xe9s\n")
    device.wait()

    async def test() -> None:
        async with _client(device, name="bot") as client:
            files = (await _ask(client, "list_files"))["files"]
            assert {"a.md", "sub/b.txt", "sub/caf\\udce9.txt"} <= {one["path"] for one in files}
            lines = (await _ask(client, "search", text="two caf"))["lines"]
            assert lines == [{"path": "sub/caf\\udce9.txt", "line": 1, "text": "two caf\xe9s"}]
            changes = (await _ask(client, "history", path=""))["versions"]
            assert any(
                "sub/caf\\udce9.txt" in json.dumps(one, ensure_ascii=False).replace("\\\\", "\\") for one in changes
            )
            assert (await client.call_tool("read", {"path": "sub/caf\\udce9.txt"})).is_error

    try:
        _run(test)
    finally:
        other.unlink()
        device.wait()


def test_any_call_is_answered(device: Device) -> None:
    """Fields of every kind in every place, missing and unknown ones: an answer or a sentence, and it goes on."""
    rng = random.Random(1)
    words: list[Any] = [
        "a.md", "sub", "sub/b.txt", "picture.bin", "", ".", "..", "/", "\0", "é😀", "x" * 5000, "1-0123456789abcdef",
        "7", "@@ -1 +1 @@\n-x\n+y\n",
        -1, 0, 1, 10**30, 1.5, float("1e300"), True, None, [], {}, [[]], [{"search": "two", "replace": "\0"}],
        [{"path": "a.md", "version": "1-0123456789abcdef", "text": "x"}], {"a": {"b": [1]}}, "*" * 400,
    ]  # fmt: skip

    async def test() -> None:
        async with _client(device, name="fuzz") as client:
            tools = (await client.list_tools()).tools
            for _ in range(400):
                tool = rng.choice(tools)
                names = [*tool.input_schema["properties"], "unknown"]
                given = {name: rng.choice(words) for name in rng.sample(names, rng.randint(0, len(names)))}
                answer = await client.call_tool(tool.name, given)
                said = "".join(part.text for part in answer.content)  # type: ignore[union-attr]
                assert "Traceback" not in said
                assert said != f"Error executing tool {tool.name}", (tool.name, given)
            assert (await _ask(client, "list_files"))["files"]
        assert (device.dir / "a.md").read_text().endswith(TEXT)

    _run(test)


def test_over_standard_input_and_output_as_clients_start_it(device: Device) -> None:
    run = "from yp2p.cli.main import main; main()"
    arguments = ["-c", run, "mcp", "--folder", device.dir.name, "--read-only"]
    server = StdioServerParameters(command=sys.executable, args=arguments, env=device.environment)

    async def test() -> None:
        async with Client(server) as client:
            assert client.server_info is not None
            assert client.server_info.name == "yp2p"
            assert (await _ask(client, "read", path="sub/b.txt"))["text"] == "two words\n"

    _run(test)


def _names(*wanted: str, same: bool = False) -> Names:
    labels = ("notes", "notes" if same else "code")
    folders = [
        {"label": label, "id": str(number) * 32, "path": f"/home/me/{number}"} for number, label in enumerate(labels, 1)
    ]
    return Names(lambda: {"folders": folders}, wanted)


def test_paths_name_the_folder_where_there_are_several() -> None:
    assert _names().absolute("code/src/a.py") == "/home/me/2/src/a.py"
    assert _names().absolute("/home/me/1/a.md") == "/home/me/1/a.md"
    assert _names("code").absolute("src/a.py") == "/home/me/2/src/a.py"
    assert _names("/home/me/2").absolute("./src//a.py") == "/home/me/2/src/a.py"
    assert _names(same=True).absolute("22222222/a.md") == "/home/me/2/a.md"
    for path in ("a.md", "", "code/../../x", "/home/me/3/a.md", "/home/me/1/../x", "notes2/a"):
        with pytest.raises(UsageError):
            _names().absolute(path)
    with pytest.raises(UsageError):
        _names("code").absolute("/home/me/1/a.md")
    with pytest.raises(UsageError, match="no folder is called 'none'"):
        _names("none").folders()


@pytest.mark.parametrize(
    "labels",
    [
        ("notes", "team/wiki"), ("team", "team/wiki"), ("22222222/sub", "a"), ("2" * 32, "a"), ("2" * 32 + "/sub", "a"),
        ("notes", "notes"), ("..", "/home/me/1"), ("a/../b", "."), ("a//b", "a/b"), ("", "x/"),
    ],
)  # fmt: skip
def test_what_is_shown_of_a_file_is_that_file_when_it_comes_back(labels: tuple[str, str]) -> None:
    asked: list[tuple[str, Any]] = []

    def call(method: str, path: str, body: Any) -> Any:
        asked.append((path, body))
        if path == "/v1/status":
            places = [("notes", "3", "x"), *((label, str(n), str(n)) for n, label in enumerate(labels, 1))]
            return {
                "folders": [
                    {"label": label, "id": number * 32, "path": f"/home/me/{root}"} for label, number, root in places
                ]
            }
        if path == "/v1/files":
            files = [{"path": f"{name}a.md"} for name in ("", "sub/", "wiki/", "b/") for _ in range(100)]
            return {"files": files, "more": False}
        return {"text": "", "version": "1-0"}

    tools = Tools(call, Names(lambda: call("GET", "/v1/status", None)))
    for folder in Names(lambda: call("GET", "/v1/status", None)).folders():
        asked.clear()
        files = tools.list_files(folder.name)["files"]
        assert [path for path, _ in asked] == ["/v1/status", "/v1/files"], "it asks once, however many files there are"
        assert asked[1][1]["folder"] == folder.id
        for number, inside in ((0, "a.md"), (100, "sub/a.md"), (200, "wiki/a.md"), (300, "b/a.md")):
            tools.read(files[number]["path"], "me")
            assert asked[-1][1]["path"] == f"{folder.root}/{inside}"
        assert not os.path.isabs(folder.name)


def test_a_label_without_another_meaning_is_the_name() -> None:
    folders = [
        {"label": label, "id": str(number) * 32, "path": f"/{number}"}
        for number, label in enumerate(["team/wiki", "teams", "notes"], 1)
    ]
    names = Names(lambda: {"folders": folders})
    assert [one.name for one in names.folders()] == ["team/wiki", "teams", "notes"]
    assert names.absolute("team/wiki/sub/a.md") == "/1/sub/a.md"
    for path in ("team", "team/a.md", "team/wiki2/a.md"):
        with pytest.raises(UsageError, match="no folder 'team' can be seen"):
            names.absolute(path)


def test_without_the_package_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path
) -> None:
    from yp2p.cli.main import main

    for name in [name for name in sys.modules if name.startswith("yp2p.mcp.s")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("yp2p.mcp.server", raising=False)
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    monkeypatch.setattr(sys, "argv", ["yp2p", "mcp"])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 1
    assert "pip install 'yp2p[mcp]'" in capsys.readouterr().err
