"""How long synchronising takes, by the size of a document; `make bench` measures whole daemons.

Prints::

    size 100: step 1 of 1 byte, step 2 of 115 bytes, in time
    size 1000: step 1 of 1 byte, step 2 of 1016 bytes, in time
    size 10000: step 1 of 1 byte, step 2 of 10016 bytes, in time
"""

import time

from yp2p.documents.diff import Hunk
from yp2p.documents.text import TextReplica

for size in (100, 1000, 10_000):
    one, two = TextReplica(1), TextReplica(2)
    one.edit([Hunk(0, 0, "x" * size)])
    started = time.perf_counter()
    question = two.state_vector()
    answer = one.update_since(question)
    two.receive(answer)
    took_s = time.perf_counter() - started
    assert two.text() == one.text()
    speed = "in time" if took_s < 1 else f"in {took_s:.1f} s"
    print(f"size {size}: step 1 of {len(question)} byte, step 2 of {len(answer)} bytes, {speed}")
