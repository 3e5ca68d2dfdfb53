"""A real editing trace, saved into a file on one device, arrives on the other exactly.

Replays `sveltecomponent` (josephg/editing-traces, CC BY 4.0) from --trace, saving the file after every --every
transactions as fast as the device takes them. Without the trace a made one of the same length is used.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import tempfile
import time
from pathlib import Path

import report

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from lab import devices, eventually  # noqa: E402

DEFAULT = ROOT.parent / "shared" / "traces" / "sveltecomponent.json.gz"


def _load(path: Path) -> tuple[str, list[list[tuple[int, int, str]]], str, str]:
    if path.is_file():
        data = json.loads(gzip.decompress(path.read_bytes()))
        return data["startContent"], [t["patches"] for t in data["txns"]], data["endContent"], path.name
    rng = random.Random(1)
    text, transactions = "", []
    for _ in range(18_000):
        at = rng.randint(0, len(text))
        removed = min(len(text) - at, rng.choice([0, 0, 0, 1, 3]))
        inserted = rng.choice(["x", "word ", "\n", ""])
        text = text[:at] + inserted + text[at + removed :]
        transactions.append([(at, removed, inserted)])
    return "", transactions, text, "a made trace"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trace", type=Path, default=DEFAULT)
    parser.add_argument("--every", type=int, default=25)
    options = report.parse(parser)
    text, transactions, end, name = _load(options.trace)
    with (
        tempfile.TemporaryDirectory() as base,
        devices(Path(base), "one", "two", YP2P_LOG__LEVEL="warning") as (
            one,
            two,
        ),
    ):
        path = one.dir / "trace.txt"
        path.write_text(text or "\n")
        two.join(one)
        one.wait()
        started = time.perf_counter()
        saves = 0
        for number, patches in enumerate(transactions):
            for at, removed, inserted in patches:
                text = text[:at] + inserted + text[at + removed :]
            if number % options.every == 0 or number + 1 == len(transactions):
                temporary = path.with_name("trace.txt~")
                temporary.write_text(text)
                temporary.rename(path)
                saves += 1
                time.sleep(0.002)
        eventually(lambda: (two.dir / "trace.txt").read_text() == end, 120, "the trace arriving")
        took_s = time.perf_counter() - started
        one.wait()
        exact = path.read_text() == (two.dir / "trace.txt").read_text() == end == text
    result = {
        "trace": name,
        "transactions": len(transactions),
        "saves": saves,
        "seconds": round(took_s, 2),
        "exact": exact,
    }
    report.publish(options, result)
    sys.exit(0 if exact else 1)


if __name__ == "__main__":
    main()
