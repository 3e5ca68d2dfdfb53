"""How long commands take: `yp2p status` (bar 0.25 s) and `yp2p --help` (bar 0.15 s), median of several."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, devices

BARS_S = {"status": 0.25, "--help": 0.15}


def _median(device: Device, command: str, runs: int) -> float:
    times: list[float] = []
    for _ in range(runs):
        started = time.perf_counter()
        device.cli(command)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as base, devices(Path(base), "one") as (one,):
        for number in range(2000):
            (one.dir / f"{number}.txt").write_text(f"{number}\n")
        one.cli("share", str(one.dir))
        one.wait(60)
        result = {command: round(_median(one, command, options.runs), 3) for command in BARS_S}
    if options.json:
        print(json.dumps(result))
        return
    for command, bar in BARS_S.items():
        verdict = "met" if result[command] <= bar else "NOT MET"
        print(f"yp2p {command:<7} {result[command]:.3f} s  (bar {bar} s: {verdict})")


if __name__ == "__main__":
    main()
