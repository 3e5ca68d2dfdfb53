"""How long commands take: `yp2p status` (bar 0.25 s) and `yp2p --help` (bar 0.15 s), median of several."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import report

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, devices

BARS_S = {"status_s": 0.25, "--help_s": 0.15}


def _times(device: Device, command: str, runs: int) -> list[float]:
    times: list[float] = []
    for _ in range(runs):
        started = time.perf_counter()
        device.cli(command)
        times.append(time.perf_counter() - started)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    options = report.parse(parser)
    with tempfile.TemporaryDirectory() as base, devices(Path(base), "one") as (one,):
        for number in range(2000):
            (one.dir / f"{number}.txt").write_text(f"{number}\n")
        one.cli("share", str(one.dir))
        one.wait(60)
        result = {name: _times(one, name.removesuffix("_s"), options.runs) for name in BARS_S}
    report.publish(options, result, BARS_S)


if __name__ == "__main__":
    main()
