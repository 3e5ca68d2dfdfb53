"""A limit of bandwidth, through two daemons: files keep to it, what is typed beside them arrives as always."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Device, devices, eventually, tree

_SIZE, _RATE = 20_000_000, 4_000_000


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Device]]:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.txt").write_text("0\n")
        two.join(one)
        one.wait()
        two.wait()
        yield [one, two]


def _edit(one: Device, two: Device, text: str) -> float:
    """How long a save on one device takes to the other."""
    (one.dir / "a.txt").write_text(text)
    began = time.monotonic()
    while (two.dir / "a.txt").read_text() != text:
        assert time.monotonic() - began < 60
        time.sleep(0.005)
    return time.monotonic() - began


def _transfer(one: Device, two: Device) -> tuple[float, list[float], list[dict[str, Any]]]:
    """How long a file of `_SIZE` takes, edits beside it, and what both showed meanwhile."""
    (one.dir / "new").write_bytes(b"\0" + os.urandom(_SIZE - 1))
    os.rename(one.dir / "new", one.dir / "film.bin")
    eventually(lambda: two.status()["transfers"] != [], what="the transfer")
    began = time.monotonic()
    delays: list[float] = []
    shown: list[dict[str, Any]] = []
    while not (two.dir / "film.bin").exists():
        assert time.monotonic() - began < 120
        delays.append(_edit(one, two, f"{len(delays)}\n" * (len(delays) + 1)))
        shown += [*one.status()["transfers"], *two.status()["transfers"]]
        time.sleep(0.1)
    took = time.monotonic() - began
    two.wait()
    assert tree(two.dir) == tree(one.dir)
    return took, delays, shown


@pytest.mark.long
@pytest.mark.parametrize("way", ["upload", "download"])
def test_a_file_takes_as_long_as_the_limit_says_and_edits_do_not_wait(pair: list[Device], way: str) -> None:
    one, two = pair
    limited = one if way == "upload" else two
    assert "4 MB/s" in limited.cli("limit", f"--{way}", "4MB/s")
    took, delays, shown = _transfer(one, two)
    assert took > 0.8 * _SIZE / _RATE
    assert len(delays) >= 3
    assert sorted(delays)[len(delays) // 2] < took / 4, "what waits for the file comes after all of it"
    directions = {(line["direction"], line["device"], line["path"]) for line in shown}
    assert directions == {("sending", "two", "film.bin"), ("receiving", "one", "film.bin")}
    assert all(0 <= line["bytes_done"] <= line["bytes_total"] == _SIZE for line in shown)
    assert any(line["seconds_left"] for line in shown)
    assert two.status()["transfers"] == []


def test_limits_are_kept_over_a_restart_and_lifted_while_a_file_is_on_its_way(pair: list[Device]) -> None:
    one, two = pair
    one.cli("limit", "--upload", "64KB/s", "--device", "two")
    assert "no device is called 'three'" in one.fails("limit", "--device", "three", "1MB/s")
    assert "the least is 64KB/s" in one.fails("limit", "1KB/s")
    one.stop()
    one.start()
    (limit,) = one.call("GET", "/v1/limits")["devices"]
    assert (limit["name"], limit["upload"], limit["download"], limit["set_here"]) == ("two", 64_000, 0, True)
    (one.dir / "film.bin").write_bytes(b"\0" + os.urandom(_SIZE - 1))
    eventually(lambda: two.status()["transfers"] != [], what="the transfer")
    assert "film.bin" in two.cli("status")
    one.cli("limit", "off", "--device", "two")
    two.wait()
    assert tree(two.dir) == tree(one.dir)


@pytest.mark.long
@pytest.mark.parametrize("way", ["upload", "download"])
def test_the_texts_of_a_first_synchronisation_keep_to_the_limit_and_are_one_line(tmp_path: Path, way: str) -> None:
    texts, size, rate = 500, 1000, 64_000
    with devices(tmp_path, "one", "two") as (one, two):
        for number in range(texts):
            (one.dir / f"{number}.txt").write_text(os.urandom(size // 2).hex())
        (one if way == "upload" else two).cli("limit", f"--{way}", "64KB/s")
        began = time.monotonic()
        two.join(one)
        shown: list[dict[str, Any]] = []
        while len(tree(two.dir)) < texts:
            assert time.monotonic() - began < 120
            shown += two.status()["transfers"]
            time.sleep(0.1)
        took = time.monotonic() - began
        two.wait()
        assert tree(two.dir) == tree(one.dir)
    assert took > 0.7 * texts * size / rate
    assert {(line["direction"], line["kind"], line["path"]) for line in shown} == {("receiving", "texts", "")}
    assert max(line["files"] for line in shown) > texts // 2


def test_on_a_metered_connection_files_wait_and_texts_go_on(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "busctl").write_text("#!/bin/sh\necho 'u 1'\n")
    (programs / "busctl").chmod(0o755)
    settings = {"PATH": f"{programs}:{os.environ['PATH']}", "YP2P_LIMITS__METERED": "pause"}
    with devices(tmp_path, "one", "two", **settings) as (one, two):
        (one.dir / "a.txt").write_text("0\n")
        eventually(lambda: "Files wait: NetworkManager" in one.cli("status"), what="what status says")
        two.join(one)
        eventually(lambda: (two.dir / "a.txt").exists())
        (one.dir / "b.bin").write_bytes(b"\0" * 3 + b"some")
        eventually(lambda: two.status()["folders"][0]["entries"]["to_fetch"] == 1, what="that it is known there")
        _edit(one, two, "1\n")
        assert not (two.dir / "b.bin").exists()
        assert "this connection is metered" in two.cli("limit")
