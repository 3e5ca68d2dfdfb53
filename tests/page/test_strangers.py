"""Thousands of requests at the port of the page by another user, from other origins, and without a token: refusals.

`make malformed` sends 100,000.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from control.test_requests import BODIES
from lab import devices, eventually, unexpected_lines
from page.strangers import flood
from page_client import Browser

_COUNT = int(os.environ.get("YP2P_MALFORMED", "700"))
_WARM = max(200, _COUNT // 20)
# What a process of this size moves by without any requests, and what is a leak of a few bytes each.
_MAX_GROWTH_KIB = 4096


@pytest.mark.timeout(7200)
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to send as another user")
def test_strangers_are_refused_and_the_daemon_is_well(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>")
    with devices(tmp_path, "one", YP2P_PAGE__DIRECTORY=str(tmp_path)) as (one,):
        (one.dir / "a.md").write_text("a line\n")
        one.call("POST", "/v1/share", {"path": str(one.dir), "label": "notes"})
        browser = Browser(one.call("POST", "/v1/page/open", {}))
        before, routes = one.status(), list(BODIES)
        flood(_WARM, 1, browser.port, routes, browser.token)
        memory, descriptors = _memory_kib(one.pid), len(os.listdir(f"/proc/{one.pid}/fd"))
        began = time.monotonic()
        answers = flood(_COUNT, 2, browser.port, routes, browser.token)
        print(f"{_COUNT} in {time.monotonic() - began:.0f} s: {answers.most_common()}")
        assert {line for line in answers if not line.startswith(("HTTP/1.1 4", "HTTP/1.1 5"))} <= {""}
        assert answers[""] < _COUNT / 10, "nearly all are told"
        assert "HTTP/1.1 500 Internal Server Error" not in answers
        assert {"HTTP/1.1 401 Unauthorized", "HTTP/1.1 403 Forbidden", "HTTP/1.1 400 Bad Request"} <= answers.keys()
        open_now = lambda: os.listdir(f"/proc/{one.pid}/fd")  # noqa: E731
        eventually(lambda: len(open_now()) <= descriptors + _ITS_OWN, what=lambda: f"{len(open_now())} descriptors")
        assert browser.ask("GET", "/v1/status")[0] == 200, "the token that others showed is still good"
        grown = _memory_kib(one.pid) - memory
        print(f"memory {memory} KiB, {grown:+} KiB; {descriptors} descriptors")
        assert grown < _MAX_GROWTH_KIB
        after = one.status()
        assert [folder["path"] for folder in after["folders"]] == [folder["path"] for folder in before["folders"]]
        assert (one.dir / "a.md").read_text() == "a line\n"
        # Alone it is in one room with what else runs on this machine, which may try a code of the same two digits.
        assert unexpected_lines(one, "pairing_wrong_code") == []
        assert browser.token not in one.log.read_text()


# What a daemon may have opened of its own since: far from one for each request.
_ITS_OWN = 8


def _memory_kib(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
