"""A thousand random operations on three hosts, with cables pulled and daemons killed at random: nothing is lost.

`STORM_SEEDS` (such as `1,2,3`) and `STORM_OPERATIONS` choose others than those that always run.
"""

from __future__ import annotations

import os
import random
import time
from functools import partial

import pytest
from integration.test_entries import full_tree
from lab import Device, eventually, unexpected_lines
from netns.lan import connected, plug, pull
from netns.report import explained
from storm import Storm

pytestmark = [pytest.mark.netns, pytest.mark.timeout(900)]
_SEEDS = [int(seed) for seed in os.environ.get("STORM_SEEDS", "1").split(",")]
_OPERATIONS = int(os.environ.get("STORM_OPERATIONS", "250"))
_EXPECTED = ("conflict_copy_created", "watch_overflow", "files_deleted")


@pytest.mark.parametrize("seed", _SEEDS)
def test_a_storm_of_operations(lan: list[Device], seed: int) -> None:
    rng = random.Random(seed)
    (lan[0].dir / "first.txt").write_text("the first file\n")
    lan[1].join(lan[0])
    lan[2].join(lan[1])
    for host in lan:
        host.wait(60)
    with explained(lan) as at_issue:
        storm = Storm(lan, rng, partial(_say, lan))
        pulled = _storm_with_faults(storm, lan, rng)
        for number in pulled:
            plug(number + 1)
        _say(lan, "all cables are in")
        eventually(lambda: all(connected(host) == 2 for host in lan), 60, "meeting again")
        _say(lan, "all are connected")
        for host in lan:
            host.wait(120)
        trees = [full_tree(host.dir) for host in lan]
        for name in sorted(set().union(*trees)):
            entries = [tree.get(name) for tree in trees]
            if entries.count(entries[0]) != len(lan):
                at_issue.add(name)
        assert at_issue == set()
        assert storm.lost() == set()
        for host in lan:
            assert unexpected_lines(host, *_EXPECTED) == []


def _say(lan: list[Device], line: str) -> None:
    """Write what is done into the log of every host: it is read together with what they say themselves."""
    for host in lan:
        with host.log.open("a") as log:
            print(f"diary {time.time():.3f} {line}", file=log)


def _storm_with_faults(storm: Storm, lan: list[Device], rng: random.Random) -> set[int]:
    """Gives the cables that are pulled in the end."""
    pulled: set[int] = set()
    for _ in range(_OPERATIONS):
        storm.step()
        time.sleep(rng.expovariate(40))  # the pace of people and faults
        fault = rng.random()
        number = rng.randrange(3)
        if fault < 0.02:
            storm.say(f"cable of host{number + 1}")
            (plug if number in pulled else pull)(number + 1)
            pulled ^= {number}
        elif fault < 0.035:
            storm.say(f"kill host{number + 1}")
            lan[number].kill()
            lan[number].start()
    return pulled
