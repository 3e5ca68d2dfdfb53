"""Metrics, the log and the bundle of a daemon that runs with another one."""

from __future__ import annotations

import json
import socket
import stat
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from lab import devices, eventually
from prometheus_client.parser import text_string_to_metric_families


def _values(text: str) -> dict[str, float]:
    """Samples by name and labels."""
    return {
        f"{sample.name}{sorted(sample.labels.items()) or ''}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


CANARIES = ("canary-in-a-text", "canary-in-a-blob")


@pytest.mark.long
def test_what_a_daemon_does_is_told_in_numbers_in_its_log_and_in_a_bundle(tmp_path: Path) -> None:
    port = _free_port()
    with devices(tmp_path, "one", "two") as (one, two):
        one.stop()
        (one.home / "config.toml").write_text(f'[metrics]\nlisten = "127.0.0.1:{port}"\n')
        one.start()
        (one.dir / "a.txt").write_text(CANARIES[0])
        (one.dir / "b.bin").write_bytes(b"\0" + CANARIES[1].encode())
        two.join(one)
        one.wait()
        token = one.cli("invite", str(one.dir)).split()[0]
        (one.dir / "a.txt").write_text(f"{CANARIES[0]} and more")
        one.wait()

        label = one.status()["folders"][0]["label"]
        found = _values(one.cli("metrics"))
        assert found[f"yp2p_entries[('folder', '{label}')]"] == 2
        assert [value for name, value in found.items() if name.startswith("yp2p_linked")] == [1]
        assert [value for name, value in found.items() if name.startswith("yp2p_entries_behind")] == [0]
        assert found[f"yp2p_watches[('folder', '{label}')]"] >= 1
        assert found["yp2p_commit_seconds_count"] > 0
        assert found[f"yp2p_acknowledged_seconds_count[('folder', '{label}')]"] > 0
        assert found["process_open_fds"] > 0

        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert _values(answer.read().decode()).keys() >= found.keys() - {"process_open_fds"}
        for path in ("/", "/v1/status", "/v1/metrics", "/v1/stop"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10)
            with refused.value:
                assert refused.value.code == 404

        lines = [json.loads(line) for line in one.cli("logs", "--json").splitlines()]
        assert {"daemon_started", "folder_shared"} <= {line["event"] for line in lines}
        assert len(one.cli("logs", "-n", "1").splitlines()) == 1
        eventually(lambda: "link_up" in one.cli("logs"), what="the log says that a device is connected")

        one.cli("debug", "bundle", str(tmp_path / "bundle.tar.gz"))
        archive = tmp_path / "bundle.tar.gz"
        assert stat.S_IMODE(archive.stat().st_mode) == 0o600
        with tarfile.open(archive) as tar:
            parts = {member.name.partition("/")[2]: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        assert b"a.txt" not in parts["store.json"]
        assert json.loads(parts["status.json"])["folders"][0]["entries"]["total"] == 2
        assert {
            "machine.json",
            "settings.json",
            "store.json",
            "doctor.json",
            "metrics.txt",
            "logs.jsonl",
        } <= parts.keys()
        whole = b"\n".join(parts.values())
        key = (one.home / "device.key").read_bytes()
        for secret in (
            *(canary.encode() for canary in CANARIES),
            token.encode(),
            token[-20:].encode(),
            key.strip(),
            key[:16],
        ):
            assert len(secret) > 8
            assert secret not in whole, secret
        assert one.fails("debug", "bundle", str(archive)).startswith(f"yp2p: {archive} is there already")
