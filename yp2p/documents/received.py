"""What others changed in a text, as whoever follows it is told: replacements in code points, and who wrote them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pycrdt import Text

from yp2p.documents.diff import Hunk
from yp2p.protocol.ysync import parse_update


@dataclass(frozen=True, slots=True)
class Received:
    """A change that came from others.

    Attributes:
        changes: replacements in the text as it was right before, in order and without overlap.
        clients: the client IDs that wrote something in it; none where it only removed.
    """

    changes: tuple[Hunk, ...]
    clients: tuple[int, ...] = ()


def hunks_of(before: str, delta: Iterable[Mapping[str, Any]]) -> tuple[Hunk, ...]:
    """The replacements that a Yjs delta, which counts UTF-8 bytes, makes in a text."""
    data = before if before.isascii() else before.encode()
    found: list[Hunk] = []
    at = place = 0  # in `data`, and in code points
    for part in delta:
        size = int(part.get("retain", part.get("delete", 0)))
        span = data[at : at + size]
        length = len(span) if isinstance(span, str) else len(span.decode())
        if "retain" not in part:
            start, text = place, part.get("insert", "")
            if found and found[-1].stop == start:
                last = found.pop()
                start, text = last.start, last.text + text
            found.append(Hunk(start, place + length, text))
        at, place = at + size, place + length
    return tuple(found)


@contextmanager
def received_in(text: Text, before: str, updates: Iterable[bytes], tell: Callable[[Received], None]) -> Iterator[None]:
    """Tell what a transaction changes in a text, once it has ended; nothing where that is nothing.

    Args:
        before: what the text was.
        updates: all that the transaction applies.
    """
    deltas: list[list[dict[str, Any]]] = []

    def note(event: Any) -> None:
        deltas.append(event.delta)

    subscription = text.observe(note)
    try:
        yield
    finally:
        text.unobserve(subscription)
    changes = hunks_of(before, deltas[0]) if deltas else ()
    if changes:
        clients = {client for update in updates for client in parse_update(update).sections}
        tell(Received(changes, tuple(sorted(clients))))
