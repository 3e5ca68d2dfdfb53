"""More devices than are linked with all: an edit gets everywhere, and who leaves is replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from simulation.crowds import Crowd

from yp2p.peers.neighbours import MOST_IN_MESH

pytestmark = pytest.mark.simulation
_TESTS = Path(__file__).parents[1]
_DEVICES = MOST_IN_MESH + 2


async def play(crowd: Crowd) -> None:
    """An edit on each of some devices; then half of the neighbours of one leave."""
    assert crowd.parts() == 1
    assert crowd.degrees()[-1] < _DEVICES - 1, "somebody is linked with everybody"
    await crowd.edit(crowd.hosts[1])
    links = {host.name: len(crowd.links(host)) for host in crowd.up}
    gone = {one.peer for one in crowd.links(crowd.hosts[1])[::2]}
    for host in crowd.hosts:
        if host.identity.device_id in gone:
            await host.kill()
    await trio.sleep(5.0)
    assert crowd.parts() == 1
    assert len(crowd.links(crowd.hosts[1])) >= min(4, links["h1"])
    await crowd.edit(crowd.hosts[1])


@pytest.mark.timeout(900)
def test_an_edit_gets_to_all_and_who_leaves_is_replaced() -> None:
    program = f"from simulation import test_crowds, crowds; crowds.run({_DEVICES}, test_crowds.play)"
    environment = os.environ | {"PYTHONPATH": str(_TESTS), "PYTHONHASHSEED": "0"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr[-2000:]
