"""What reading an update takes of the memory: a small number of times its bytes, and never more than some megabytes."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable, Iterator

import pytest

from yp2p.protocol.insertions import Insertion
from yp2p.protocol.update_parts import in_parts
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import MAX_BLOCKS, MAX_CLIENTS, MAX_DELETED_RANGES, Shape, UpdateParser, check

_MIB = 1 << 20


def _pieces() -> bytes:
    """As many insertions as an update may have, each behind the first character."""
    behind = b"\x84" + write_varint(9) + b"\x00\x01x"
    return (
        b"\x01" + write_varint(MAX_BLOCKS) + write_varint(9) + b"\x00\x04\x01\x06source\x01x"
        + behind * (MAX_BLOCKS - 1) + b"\x00"
    )  # fmt: skip


def _removed() -> bytes:
    """An insertion, and the removal of every second character."""
    numbers = b"".join(write_varint(2 * number) + b"\x01" for number in range(MAX_DELETED_RANGES))
    gone = b"\x01" + write_varint(9) + write_varint(MAX_DELETED_RANGES) + numbers
    return Insertion.of(9, "ab" * MAX_DELETED_RANGES).update[:-1] + gone


def _clients() -> bytes:
    """As many clients as an update may have, each behind the one before, with as many pieces as it may have."""
    each = MAX_BLOCKS // MAX_CLIENTS
    out = [write_varint(MAX_CLIENTS)]
    for number in range(MAX_CLIENTS):
        client = 1000 + number
        out.append(write_varint(each) + write_varint(client) + b"\x00")
        out.append((b"\x84" + write_varint(client - 1) + b"\x00\x01x") * each if number else _first(client, each))
    return b"".join(out) + b"\x00"


def _first(client: int, each: int) -> bytes:
    return b"\x04\x01\x06source\x01x" + (b"\x84" + write_varint(client) + b"\x00\x01x") * (each - 1)


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("make", [_pieces, _removed, _clients])
def test_what_is_read_of_an_update_at_its_caps_is_bounded(make: Callable[[], bytes], traced: None) -> None:
    update = make()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    for _ in in_parts(check(update, Shape.TEXT), {}, Shape.TEXT):
        pass
    _, peak = tracemalloc.get_traced_memory()
    assert peak - before <= 12 * _MIB


def test_what_read_an_update_goes_from_memory_without_the_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        parser = UpdateParser(Insertion.of(9, "text").update, Shape.TEXT)
        parser.parse()
        there = weakref.ref(parser)
        del parser
        assert there() is None
    finally:
        gc.enable()
