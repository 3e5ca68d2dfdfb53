"""A program's own document with a provider: it converges, and no byte of a peer reaches the library unchecked."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing
from conditions import until
from documents.test_provider import Document, Pipe, pipes
from pycrdt import Array, Doc, Map, Text, UndoManager
from pycrdt import Provider as StockProvider

from yp2p.documents.provider import Provider
from yp2p.documents.shared import SharedText
from yp2p.errors import InvalidUpdate, UsageError
from yp2p.protocol import channel as wire


def _made(client: int, name: str = "content") -> tuple[Doc[Any], Text]:
    doc: Doc[Any] = Doc(client_id=client)
    return doc, doc.get(name, type=Text)


def _stock(doc: Doc[Any], pipe: Pipe) -> StockProvider:
    return StockProvider(doc, pipe)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", [Provider, _stock], ids=["ours", "stock"])
async def test_two_documents_of_the_library_converge(other: Callable[[Doc[Any], Pipe], Any]) -> None:
    rng = random.Random(3)
    (one, text_one), (two, text_two) = _made(1), _made(2)
    text_one += "begun by one; "
    text_two += "begun by two; "
    left, right = pipes()
    undo = UndoManager(scopes=[text_one])
    async with Provider(one, left) as provider, other(two, right):
        await provider.synced.wait()
        for _ in range(100):
            text = rng.choice([text_one, text_two])
            # the library counts bytes, so that a place may be in a character
            at = rng.choice([0, len(text)])
            text.insert(at, rng.choice(["a", "é", "😀", "line\n"]))
            if rng.random() < 0.3:
                await trio.lowlevel.checkpoint()
        await until(lambda: str(text_one) == str(text_two))
        assert "begun by one" in str(text_one)
        assert "begun by two" in str(text_one)
        while undo.can_undo():
            undo.undo()
        assert "begun by two" in str(text_one), "what a peer wrote is not undone"
        await until(lambda: str(text_one) == str(text_two))


async def test_one_of_the_library_and_one_of_ours_converge_without_echo() -> None:
    (one, text), two = _made(1, "source"), Document(2)
    two.edit(0, 0, "ours ")
    left, right = pipes()
    async with Provider(one, left), Provider(two, right):
        await until(lambda: str(text) == "ours ")
        text.insert(0, "theirs ")
        await until(lambda: two.replica.text() == "theirs ours ")
        two.edit(0, 0, "more ")
        await until(lambda: str(text) == "more theirs ours ")
    assert [len(m.updates) for m in left.sent if isinstance(m, wire.Updates)] == [1], "no echo"


async def test_a_text_that_is_made_later_gets_what_came_before(autojump_clock: trio.testing.MockClock) -> None:
    one: Doc[Any] = Doc(client_id=1)
    two, text_two = _made(2)
    text_two += "written before; "
    left, right = pipes()
    async with Provider(one, left), Provider(two, right):
        await until(lambda: any(isinstance(message, wire.Step2) for message in right.sent))
        text_two += "and after; "
        await until(lambda: any(isinstance(message, wire.Updates) for message in right.sent))
        text_one = one.get("content", type=Text)
        await until(lambda: str(text_one) == "written before; and after; ")


async def test_what_comes_while_a_transaction_is_open_is_not_lost() -> None:
    (one, text_one), (two, text_two) = _made(1), _made(2)
    left, right = pipes()
    async with Provider(one, left) as provider, Provider(two, right):
        await provider.synced.wait()
        with one.transaction(origin="mine"):
            text_one += "mine "
            text_two += "theirs "
            await until(lambda: "theirs" in str(text_one))
        await until(lambda: str(text_one) == str(text_two))
    assert sorted(str(text_one).split()) == ["mine", "theirs"]


async def test_a_live_file_can_be_on_another_channel_as_well() -> None:
    shared, (two, text) = SharedText(lambda update: None), _made(2, "source")
    left, right = pipes()
    async with Provider(shared.doc, left), Provider(two, right):
        shared.insert(0, "é😀")
        await until(lambda: str(text) == "é😀")
        text += "back"
        await until(lambda: str(shared) == "é😀back")


@pytest.mark.parametrize(
    "update",
    [
        pytest.param(b"nonsense", id="bytes"),
        pytest.param(bytes.fromhex("0100010100"), id="no blocks"),
        pytest.param(bytes.fromhex("010101000801017401") + b"\x75\x01" * 1000 + b"\x7e\x00", id="nested"),
        pytest.param(bytes.fromhex("0101050004010773656372657473016100"), id="another root"),
    ],
)
async def test_what_no_peer_may_send_ends_the_provider_before_the_library_sees_it(update: bytes) -> None:
    doc, text = _made(1)
    text += "text"
    left, right = pipes()
    await right.send(wire.encode(wire.Updates((update,))))
    with trio.fail_after(60), pytest.raises(InvalidUpdate):
        async with Provider(doc, left):
            await trio.sleep_forever()
    assert str(text) == "text"


@pytest.mark.parametrize("kind", [Array, Map])
@pytest.mark.parametrize("is_late", [False, True])
async def test_a_document_with_more_than_a_text_is_refused(kind: type[Any], is_late: bool) -> None:
    doc, _ = _made(1)
    left, right = pipes()

    async def work() -> None:
        doc.get("items", type=kind)
        await right.send(wire.encode(wire.Step1(b"\x00")))
        await trio.sleep_forever()

    if not is_late:
        doc.get("items", type=kind)
    with (
        trio.fail_after(60),
        pytest.raises(UsageError, match=f"one Text, and .* Text 'content', {kind.__name__} 'items'"),
    ):
        async with Provider(doc, left):
            await work()
