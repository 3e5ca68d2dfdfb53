"""A real trace of two people who wrote at the same time (josephg/editing-traces, CC BY 4.0), on two devices."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from yp2p.documents.diff import Hunk
from yp2p.documents.text import TextReplica

_TRACES = Path(os.environ.get("YP2P_TRACES", Path(__file__).parents[3] / "shared" / "traces"))


def _seen(transactions: list[dict[str, Any]]) -> list[list[int]]:
    """For each transaction, how many of each agent's its author had seen."""
    after: list[list[int]] = []
    before: list[list[int]] = []
    done = [0, 0]
    for transaction in transactions:
        agent = transaction["agent"]
        seen = [max([after[parent][k] for parent in transaction["parents"]], default=0) for k in (0, 1)]
        assert seen[agent] == done[agent], "each agent goes on from what it wrote itself"
        before.append(seen)
        done[agent] += 1
        after.append([done[k] if k == agent else seen[k] for k in (0, 1)])
    return before


@pytest.mark.long
def test_two_people_who_wrote_at_the_same_time() -> None:
    path = _TRACES / "friendsforever.json.gz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    trace = json.loads(gzip.decompress(path.read_bytes()))
    devices = [TextReplica(1), TextReplica(2)]
    updates: list[list[bytes]] = [[], []]
    taken = [0, 0]  # of the other one's updates

    def take(agent: int, upto: int) -> None:
        while taken[agent] < upto:
            devices[agent].receive(updates[1 - agent][taken[agent]])
            taken[agent] += 1

    for transaction, seen in zip(trace["txns"], _seen(trace["txns"]), strict=True):
        agent = transaction["agent"]
        take(agent, seen[1 - agent])
        (patch,) = transaction["patches"]
        at, removed, text = patch
        update = devices[agent].edit([Hunk(at, at + removed, text)])
        assert update is not None
        updates[agent].append(update)
    for agent in (0, 1):
        take(agent, len(updates[1 - agent]))
    assert [device.text() for device in devices] == [trace["endContent"]] * 2
    assert devices[0].version() == devices[1].version()
