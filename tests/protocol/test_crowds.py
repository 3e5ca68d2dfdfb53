"""How many clients a document may have, and how alike they may be."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from yp2p.documents.diff import Hunk
from yp2p.documents.text import TextReplica
from yp2p.errors import HistoriesDiffer
from yp2p.protocol.clients import Writer
from yp2p.protocol.crowds import MAX_DOCUMENT_CLIENTS, check_crowd
from yp2p.protocol.state_vectors import MAX_VECTOR_CLIENTS
from yp2p.protocol.wire import write_varint


def _row(clients: list[int]) -> bytes:
    """One character of each, behind that of the one before."""
    out = [write_varint(len(clients))]
    for number, client in enumerate(clients):
        head = b"\x84" + write_varint(clients[number - 1]) + b"\x00" if number else b"\x04\x01\x06source"
        out.append(b"\x01" + write_varint(client) + b"\x00" + head + b"\x01x")
    return b"".join(out) + b"\x00"


def _fill(text: TextReplica, clients: list[int]) -> None:
    for start in range(0, len(clients), 128):
        text.receive(_row(clients[start : start + 128]))


_ALIKE: dict[str, Callable[[int], int]] = {
    "all lower bits": lambda number: (number << 32) + (1 << 31),
    "twelve bits": lambda number: (number << 12) + 77,
    "in 32 places": lambda number: (number // 32 << 32) + ((number % 32) << 20),
    "side by side": lambda number: (number // 128 << 32) + number % 128,
    "of kinds of writers": lambda number: Writer(number % 3).client_id((number // 3) << 16),
}


@pytest.mark.parametrize("alike", _ALIKE)
def test_clients_that_the_library_cannot_tell_apart_are_no_history_of_a_text(alike: str) -> None:
    """Each change of a text with 4096 of them took the library 80 ms, with twice as many four times as long."""
    text = TextReplica(5)
    text.edit([Hunk(0, 0, "own")])
    clients = [_ALIKE[alike](number) for number in range(8192)]
    with pytest.raises(HistoriesDiffer, match="in common"):
        _fill(text, clients)
    assert 512 <= text.size() < 8192
    assert text.edit([Hunk(0, 0, "y")]) is not None, "who wrote there goes on"


@pytest.mark.parametrize("count", [513, 4096, 20_000, MAX_DOCUMENT_CLIENTS])
def test_clients_that_were_drawn_are_never_too_alike(count: int) -> None:
    rng = random.Random(count)
    kinds = [Writer.SAVED.client_id, Writer.TYPED.client_id, lambda number: number << 21 | rng.getrandbits(21)]
    for kind in kinds:
        drawn = {kind(rng.getrandbits(32)): 1 for _ in range(count - 1)}
        check_crowd([kind(rng.getrandbits(32))], drawn)
        check_crowd(drawn, {})
        check_crowd(drawn, drawn)
    check_crowd(range(count), {})  # one after the other, as tests and some programs have them


def test_a_document_has_as_many_clients_as_fit_a_state_vector() -> None:
    """One more, and no device could say what it has: who tried would be taken for an attacker."""
    assert MAX_DOCUMENT_CLIENTS == MAX_VECTOR_CLIENTS
    known = dict.fromkeys(random.Random(1).sample(range(1 << 52), MAX_DOCUMENT_CLIENTS), 1)
    check_crowd(list(known)[:10], known)
    with pytest.raises(HistoriesDiffer, match="more than 32768"):
        check_crowd([1 << 52], known)


@pytest.mark.parametrize("seed", range(5))
def test_of_clients_that_a_document_may_have_it_may_have_any_part(seed: int) -> None:
    """Devices get them in any order: one that took all of them, and one that would not, would never be equal again."""
    rng = random.Random(seed)
    alike = [_ALIKE[name](number) for name in _ALIKE for number in range(rng.choice((100, 400, 700)))]
    clients = list(dict.fromkeys([*alike, *(rng.getrandbits(52) for _ in range(5000))]))
    rng.shuffle(clients)
    taken: dict[int, int] = {}
    for start in range(0, len(clients), 100):
        part = dict.fromkeys(clients[start : start + 100], 1)
        with suppress(HistoriesDiffer):
            check_crowd(part, taken)
            taken |= part
    assert len(taken) > 2000
    for order in (sorted(taken), sorted(taken, key=lambda client: client % 2048), sorted(taken, key=_lowest_last)):
        again: dict[int, int] = {}
        for start in range(0, len(order), 300):
            part = dict.fromkeys(order[start : start + 300], 1)
            check_crowd(part, again)
            again |= part


def _lowest_last(client: int) -> tuple[int, int]:
    return -(client & 0xFFFF), client
