"""A daemon starts whatever one thing is damaged or foreign: it says so, and everything undamaged syncs.

`make starts N=200` tries so many damages of a store or a folder, with real daemons: seconds for each.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Device, eventually
from starts.damages import Case, cases
from starts.template import FILES, MAIN, Pair

pytestmark = pytest.mark.long

COUNT = int(os.environ.get("YP2P_STARTS", "10"))
_LIMIT_S = 30.0


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with tempfile.TemporaryDirectory(dir=os.environ.get("YP2P_STARTS_DIR")) as base:
        pair = Pair(Path(base))
        try:
            pair.make()
            yield pair
        finally:
            pair.end()


@pytest.mark.parametrize("case", cases(COUNT), ids=lambda case: re.sub(r"[^\w.=-]+", " ", case.name)[:80])
def test_one_damage_stops_nothing_else(pair: Pair, case: Case) -> None:
    pair.end()
    pair.restore()
    case.damage(pair)
    victim, peer = pair.victim, pair.peer
    if case.refusal:
        said = victim.fails("daemon")
        assert re.search(case.says, said), said
        return
    peer.start()
    victim.start()
    if case.first_compares:
        victim.wait()
    for name in case.syncs:
        _syncs(pair, name, case.touched if name == MAIN else frozenset())
    said = _said(victim)
    assert re.search(case.says, said), said
    log = victim.log.read_text()
    assert "Traceback" not in log, log[-5000:]
    assert "level='error'" not in log, log[-5000:]
    for device in (victim, peer):
        assert device.stop() == 0


def _syncs(pair: Pair, name: str, touched: frozenset[str]) -> None:
    """What either device edits comes to the other one, and nothing that was not touched is lost."""
    here, there = pair.folder(pair.victim, name), pair.folder(pair.peer, name)
    edits = {"here.txt": here, "there.txt": there}
    expected = {path: content for path, content in FILES.items() if path not in touched}
    expected["a.txt"] = b"one\nTWO\nthree\nfour\n" if name == MAIN else FILES["a.txt"]
    for path, root in edits.items():
        with (root / path).open("ab") as file:
            file.write(b"one more line\n")
        expected[path] = FILES[path] + b"one more line\n"

    def differs() -> list[str]:
        return [
            f"{root.parent.parent.name}:{path}"
            for root in (here, there)
            for path, content in expected.items()
            if not (root / path).is_file() or (root / path).read_bytes() != content
        ]

    def status() -> str:
        return f"{_said(pair.victim)}\n{pair.victim.log.read_text()[-3000:]}"

    try:
        eventually(lambda: not differs(), _LIMIT_S)
    except AssertionError:
        raise AssertionError(f"in {name}: {differs()}\n{status()}") from None


def _said(device: Device) -> str:
    """What people hear of a device: its log, its notices, its status."""
    lines = [line for line in device.log.read_text().splitlines() if "level='warning'" in line]
    return "\n".join([*lines, device.cli("notices"), device.cli("status")])
