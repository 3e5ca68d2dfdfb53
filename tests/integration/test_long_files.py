"""Long files with real devices: what of them is sent."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from lab import devices, eventually

_MIB = 1 << 20


@pytest.mark.long
def test_of_a_mebibyte_in_front_of_a_long_file_little_more_is_sent(tmp_path: Path) -> None:
    source = random.Random(1)
    old = source.randbytes(64 * _MIB)
    with devices(tmp_path, "one", "two") as (one, two):
        two.join(one)
        (one.dir / "large").write_bytes(old)
        eventually(lambda: (two.dir / "large").exists(), 60)
        for device in (one, two):
            device.wait()
        before = two.traffic()
        (tmp_path / "new").write_bytes(source.randbytes(_MIB + 5) + old)
        os.replace(tmp_path / "new", one.dir / "large")
        eventually(lambda: (two.dir / "large").stat().st_size == 65 * _MIB + 5, 60)
        for device in (one, two):
            device.wait()
        assert (two.dir / "large").read_bytes() == (one.dir / "large").read_bytes()
        assert two.traffic() - before < 3 * _MIB
