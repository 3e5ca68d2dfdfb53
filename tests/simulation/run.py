"""Seeds from the command line, on all processors."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

from simulation import beacons, privileges, themes
from simulation.ablations import ABLATIONS
from simulation.world import World

# RAM where there is some: what the disk would keep is simulated.
_FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
# With fewer seeds the table of the places that were reached says little.
_TABLE_FROM_SEEDS = 100


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
    parser.add_argument("--theme", choices=themes.NAMES, default="", help="only the seeds of this theme")
    parser.add_argument("--digest", action="store_true", help="print a hash of all that happened")
    parser.add_argument("--step", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--reached", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first seed that fails")
    chosen = parser.parse_args()
    privileges.give_up_reading_everything()
    failed, reached = _share(chosen) if chosen.jobs > 1 else _run(chosen)
    if chosen.reached is not None:
        chosen.reached.write_text(json.dumps(reached))
    elif chosen.count >= _TABLE_FROM_SEEDS and not chosen.without:
        print(beacons.table(reached, chosen.count))
        missed = beacons.never_reached(reached) if chosen.count >= beacons.ENOUGH_SEEDS else []
        if missed:
            print(f"FAILED: never reached: {', '.join(missed)}")
            failed = True
    sys.exit(failed)


def _run(chosen: argparse.Namespace) -> tuple[bool, Counter[str]]:
    """Run the seeds; whether one failed, and how often each place was reached."""
    crashed_at: Counter[str] = Counter()
    reached: Counter[str] = Counter()
    failed = 0
    started = time.monotonic()
    seeds = [
        seed
        for seed in range(chosen.first, chosen.first + chosen.count, chosen.step)
        if not chosen.theme or ((theme := themes.of(seed)) is not None and theme.name == chosen.theme)
    ]
    for seed in seeds:
        try:
            world = run_seed(seed, verbose=chosen.verbose, without=chosen.without)
            crashed_at += world.crashed_at
            reached += world.reached
            if chosen.digest:
                print(_digest(world))
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
    return failed > 0, reached


def _digest(world: World) -> str:
    """Of all that happened, and of every choice that was made: two runs that went apart and told the same differ."""
    choices = [rng.getstate() for rng in (world.rng, *(host.rng for host in world.hosts))]
    return hashlib.sha256("\n".join((*world.events, repr(choices))).encode()).hexdigest()


def _share(chosen: argparse.Namespace) -> tuple[bool, Counter[str]]:
    """As `_run`, in several processes."""
    with tempfile.TemporaryDirectory() as directory:
        results = [Path(directory, str(job)) for job in range(chosen.jobs)]
        processes = [subprocess.Popen(_command(chosen, job, result)) for job, result in enumerate(results)]
        failed = max(process.wait() for process in processes)
        reached: Counter[str] = Counter()
        for result in results:
            reached += Counter(json.loads(result.read_text())) if result.exists() else Counter()
    return failed > 0, reached


def _command(chosen: argparse.Namespace, job: int, result: Path) -> list[str]:
    numbers = (str(chosen.first + job), str(chosen.count - job))
    options = ["--step", str(chosen.jobs), "--reached", str(result)]
    options += ["--keep-going"] if chosen.keep_going else []
    options += ["--without", chosen.without] if chosen.without else []
    options += ["--theme", chosen.theme] if chosen.theme else []
    return [sys.executable, "-m", "simulation", *numbers, *options]
