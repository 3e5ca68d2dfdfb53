"""How soon a file is put in place again: by what it takes to make its text, while programs have that open."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from yp2p.disk.render import pace as module
from yp2p.disk.render.pace import MAX_RENDERS_PER_S, Pace
from yp2p.documents.registers import Entry
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Content, Mode

_ENTRY = EntryID(b"e" * 16)
_SOONEST_S = 1 / MAX_RENDERS_PER_S


@pytest.mark.parametrize(
    ("in_programs", "making_s", "putting_s", "pause_s"),
    [
        (False, 0.0, 0.0, _SOONEST_S),
        (False, 0.02, 0.05, _SOONEST_S),  # whoever saves the file waits for no program
        (True, 0.0, 0.0, _SOONEST_S),
        (True, 0.004, 0.0, 0.4),
        (True, 0.0, 0.01, 0.25),
        (True, 0.004, 0.01, 0.65),
        (True, 0.2, 0.0, 1.0),
    ],
)
async def test_the_pause_is_a_share_of_the_work_while_programs_have_the_text_open(
    mock_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
    in_programs: bool,
    making_s: float,
    putting_s: float,
    pause_s: float,
) -> None:
    worked = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: worked[0]))
    live = SimpleNamespace(is_in_programs=in_programs)
    folder: Any = SimpleNamespace(texts=SimpleNamespace(in_memory=lambda document: live))
    pace = Pace(folder)
    found = Entry(_ENTRY, "a.txt", Content.text(DocumentID(b"d" * 16), Mode.PLAIN), None)
    assert pace.due_at(found) <= trio.current_time(), "it was never put in place"
    mock_clock.jump(5)
    with pace.making(_ENTRY):
        worked[0] += making_s
    with pace.putting(4):
        worked[0] += 4 * putting_s
    pace.placed(_ENTRY)
    assert pace.due_at(found) == pytest.approx(trio.current_time() + pause_s)
    mock_clock.jump(0.9)
    pace.forget()
    assert pace.due_at(found) == pytest.approx(trio.current_time() - 0.9 + pause_s), "it matters still"
    mock_clock.jump(0.2)
    pace.forget()
    assert pace.due_at(found) <= trio.current_time()
