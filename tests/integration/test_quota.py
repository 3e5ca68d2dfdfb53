"""A folder takes no more room than it may: what others bring beyond it waits, and more room lets it go on."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Device, eventually, tree

_MIB = 1 << 20


@pytest.mark.long
def test_what_others_bring_beyond_a_quota_waits(tmp_path: Path) -> None:
    one, hub = Device(tmp_path, "one"), Device(tmp_path, "hub")
    hub.home.mkdir(parents=True)
    settings = hub.home / "config.toml"
    settings.write_text(f"[quota]\nfolders = {{ dir = {3 * _MIB} }}\n")
    try:
        one.start()
        hub.start()
        (one.dir / "0.bin").write_bytes(b"\0\1" * _MIB)
        hub.join(one)
        eventually(lambda: (hub.dir / "0.bin").exists(), what="what fits comes")
        (one.dir / "1.bin").write_bytes(b"\0\2" * _MIB)
        (one.dir / "a.txt").write_text("texts always come\n")
        eventually(lambda: (hub.dir / "a.txt").exists(), what="a text comes")

        def reasons() -> list[str]:
            return [one["reason"] for one in hub.status()["folders"][0]["waiting"]]

        eventually(lambda: any("quota" in reason for reason in reasons()), what="status says why it waits")
        assert not (hub.dir / "1.bin").exists()
        (hub.dir / "here.bin").write_bytes(b"\0\3" * (_MIB // 2))  # what is saved here is never refused
        eventually(lambda: (one.dir / "here.bin").exists(), what="it goes to the others")

        settings.write_text(f"[quota]\ndefault = {10 * _MIB}\n")
        hub.call("POST", "/v1/settings/reload", {})
        eventually(lambda: tree(hub.dir) == tree(one.dir), what="all of it is there")
        hub.wait()
    finally:
        one.kill()
        hub.kill()
