"""Two devices far from each other: a proxy between them delays what each sends, and stands still now and then.

A TCP connection of which one packet in a hundred is lost stands still for its retransmission time each time; the kernel
here has no netem, so the proxy does that: of the pieces that it passes on, one in a hundred waits for 300 ms, and what
is behind it as well. Prints, for no delay, for 100 ms there and back, and for that with stalls: how long an edit takes
to the other disk, a first sync of 1,000 files of 1 KiB, and 64 MiB.

    python benches/far.py
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import report
import trio
from inotify_simple import INotify, flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, eventually
from latency import edit, percentiles, wait_for

_PIECE_BYTES = 64 << 10
_STALL_S, _STALLS = 0.3, 0.01
_FILES = 1000
# Saves that follow each other faster than that are taken together.
_PACE_S = 0.3
_LARGE_BYTES = 64 << 20


class Proxy:
    """Passes connections on to a port, with a delay each way, in a thread of its own."""

    def __init__(self, to: int, one_way_s: float, *, stalls: bool) -> None:
        self._to = to
        self._one_way_s = one_way_s
        self._stalls = stalls
        self._rng = random.Random(1)
        self.port = 0
        self._ready = threading.Event()
        self._scope = trio.CancelScope()
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread = threading.Thread(target=trio.run, args=(self._run,), daemon=True)

    def start(self) -> Proxy:
        self._thread.start()
        self._ready.wait(10)
        return self

    def stop(self) -> None:
        assert self._token is not None
        self._token.run_sync_soon(self._scope.cancel)
        self._thread.join(10)

    async def _run(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        with self._scope:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            self.port = listener.socket.getsockname()[1]
            self._ready.set()
            await trio.serve_listeners(self._serve, [listener])

    async def _serve(self, stream: trio.SocketStream) -> None:
        try:
            other = await trio.open_tcp_stream("127.0.0.1", self._to)
            async with stream, other, trio.open_nursery() as nursery:
                nursery.start_soon(self._pass_on, stream, other, nursery.cancel_scope)
                nursery.start_soon(self._pass_on, other, stream, nursery.cancel_scope)
        except* OSError:
            pass  # nobody listens there yet

    async def _pass_on(self, source: trio.SocketStream, target: trio.SocketStream, scope: trio.CancelScope) -> None:
        """As much is on its way as fits into the delay at 1 GiB/s: the delay is that of the way, not of a buffer."""
        give, take = trio.open_memory_channel[tuple[float, bytes]](4096)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, take, target, scope)
            try:
                while data := await source.receive_some(_PIECE_BYTES):
                    await give.send((trio.current_time() + self._one_way_s, data))
            except trio.BrokenResourceError:
                pass
            give.close()

    async def _send(
        self, take: trio.MemoryReceiveChannel[tuple[float, bytes]], target: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        try:
            async for due, data in take:
                await trio.sleep_until(due)
                if self._stalls and self._rng.random() < _STALLS:
                    await trio.sleep(_STALL_S)
                await target.send_all(data)
        except trio.BrokenResourceError:
            pass
        scope.cancel()


@contextmanager
def _far_apart(base: Path, one_way_s: float, *, stalls: bool) -> Iterator[tuple[Device, Device]]:
    """Two devices that know each other, and reach each other through the proxy only."""
    settings = {"YP2P_DISCOVERY__MDNS": "false", "YP2P_LOG__LEVEL": "info"}
    one, two = Device(base, "one", **settings), Device(base, "two", **settings)
    one.start()
    proxy = Proxy(one.status()["device"]["port"], one_way_s, stalls=stalls).start()
    two.environment["YP2P_DISCOVERY__STATIC"] = f"127.0.0.1:{proxy.port}"
    try:
        two.start()
        code = one.call("POST", "/v1/share", {"path": str(one.dir), "label": None})["code"]
        two.call(
            "POST", "/v1/join", {"code": code, "path": str(two.dir), "timeout_s": 60, "at": f"127.0.0.1:{proxy.port}"}
        )
        eventually(lambda: two.status()["devices"][0]["connected"], what="a link")
        assert two.status()["devices"][0]["address"] == f"127.0.0.1:{proxy.port}", "the way is through the proxy"
        yield one, two
    finally:
        two.kill()
        one.kill()
        proxy.stop()


def _took_s(one: Device, two: Device) -> float:
    began = time.monotonic()
    one.call("POST", "/v1/wait", {"timeout_s": 600}, 610)
    two.call("POST", "/v1/wait", {"timeout_s": 600}, 610)
    return time.monotonic() - began


def _measure(one_way_s: float, edits: int, *, stalls: bool) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as base, _far_apart(Path(base), one_way_s, stalls=stalls) as (one, two):
        (one.dir / "a.txt").write_text("a line\n" * 100)
        _took_s(one, two)
        took_s = []
        with INotify() as inotify:
            inotify.add_watch(str(two.dir), flags.MOVED_TO | flags.CLOSE_WRITE)
            for number in range(edits):
                token, began = edit(one.dir / "a.txt", number)
                took_s.append(wait_for(two.dir / "a.txt", inotify, token, 30) - began)
                time.sleep(_PACE_S)
        for number in range(_FILES):
            (one.dir / f"{number}.txt").write_bytes(random.Random(number).randbytes(512).hex().encode())
        files_s = _took_s(one, two)
        (one.dir / "large.bin").write_bytes(random.Random(0).randbytes(_LARGE_BYTES))
        large_s = _took_s(one, two)
        return {
            "edit": percentiles(took_s), f"{_FILES} files_s": files_s,
            f"{_LARGE_BYTES >> 20} MiB_mib_per_s": _LARGE_BYTES / (1 << 20) / large_s,
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=50)
    chosen = report.parse(parser)
    found = {
        "no delay": _measure(0.0, chosen.edits, stalls=False),
        "100 ms": _measure(0.05, chosen.edits, stalls=False),
        "100 ms, stalls of 1 %": _measure(0.05, chosen.edits, stalls=True),
    }
    report.publish(chosen, found)


if __name__ == "__main__":
    main()
