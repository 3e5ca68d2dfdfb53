"""The page of a real daemon: no port until it is asked for, and the same answers as at the control socket."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kept_files import kept_by_systemd
from lab import Device, devices
from page_client import Browser

from yp2p.errors import YpError


def _listening(device: Device) -> set[int]:
    """The TCP ports of all interfaces on which something of this daemon listens."""
    inodes = {link.readlink().name for link in Path(f"/proc/{device.pid}/fd").iterdir() if link.is_symlink()}
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return {
        int(line[1].rpartition(":")[2], 16) for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in inodes
    }


def test_a_daemon_has_a_page_while_one_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>")
    with devices(tmp_path, "one", YP2P_PAGE__DIRECTORY=str(tmp_path)) as (device,):
        before = _listening(device)
        device.call("POST", "/v1/share", {"path": str(device.dir), "label": "notes"})
        opened = json.loads(device.run("open", "--json").stdout)
        assert _listening(device) - before == {opened["port"]}
        browser = Browser(opened)
        assert browser.ask("GET", "/", token="") == (200, b"<!doctype html>")
        assert browser.ask("GET", "/v1/status", token="")[0] == 401
        status, found = browser.ask("GET", "/v1/status")
        assert status == 200
        assert found["folders"][0]["label"] == "notes"
        assert browser.token not in device.log.read_text()
        assert opened["url"].partition("=")[2] not in device.log.read_text()
        assert device.run("open", "--close").stdout == "The page is closed.\n"
        assert _listening(device) == before


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_tab_goes_on_where_systemd_starts_the_daemon_anew(tmp_path: Path, how: str) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>")
    with kept_by_systemd(tmp_path, "one", YP2P_PAGE__DIRECTORY=str(tmp_path)) as systemd:
        device = systemd.device
        before = _listening(device)
        opened = device.call("POST", "/v1/page/open", {})
        browser = Browser(opened)
        systemd.hear()
        assert len(systemd.kept) == 2
        device.stop() if how == "stop" else device.kill()
        systemd.start()
        assert opened["port"] in _listening(device)
        assert browser.ask("GET", "/v1/status")[1]["device"]["name"] == "one"
        assert browser.token not in device.log.read_text()
        device.call("POST", "/v1/page/close", {})
        assert not _listening(device) & {opened["port"]}
        systemd.hear()
        assert systemd.kept == {}
        device.stop()
        systemd.start()
        assert len(_listening(device)) == len(before), "it was closed"


def test_a_port_that_nobody_keeps_goes_with_the_daemon(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>")
    with devices(tmp_path, "one", YP2P_PAGE__DIRECTORY=str(tmp_path)) as (device,):
        before = len(_listening(device))
        browser = Browser(device.call("POST", "/v1/page/open", {}))
        device.stop()
        with pytest.raises(ConnectionRefusedError):
            browser.ask("GET", "/v1/status")
        device.start()
        assert len(_listening(device)) == before


def test_without_the_files_of_the_page_a_sentence_says_how_to_get_them(tmp_path: Path) -> None:
    with devices(tmp_path, "one", YP2P_PAGE__DIRECTORY=str(tmp_path)) as (device,):
        before = _listening(device)
        done = device.run("open")
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith(f"yp2p: [page] directory is '{tmp_path}', and the page is not in it")
        assert "`make web`" in done.stderr
        assert _listening(device) == before
        with pytest.raises(YpError):
            device.call("POST", "/v1/page/open", {})
