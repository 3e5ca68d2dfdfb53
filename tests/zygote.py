"""Starts `yp2p` by a fork of a process that has loaded its modules, which is most of what a start costs.

Each test process has one, with no thread and nothing running in it. What it starts is and does the same: `yp2p` with an
environment, a working directory and output of its own. As people do, by a new process, it is started in tests/netns,
tests/systemd and tests/packaging, by `yp2p up` and by the benches.
"""

from __future__ import annotations

import array
import importlib.util
import json
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_MESSAGE_BYTES = 64 << 10
_START_LIMIT_S = 120.0
_MDNS_PORTS_AWAY = 1000


class Process:
    """A process that the zygote forked, with what the tests use of `subprocess.Popen`."""

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self._connection = connection
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._result(0)

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        code = self._result(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def _result(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._connection], [], [], timeout)[0]:
            self.returncode = int(self._connection.recv(_MESSAGE_BYTES) or b"-9")
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class Zygote:
    """The process that forks, as those see it who want a daemon."""

    def __init__(self) -> None:
        self._own, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(Path(__file__)), str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], output: int, errors: int) -> Process:
        """Run `yp2p` with these arguments.

        Args:
            output: the file that is standard output.
            errors: that is standard error.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            request = json.dumps({"arguments": list(arguments), "environment": dict(environment), "cwd": os.getcwd()})
            descriptors = array.array("i", [theirs.fileno(), output, errors])
            self._own.sendmsg([request.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
        ours.settimeout(_START_LIMIT_S)
        pid = int(ours.recv(_MESSAGE_BYTES))
        ours.settimeout(None)
        return Process(pid, ours)


_zygote: Zygote | None = None


def start(arguments: Sequence[str], environment: Mapping[str, str], output: int, errors: int) -> Process:
    """Run `yp2p` with these arguments, by the zygote of this process; with files for its output and its errors."""
    global _zygote
    if _zygote is None:
        _zygote = Zygote()
    return _zygote.start(arguments, environment, output, errors)


def _move_mdns() -> None:
    """Have mDNS use a port of this test process, where others run beside it: each is a room of its own.

    In one room a code of one test may have the two digits of another one's, whose guesses would be used up.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if not worker:
        return  # alone, also with daemons that are started without a zygote
    package = importlib.util.find_spec("zeroconf")
    assert package is not None
    assert package.origin is not None
    spec = importlib.util.spec_from_file_location("zeroconf.const", Path(package.origin).with_name("const.py"))
    assert spec is not None
    assert spec.loader is not None
    const = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(const)
    const._MDNS_PORT += _MDNS_PORTS_AWAY + int(worker)  # type: ignore[attr-defined]
    sys.modules["zeroconf.const"] = const


def _serve(requests: socket.socket) -> None:
    """Fork for each request, and say how each ended, until nobody can ask any more."""
    _move_mdns()
    from yp2p.memory import without_rich

    with without_rich():
        import yp2p.cli.group
        import yp2p.daemon  # noqa: F401 (loaded before the fork)
    running: dict[int, socket.socket] = {}
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([requests, wake_read], [], [])
        if wake_read in ready:
            os.read(wake_read, _MESSAGE_BYTES)
            while running:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                with running.pop(pid) as connection, suppress(OSError):
                    connection.send(str(os.waitstatus_to_exitcode(status)).encode())
        if requests in ready:
            data, descriptors, _, _ = socket.recv_fds(requests, _MESSAGE_BYTES, 3)
            if not data:
                break  # whoever started daemons is gone; they go with it
            connection, *outputs = socket.socket(fileno=descriptors[0]), *descriptors[1:]
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup(1) has everything ignore
                for other in (requests, connection, *running.values()):
                    other.close()
                os.close(wake_read)
                os.close(wake_write)
                _become(json.loads(data), outputs)
            for output in outputs:
                os.close(output)
            running[pid] = connection
            with suppress(OSError):
                connection.send(str(pid).encode())
    for pid in running:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _become(request: dict[str, object], outputs: Sequence[int]) -> None:
    """Be the process that was asked for; this does not return."""
    code = 1
    try:
        for target, output in enumerate(outputs, 1):
            os.dup2(output, target)
            os.close(output)
        os.chdir(str(request["cwd"]))
        os.environ.clear()
        os.environ.update(request["environment"])  # type: ignore[call-overload]
        time.tzset()
        random.seed()
        if "SLOW_DISK_MS" in os.environ:
            most_s = float(os.environ["SLOW_DISK_MS"]) / 1000
            runpy.run_path(str(Path(__file__).with_name("slow_disk.py")))["begin"](most_s)
        sys.argv = ["yp2p", *request["arguments"]]  # type: ignore[misc]
        from yp2p.cli.main import main

        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
