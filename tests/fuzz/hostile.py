"""Hostile updates against the wall and the CRDT library behind it: `python -m fuzz.hostile INPUTS [SEED]`.

Half of them are mutated honest updates, half are built of parts that each may be wrong. They hit documents that live
on, so that what one leaves behind meets the next; what passes must leave a document that a fresh device can load. Run
as a process of its own: a crash of the library is an exit code, a hang is a line that stays out.

A member that lies about where an item stands can make two devices put it at different places. No parser can tell
without the document; the comparison of contents does. Such cases are counted as `diverged`.
"""

from __future__ import annotations

import faulthandler
import random
import sys
import time

from fuzz.mutate import built, mutated
from fuzz.targets import TARGETS, text_replica

from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.text import TextReplica
from yp2p.errors import CrdtPanic, HistoriesDiffer, InvalidUpdate, MissingDependency

# A document is used for this many inputs, then its likeness is checked and a new one begins.
_LIFE = 50
_HANG_S = 20


def _diverges(replica: TextReplica | ManifestReplica) -> bool:
    """Load the document on a fresh device; tells whether that one shows something else."""
    fresh = type(replica)(99)
    fresh.receive(replica.state())
    assert fresh.version() == replica.version(), "a fresh device gets other operations"
    if isinstance(replica, TextReplica) and isinstance(fresh, TextReplica):
        return fresh.text() != replica.text()
    return False


def run(inputs: int, seed: int) -> dict[str, int]:
    """Raises whatever a peer must never be able to cause."""
    rng = random.Random(seed)
    counts = {"inputs": 0, "refused": 0, "gaps": 0, "taken": 0, "panics": 0, "differ": 0, "diverged": 0}
    text_seeds, manifest_seeds = TARGETS["text-update"].seeds, TARGETS["manifest-update"].seeds
    while counts["inputs"] < inputs:
        is_text = rng.random() < 0.7
        replica: TextReplica | ManifestReplica = text_replica() if is_text else ManifestReplica(1)
        seeds, root = (text_seeds, b"\x06source") if is_text else (manifest_seeds, b"\x07entries")
        for _ in range(_LIFE):
            data = mutated(rng, seeds) if rng.random() < 0.5 else built(rng, root, replica.clocks())
            faulthandler.dump_traceback_later(_HANG_S, exit=True)
            counts["inputs"] += 1
            try:
                news = replica.receive(data)
                counts["taken"] += news is not None
            except InvalidUpdate:
                counts["refused"] += 1
            except MissingDependency:
                counts["gaps"] += 1
            except HistoriesDiffer:
                counts["differ"] += 1
            except CrdtPanic:
                counts["panics"] += 1
                break
            except BaseException:
                print(f"FAILED on {data.hex()}", flush=True)
                raise
        else:
            counts["diverged"] += _diverges(replica)
    faulthandler.cancel_dump_traceback_later()
    return counts


if __name__ == "__main__":
    faulthandler.enable()
    started = time.monotonic()
    result = run(int(sys.argv[1]) if sys.argv[1:] else 200_000, int(sys.argv[2]) if sys.argv[2:] else 1)
    print(f"{result} in {time.monotonic() - started:.0f} s")
