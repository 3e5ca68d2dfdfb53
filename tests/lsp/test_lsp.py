"""`yp2p lsp` as an editor has it: with pygls' own client, which keeps its text as editors do, over a real daemon."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from lab import Device, devices, unexpected_lines

pytest.importorskip("pygls.lsp", reason="the package pygls is not installed: pip install 'yp2p[lsp]'")

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from yp2p.documents.diff import hunks
from yp2p.lsp.places import UTF8, UTF16, UTF32, Change, Place, changed, placed

RUN = "from yp2p.cli.main import main; main()"
TEXT = "one 😀\ntwo\nthree\n"
EDITS = int(os.environ.get("YP2P_LSP_EDITS", "300"))


class Editor:
    """An editor with one file open: what it shows, and the version of that. It refuses what is made of another one."""

    def __init__(self, path: Path, encoding: str) -> None:
        self.uri = path.as_uri()
        self.encoding = encoding
        self.text, self.version = path.read_text(encoding="utf-8-sig"), 1  # no editor shows a byte order mark
        self.client = LanguageClient("test editor", "1")
        self.taken = self.refused = self.hinted = 0
        self.is_busy = False
        self.said: list[str] = []
        self.client.feature(types.WORKSPACE_APPLY_EDIT)(lambda params: self._apply(params))
        self.client.feature(types.WORKSPACE_INLAY_HINT_REFRESH)(lambda params: self._hint())
        self.client.feature(types.WINDOW_SHOW_MESSAGE)(lambda params: self.said.append(params.message))

    def _hint(self) -> None:
        self.hinted += 1

    def _apply(self, params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
        (edit,) = params.edit.document_changes or ()
        assert isinstance(edit, types.TextDocumentEdit)
        assert edit.text_document.uri == self.uri
        if edit.text_document.version != self.version or self.is_busy:
            self.refused += 1
            return types.ApplyWorkspaceEditResult(applied=False)
        self.taken += 1
        self.take(edit.edits)
        return types.ApplyWorkspaceEditResult(applied=True)

    def take(self, edits: Any) -> None:
        changes = [_change(one) for one in edits]
        self._show(changed(self.text, sorted(changes, key=_start, reverse=True), self.encoding))

    def type(self, new: str) -> None:
        self._show(new)

    def _show(self, new: str) -> None:
        """Change the text, and tell the server, as editors do for whoever changed it."""
        before, self.text, self.version = self.text, new, self.version + 1
        changes = [
            types.TextDocumentContentChangePartial(types.Range(_position(one.start), _position(one.stop)), one.text)
            for one in reversed(placed(before, hunks(before, new), self.encoding))
        ]
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(self.version, self.uri), changes)
        )

    async def ask(self, command: str) -> Any:
        return await self.client.workspace_execute_command_async(types.ExecuteCommandParams(command, [self.uri]))


def _change(one: Any) -> Change:
    start, stop = one.range.start, one.range.end
    return Change(one.new_text, Place(start.line, start.character), Place(stop.line, stop.character))


def _start(one: Change) -> tuple[int, int]:
    assert one.start is not None
    return one.start.line, one.start.character


def _position(place: Place | None) -> types.Position:
    assert place is not None
    return types.Position(place.line, place.character)


@asynccontextmanager
async def open_editor(
    device: Device, file: str, encoding: str = UTF16, *, name: str = "test editor"
) -> AsyncIterator[Editor]:
    """An editor that shows a file of a device."""
    editor = Editor(device.dir / file, encoding)
    environment = os.environ | device.environment
    await editor.client.start_io(sys.executable, "-c", RUN, "lsp", "--as", f"editor of {device.name}", env=environment)
    general = types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind(encoding)])
    workspace = types.WorkspaceClientCapabilities(
        apply_edit=True, inlay_hint=types.InlayHintWorkspaceClientCapabilities(refresh_support=True)
    )
    answer = await editor.client.initialize_async(
        types.InitializeParams(
            types.ClientCapabilities(general=general, workspace=workspace),
            client_info=types.ClientInfo(name),
        )
    )
    assert answer.capabilities.position_encoding == encoding
    editor.client.initialized(types.InitializedParams())
    document = types.TextDocumentItem(editor.uri, "text", editor.version, editor.text)
    editor.client.text_document_did_open(types.DidOpenTextDocumentParams(document))
    try:
        yield editor
    finally:
        await editor.client.shutdown_async(None)
        editor.client.exit(None)
        await editor.client.stop()


async def _until(condition: Callable[[], bool], limit_s: float = 30) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.02)


def _shared(one: Device, two: Device | None = None) -> None:
    (one.dir / "a.md").write_text(TEXT)
    if two is not None:
        two.join(one)
    else:
        one.cli("share", str(one.dir))
    for device in (one, two):
        if device is not None:
            device.wait()


@pytest.mark.parametrize("encoding", [UTF16, UTF8, UTF32])
def test_an_editor_is_live_both_ways(tmp_path: Path, encoding: str) -> None:
    async def test(one: Device) -> None:
        path = one.dir / "a.md"
        async with open_editor(one, "a.md", encoding) as editor, open_editor(one, "a.md") as other:
            editor.type(editor.text.replace("one 😀", "one 😀 漢 x").replace("two", "two 漢😀"))
            await _until(lambda: path.read_text() == editor.text == other.text)
            other.type(other.text.replace(" x", " xy"))
            await _until(lambda: path.read_text() == editor.text == other.text)
            path.write_text(path.read_text() + "saved by another program\n")
            await _until(lambda: "saved by another program" in editor.text and editor.text == other.text)
            await _until(lambda: editor.hinted > 0)
            wanted = types.Range(types.Position(0, 0), types.Position(9, 0))
            params = types.InlayHintParams(types.TextDocumentIdentifier(editor.uri), wanted)
            await editor.client.text_document_inlay_hint_async(params)
            assert any("test editor" in line or "one" in line for line in await editor.ask("yp2p.blame"))
            assert len(await editor.ask("yp2p.log")) >= 1
            assert await editor.ask("yp2p.undoMine")
            await _until(lambda: path.read_text() == editor.text == other.text)

    with devices(tmp_path, "one") as (one,):
        _shared(one)
        asyncio.run(test(one))
        assert not unexpected_lines(one)


@pytest.mark.parametrize("name", ["Neovim", "another editor"])
def test_an_editor_that_tells_first_is_given_what_others_wrote_before_it_saves(tmp_path: Path, name: str) -> None:
    async def test(one: Device) -> None:
        path = one.dir / "a.md"
        async with open_editor(one, "a.md", name=name) as editor:
            editor.type(editor.text + "typed\n")
            await _until(lambda: path.read_text() == editor.text)
            editor.is_busy = True  # it refuses what comes by itself
            path.write_text(path.read_text() + "saved by another program\n")
            await _until(lambda: editor.refused > 0)
            params = types.WillSaveTextDocumentParams(
                types.TextDocumentIdentifier(editor.uri), types.TextDocumentSaveReason.Manual
            )
            edits = await editor.client.text_document_will_save_wait_until_async(params)
            if name != "Neovim":
                assert edits is None
                return
            assert edits, "nothing is to be changed"
            editor.take(edits)
            assert editor.text == TEXT + "typed\nsaved by another program\n"
            path.write_text(editor.text)
            editor.type("and more\n" + editor.text)
            await _until(lambda: path.read_text() == editor.text)
            assert editor.text == "and more\n" + TEXT + "typed\nsaved by another program\n"

    with devices(tmp_path, "one") as (one,):
        _shared(one)
        asyncio.run(test(one))
        assert not unexpected_lines(one)


@pytest.mark.long
def test_what_is_typed_and_saved_while_no_daemon_runs_is_there_once(tmp_path: Path) -> None:
    """Also where the last of it was not saved, and another device has changed the file meanwhile."""

    async def test(one: Device, two: Device) -> None:
        path = one.dir / "a.md"
        async with open_editor(one, "a.md", name="Neovim") as editor:
            editor.type(editor.text + "typed\n")
            await _until(lambda: path.read_text() == (two.dir / "a.md").read_text() == editor.text)
            for number in range(2):
                await asyncio.to_thread(one.kill)
                (two.dir / "a.md").write_text(f"of another device {number}\n" + (two.dir / "a.md").read_text())
                await asyncio.to_thread(two.wait)
                editor.type(editor.text + f"mor {number}\n")
                path.write_text(editor.text)
                editor.type(editor.text.replace("mor ", "more "))
                editor.type(editor.text + "not saved\n")
                wanted = f"of another device {number}\n" + editor.text
                await asyncio.to_thread(one.start)
                await _until(lambda: editor.text == path.read_text() == (two.dir / "a.md").read_text() == wanted)  # noqa: B023
        assert editor.said == []

    with devices(tmp_path, "one", "two") as (one, two):
        _shared(one, two)
        asyncio.run(test(one, two))
        for device in (one, two):
            assert not device.call("GET", "/v1/notices")


@pytest.mark.long
def test_two_editors_and_a_disk_have_everything_once(tmp_path: Path) -> None:
    rng = random.Random(1)

    def inserted(text: str, what: str) -> str:
        lines = text.splitlines(keepends=True)
        lines.insert(rng.randint(0, len(lines)), what)
        return "".join(lines)

    async def test(one: Device, two: Device) -> None:
        async with open_editor(one, "a.md") as here, open_editor(two, "a.md", UTF8) as there:
            for number in range(EDITS):
                who = rng.choice([here, there])
                who.type(inserted(who.text, f"😀 <{number}> 😀\n"))
                await asyncio.sleep(rng.choice([0, 0, 0.002, 0.02]))
            await _until(lambda: here.text == there.text and len(here.text.splitlines()) == EDITS + 3, 60)
            for number in range(EDITS):
                assert here.text.count(f"😀 <{number}> 😀\n") == 1
            await _until(lambda: all((d.dir / "a.md").read_text() == here.text for d in (one, two)))
            assert here.said == there.said == []
            refused = here.refused, there.refused
            print(f"\n{EDITS} edits; offers taken: {here.taken} and {there.taken}; refused: {refused}")
            assert here.refused + there.refused, "nothing was ever refused: that was no test"

    with devices(tmp_path, "one", "two") as (one, two):
        _shared(one, two)
        asyncio.run(test(one, two))


@pytest.mark.long
def test_a_byte_order_mark_is_not_shown_and_stays(tmp_path: Path) -> None:
    async def test() -> None:
        async with open_editor(one, "a.md") as here, open_editor(one, "a.md", UTF8) as there:
            here.type("typed " + here.text)
            await _until(lambda: there.text == "typed one\ntwo\n")
            there.type(there.text + "three\n")
            there.type(there.text.replace("typed", "written"))
            wanted = "written one\ntwo\nthree\n"
            await _until(lambda: here.text == wanted)
            await _until(lambda: (one.dir / "a.md").read_text() == "\ufeff" + wanted)
            assert there.text == wanted

    with devices(tmp_path, "one") as (one,):
        (one.dir / "a.md").write_text("\ufeffone\ntwo\n")
        one.cli("share", str(one.dir))
        one.wait()
        asyncio.run(test())
