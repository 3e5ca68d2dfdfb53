"""What is saved when the daemon went while texts were on their way: nothing is lost, and nothing is there twice."""

from __future__ import annotations

import random
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from yp2p.client import Received
from yp2p.client.screen import Screen
from yp2p.documents.diff import Hunk, apply_hunks
from yp2p.editors import messages
from yp2p.editors.open_file import OpenFile
from yp2p.editors.rescue import Unsaved, save
from yp2p.editors.stored import Stored
from yp2p.editors.view import View
from yp2p.errors import FileUnavailable, UsageError


class Document:
    """A `File` whose daemon stores what it is told to, and answers when it is told to."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = str(path)
        self.text = text
        self.unstored = 0
        self.is_connected = True
        self.awareness = ()
        self.answers = trio.Event()
        self.screen = Screen(lambda: 0.0)

    def __str__(self) -> str:
        return self.text

    def edit(self, start: int, stop: int, text: str) -> None:
        self.text = apply_hunks(self.text, [Hunk(start, stop, text)])
        self.unstored += 1

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def flush(self) -> None:
        unstored = self.unstored
        await self.answers.wait()
        self.unstored -= unstored


def _opened(path: Path, text: str) -> tuple[OpenFile, Any]:
    file = OpenFile(
        path.as_uri(), View(text, is_neovim=False), name="me", wake=lambda: None, make=lambda path, text: None
    )
    document: Any = Document(path, text)
    file._attach(document)
    file.may_send = True
    return file, document


def _others_write(file: OpenFile, document: Any, at: int, text: str) -> None:
    hunk = Hunk(at, at, text)
    document.text = apply_hunks(document.text, [hunk])
    file._received(Received((hunk,)))
    assert file.next_messages()


def _type(file: OpenFile, revision: int, line: int, character: int, text: str) -> None:
    place = messages.Place(line, character)
    file.edit(messages.Edit(file.uri, revision, [messages.Replacement(messages.Range(place, place), text)]))


async def test_what_others_wrote_is_not_put_in_again(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    file, document = _opened(path, "title\n")
    _others_write(file, document, 6, "a colleague's paragraph\n")
    path.write_text(document.text)
    document.is_connected = False
    _type(file, 1, 2, 0, "mine\n")
    save(file.unsaved())
    assert path.read_text() == "title\na colleague's paragraph\nmine\n"


@pytest.mark.parametrize("count", range(6))
async def test_what_was_stored_before_that_was_answered_is_not_put_in_again(tmp_path: Path, count: int) -> None:
    """However much of a word it is, and what others wrote before and behind it."""
    path = tmp_path / "a.md"
    file, document = _opened(path, "title\nend\n")
    for number, character in enumerate("hello"):
        if number == count:
            path.write_text(document.text)  # what the daemon had when it went
            document.is_connected = False
        _type(file, 0, 0, 5 + number, character)
    if count == 5:
        path.write_text(document.text)
    _others_write(file, document, 0, "first\n")
    path.write_text("first\n" + path.read_text())
    save(file.unsaved())
    assert path.read_text() == "first\ntitlehello\nend\n"


async def test_what_others_wrote_is_left_out_where_the_disk_does_not_have_it_yet(tmp_path: Path) -> None:
    """The daemon has it, and writes it when it is back."""
    path = tmp_path / "a.md"
    path.write_text("title\n")
    file, document = _opened(path, "title\n")
    _others_write(file, document, 6, "a colleague's paragraph\n")
    document.is_connected = False
    _type(file, 1, 0, 0, "my ")
    save(file.unsaved())
    assert path.read_text() == "my title\n"


async def test_what_is_saved_into_a_text_that_took_the_place_stands_in_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("text again\n")
    assert save(Unsaved(str(path), ("text\n",), "xtext\n")) is None
    assert sorted(path.read_text().splitlines()) == ["text again", "xtext"]


@pytest.mark.parametrize("has_it", [False, True])
async def test_what_no_document_has_is_written_into_the_one_that_takes_its_place(tmp_path: Path, has_it: bool) -> None:
    """A daemon that refuses a document has taken an edit of it, or has not: nobody knows here."""
    file, document = _opened(tmp_path / "a.md", "one\ntwo\n")
    _type(file, 0, 0, 0, "mine\n")
    assert document.unstored
    other: Any = Document(tmp_path / "a.md", "mine\none\ntwo\nthree\n" if has_it else "one\ntwo\nthree\n")
    file._attach(other)
    assert other.text == "mine\none\ntwo\nthree\n"
    assert file.unsaved() is not None or has_it
    file._attach(Document(tmp_path / "a.md", other.text))
    assert file.unsaved() == Unsaved(str(tmp_path / "a.md"), (other.text,), other.text), "it is stored now"


async def test_what_was_answered_is_known(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    file, document = _opened(tmp_path / "a.md", "text\n")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file._stored.follow, document)
        _type(file, 0, 0, 0, "one ")
        await trio.testing.wait_all_tasks_blocked()
        _type(file, 0, 0, 4, "two ")
        unsaved = file.unsaved()
        assert unsaved is not None
        assert unsaved.known == ("text\n", "one text\n")
        document.answers.set()
        await trio.testing.wait_all_tasks_blocked()
        unsaved = file.unsaved()
        assert unsaved is not None
        assert unsaved.known == ("one text\n",)
        await trio.sleep(1)
        unsaved = file.unsaved()
        assert unsaved is not None
        assert unsaved.known == ("one two text\n",)
        assert file._stored.is_all(unsaved.text)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("seed", range(200))
def test_each_text_that_may_be_stored_has_all_of_others_and_the_first_edits(seed: int) -> None:
    """Every change is of letters of its own, so it can be told what a text has."""
    rng = random.Random(seed)
    stored, text = Stored(), "....."
    stored.become_all()
    own: list[str] = []
    for number in range(rng.randint(1, 12)):
        start = rng.randint(0, len(text))
        stop = min(len(text), start + rng.choice([0, 1, 2])) if seed % 2 else start
        new = chr(ord("a") + number) if rng.random() < 0.5 else chr(ord("A") + number)
        hunk = Hunk(start, stop, new)
        if new.islower():
            stored.edit(text, [hunk], is_connected=True)
            own.append(new)
        else:
            hunk = Hunk(start, start, new)  # what others remove may be what was typed
            stored.receive([hunk])
        text = apply_hunks(text, [hunk])
        texts = stored.texts(text)
        others = set(filter(str.isupper, text))
        for count, known in enumerate(texts):
            assert others <= set(known)
            has = set(filter(str.islower, known))
            assert has <= set(own[:count]) if seed % 2 else has == set(own[:count])
        assert stored.is_all(text) == (text == texts[0])


def test_where_somebody_else_saved_nothing_of_either_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("hello there all")
    save(Unsaved(str(path), ("", "hello"), "hello world"))
    text = path.read_text()
    assert "there all" in text
    assert "world" in text


@pytest.mark.parametrize("what", ["file", "nothing"])
async def test_edits_that_waited_are_saved_where_the_file_cannot_be_opened(tmp_path: Path, what: str) -> None:
    """The daemon comes back, and says so, a while after the editor was told that the file is open."""
    path = tmp_path / "a.md"

    def refuse(path: str, text: str) -> None:
        raise FileUnavailable(f"{path} cannot be made")

    file = OpenFile(path.as_uri(), View("text\n", is_neovim=False), name="me", wake=lambda: None, make=refuse)
    _type(file, 0, 0, 0, "one ")
    _type(file, 0, 0, 4, "two ")
    if what == "file":
        path.write_text("text\nmore\n")
    await file._without(FileUnavailable("it is no text here", is_later=False))
    assert file.reason
    with pytest.raises(UsageError, match="is not open"):
        _type(file, 0, 0, 0, "three ")
    save(file.unsaved())
    assert path.read_text() == "one two text\n" + ("more\n" if what == "file" else "")


def test_what_can_be_in_no_file_is_refused_at_once_also_while_edits_wait(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    file = OpenFile(path.as_uri(), View("text\n", is_neovim=False), name="me", wake=lambda: None, make=lambda *_: None)
    with pytest.raises(UsageError, match="NUL"):
        _type(file, 0, 0, 0, "\0")
    _type(file, 0, 0, 1, "a")  # behind it in the editor
    document: Any = Document(path, "text\n")
    file._attach(document)
    assert document.text == "atext\n"

    only_read = OpenFile(
        path.as_uri(), View("text\n", is_neovim=False), name="me", wake=lambda: None, make=lambda *_: None
    )
    only_read.hindrances.refusal = "this device may only read"
    with pytest.raises(UsageError, match="may only read"):
        _type(only_read, 0, 0, 0, "b")
    only_read._attach(document)
    assert document.text == "atext\n"
