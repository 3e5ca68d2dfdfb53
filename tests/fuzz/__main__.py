"""Fuzz one target: `python -m fuzz TARGET [SECONDS]`, or all of them; guided by coverage where atheris is installed."""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def _names() -> list[str]:
    from fuzz.targets import TARGETS

    return list(TARGETS)


def _guided(name: str, seconds: int) -> None:
    """libFuzzer through atheris; ends the process, with an exit code that is not 0 for a finding."""
    import atheris

    with atheris.instrument_imports(include=["yp2p.protocol", "yp2p.pairing.exchange", "yp2p.documents.manifest"]):
        from fuzz.targets import TARGETS, tolerated
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(target.seeds):
            Path(corpus, str(number)).write_bytes(seed)
        options = [
            f"-max_total_time={seconds}",
            "-timeout=10",
            "-rss_limit_mb=2048",
            "-verbosity=0",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *options, corpus], lambda data: tolerated(target.run, data))
        atheris.Fuzz()


def _random(name: str, seconds: int) -> int:
    """Mutations without guidance."""
    from fuzz.mutate import built, mutated
    from fuzz.targets import TARGETS, tolerated

    target = TARGETS[name]
    seed = int(time.time())
    rng = random.Random(seed)
    deadline = time.monotonic() + seconds
    runs = taken = 0
    while time.monotonic() < deadline:
        data = (
            built(rng, b"\x06source", {1: 15, 2: 2})
            if name == "text-update" and runs % 2
            else mutated(rng, target.seeds)
        )
        try:
            taken += tolerated(target.run, data)
        except BaseException:
            print(f"FAILED: {name} on {data.hex()}")
            raise
        runs += 1
    print(f"{name}: {runs} inputs, {taken} of them taken, seed {seed}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("target", help="what to fuzz, or `all`")
    parser.add_argument("seconds", type=int, nargs="?", default=60)
    parser.add_argument("--no-guide", action="store_true", help="mutations only, even where atheris is installed")
    chosen = parser.parse_args()
    if chosen.target == "all":
        # Each in a process of its own: what crashes there is a failed target, and no dead run.
        options = ["--no-guide"] if chosen.no_guide else []
        command = [sys.executable, "-m", "fuzz"]
        failed = [
            name for name in _names() if subprocess.run([*command, name, str(chosen.seconds), *options]).returncode != 0
        ]
        print(f"failed: {', '.join(failed) or 'none'}")
        return len(failed)
    faulthandler.enable()
    try:
        import atheris  # noqa: F401
    except ImportError:
        chosen.no_guide = True
    if chosen.no_guide or os.environ.get("YP2P_FUZZ_UNGUIDED"):
        return _random(chosen.target, chosen.seconds)
    _guided(chosen.target, chosen.seconds)
    return 0


sys.exit(main())
