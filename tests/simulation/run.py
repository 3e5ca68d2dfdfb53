"""Seeds from the command line, on all processors."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

from simulation.ablations import ABLATIONS
from simulation.world import World

# RAM where there is some: what the disk would keep is simulated.
_FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def run_seed(seed: int, *, verbose: bool = False, without: str = "") -> World:
    """One run, maybe without one of the rules. Raises whatever was wrong."""
    rule = ABLATIONS[without]() if without else nullcontext()
    with tempfile.TemporaryDirectory(dir=_FAST) as base, rule:
        world = World(seed, Path(base), (lambda line: print(line, flush=True)) if verbose else None)
        world.run()
    return world


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("first", type=int, help="the first seed")
    parser.add_argument("count", type=int, nargs="?", default=1, help="how many seeds")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell what happens")
    parser.add_argument("-j", "--jobs", type=int, default=1, help="how many processes share the seeds")
    parser.add_argument("--without", choices=ABLATIONS, default="", help="take out one invariant")
    parser.add_argument("--digest", action="store_true", help="print a hash of all that happened")
    parser.add_argument("--step", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first seed that fails")
    chosen = parser.parse_args()
    if chosen.jobs > 1:
        sys.exit(_share(chosen))
    crashed_at: Counter[str] = Counter()
    failed = 0
    started = time.monotonic()
    seeds = range(chosen.first, chosen.first + chosen.count, chosen.step)
    for seed in seeds:
        try:
            world = run_seed(seed, verbose=chosen.verbose, without=chosen.without)
            crashed_at += world.crashed_at
            if chosen.digest:
                print(hashlib.sha256("\n".join(world.events).encode()).hexdigest())
        except BaseException as error:
            failed += 1
            if chosen.verbose:
                traceback.print_exc()
            print(f"FAILED: make simulate SEED={seed}   {type(error).__name__}: {str(error)[:600]}", flush=True)
            if isinstance(error, KeyboardInterrupt) or not chosen.keep_going:
                break
    print(
        f"{len(seeds)} seeds from {chosen.first}, {failed} failed, {time.monotonic() - started:.0f} s; "
        f"crashes: {dict(crashed_at.most_common())}",
        flush=True,
    )
    sys.exit(1 if failed else 0)


def _share(chosen: argparse.Namespace) -> int:
    commands = [
        [
            sys.executable,
            "-m",
            "simulation",
            str(chosen.first + job),
            str(chosen.count - job),
            "--step",
            str(chosen.jobs),
        ]
        + (["--keep-going"] if chosen.keep_going else [])
        + (["--without", chosen.without] if chosen.without else [])
        for job in range(chosen.jobs)
    ]
    return max(process.wait() for process in [subprocess.Popen(command) for command in commands])
