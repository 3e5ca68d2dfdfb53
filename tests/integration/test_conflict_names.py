"""Names of conflict copies say whose they are, tried with daemons: alike on all devices, and true."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from lab import Device, devices, tree

_COPY = re.compile(r"(made|changed)\.conflict-(one|two|three)-([0-9-]{10})-[0-9a-f]{8}\.bin")


def _settled(*found: Device) -> dict[str, bytes]:
    for device in found:
        device.wait()
    trees = [tree(device.dir) for device in found]
    assert all(one == trees[0] for one in trees)
    return trees[0]


@pytest.mark.long
def test_a_copy_is_named_after_the_device_whose_file_it_is(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        every = (one, two, three)
        (one.dir / "changed.bin").write_bytes(b"\0 before")
        for device in (two, three):
            device.join(one)
        _settled(*every)
        days = {time.strftime("%Y-%m-%d")}
        for device in every:
            device.stop()
        for device in every:
            for name in ("made.bin", "changed.bin"):
                (device.dir / name).write_bytes(b"\0 of " + device.name.encode())
        for device in every:
            device.start()
        found = _settled(*every)
        days.add(time.strftime("%Y-%m-%d"))
        copies = {name: match for name in found if (match := _COPY.fullmatch(name)) is not None}
        assert len(found) == 2 + len(copies) == 6
        for name, match in copies.items():
            assert found[name] == b"\0 of " + match[2].encode()
            assert match[3] in days
        for plain in ("made", "changed"):
            contents = [data for name, data in found.items() if name.startswith(plain)]
            assert sorted(contents) == [b"\0 of one", b"\0 of three", b"\0 of two"]
        listed = json.loads(three.cli("conflicts", "--json"))
        assert {item["path"] for item in listed} == copies.keys()
        for device in every:
            device.stop()
            device.start()
        assert _settled(*every) == found, "and nothing is renamed again"
