"""Run inside a unit: tries what a daemon does not need, and what it needs, and prints what came of each, as JSON.

    probe.py FOLDER RUNTIME [GROUP]

FOLDER is a directory that the unit may write to, RUNTIME one for sockets, GROUP a second group of its user. Each
attempt runs in a process of its own. The answer is "done", or the kernel's word for why not.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import mmap
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
# Numbers of system calls that have no function in the C library, on x86-64 and aarch64.
IS_ARM = os.uname().machine == "aarch64"
INIT_MODULE, BPF, PERF_EVENT_OPEN, RENAMEAT2 = (105, 280, 241, 276) if IS_ARM else (175, 321, 298, 316)
AT_FDCWD, RENAME_EXCHANGE, CLONE_NEWUSER, CLONE_NEWNS = -100, 2, 0x10000000, 0x00020000
FOLDER, RUNTIME = Path(sys.argv[1]), Path(sys.argv[2])
GROUP = int(sys.argv[3]) if len(sys.argv) > 3 else None


def call(name: str, *arguments: object) -> int:
    """A function of the C library. Raises OSError."""
    result = int(getattr(LIBC, name)(*arguments))
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def write(path: str) -> None:
    with open(path, "w") as file:
        file.write("probe\n")


def make_setuid_file() -> None:
    path = FOLDER / "suid"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o4755)


def make_executable_memory() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def see_processes_of_others() -> None:
    if not Path("/proc/1/status").exists():
        raise FileNotFoundError(errno.ENOENT, "invisible")


def open_raw_socket() -> None:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()


def open_packet_socket() -> None:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()


def become_realtime() -> None:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def read_kernel_log() -> None:
    call("klogctl", 3, ctypes.create_string_buffer(16), 16)


def forbidden() -> dict[str, Callable[[], object]]:
    """What no daemon needs."""
    return {
        "write /etc": lambda: write("/etc/yp2p-probe"),
        "write /usr": lambda: write("/usr/yp2p-probe"),
        "write /boot": lambda: write("/boot/yp2p-probe"),
        "write a kernel setting": lambda: write("/proc/sys/vm/swappiness"),
        "write a control group": lambda: os.mkdir("/sys/fs/cgroup/yp2p-probe"),
        "read another home": lambda: Path("/home/other/secret.txt").read_text(),
        "see processes of others": see_processes_of_others,
        "mount": lambda: call("mount", b"none", b"/mnt", b"tmpfs", 0, None),
        "unmount": lambda: call("umount2", b"/mnt", 0),
        "chroot": lambda: os.chroot("/"),
        "a raw socket": open_raw_socket,
        "a packet socket": open_packet_socket,
        "trace": lambda: call("ptrace", 0, 0, 0, 0),
        "load a module": lambda: call("syscall", INIT_MODULE, b"", 0, b""),
        "load a BPF program": lambda: call("syscall", BPF, 5, b"\0" * 128, 128),
        "count events of the processor": lambda: call("syscall", PERF_EVENT_OPEN, b"\0" * 128, 0, -1, -1, 0),
        "setuid": lambda: os.setuid(0),
        "setgid": lambda: os.setgid(0),
        "a file that runs as another user": make_setuid_file,
        "a device": lambda: os.mknod(FOLDER / "device", 0o020600, os.makedev(1, 1)),
        "executable memory": make_executable_memory,
        "a user namespace": lambda: call("unshare", CLONE_NEWUSER),
        "a mount namespace": lambda: call("unshare", CLONE_NEWNS),
        "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
        "set the host name": lambda: socket.sethostname("probe"),
        "reboot": lambda: call("reboot", 5),  # not a number that would do it
        "swap": lambda: call("swapon", b"/nowhere", 0),
        "real-time priority": become_realtime,
        "another personality": lambda: call("personality", 0x0040000),
        "the kernel's log": read_kernel_log,
        "raise its limits": lambda: call("setpriority", 0, 0, -5),
    }


def exchange_files() -> None:
    for name in ("one", "two"):
        (FOLDER / name).write_text(name)
    one, two = bytes(FOLDER / "one"), bytes(FOLDER / "two")
    call("syscall", RENAMEAT2, AT_FDCWD, one, AT_FDCWD, two, RENAME_EXCHANGE)
    assert (FOLDER / "two").read_text() == "one"


def make_unnamed_file() -> None:
    descriptor = os.open(FOLDER, os.O_TMPFILE | os.O_RDWR, 0o600)
    directory = os.open(FOLDER, os.O_DIRECTORY)
    os.link(f"/proc/self/fd/{descriptor}", "named", dst_dir_fd=directory, follow_symlinks=True)


def lease_file() -> None:
    (FOLDER / "leased").write_text("")
    descriptor = os.open(FOLDER / "leased", os.O_RDONLY)
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def keep_attributes() -> None:
    file = FOLDER / "attributes"
    file.write_text("")
    os.setxattr(file, "user.probe", b"1")
    file.chmod(0o640)
    if GROUP is not None:
        os.chown(file, -1, GROUP)
        assert file.stat().st_gid == GROUP


def make_links() -> None:
    (FOLDER / "target").write_text("")
    (FOLDER / "symlink").symlink_to("target")
    os.link(FOLDER / "target", FOLDER / "hard link")


def force_to_disk() -> None:
    descriptor = os.open(FOLDER, os.O_RDONLY)
    os.fsync(descriptor)
    call("syncfs", descriptor)


def watch() -> None:
    call("inotify_add_watch", call("inotify_init1", 0), bytes(FOLDER), 2)


def listen_and_connect() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        server.accept()[0].close()


def hear_multicast() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", 0))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("224.0.0.251") + bytes(4))
        sock.sendto(b"probe", ("224.0.0.251", 5353))


def follow_interfaces() -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.bind((0, 1))


def serve_locally() -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(RUNTIME / "probe.sock"))
        sock.listen()


def start_others() -> None:
    threading.Thread(target=lambda: None).start()
    subprocess.run(["/bin/true"], check=True)


def needed() -> dict[str, Callable[[], object]]:
    """What yp2p does. (Not openat2: RestrictSUIDSGID= takes it away, and yp2p walks by other calls then.)"""
    return {
        "write the folder": lambda: write(str(FOLDER / "file")),
        "exchange files": exchange_files,
        "unnamed files": make_unnamed_file,
        "leases": lease_file,
        "attributes, modes and groups": keep_attributes,
        "links": make_links,
        "force to the disk": force_to_disk,
        "watch": watch,
        "read the limits of inotify": lambda: Path("/proc/sys/fs/inotify/max_user_watches").read_text(),
        "read the boot ID": lambda: Path("/proc/sys/kernel/random/boot_id").read_text(),
        "read its mounts": lambda: Path("/proc/self/mountinfo").read_text(),
        "TCP": listen_and_connect,
        "multicast": hear_multicast,
        "interfaces": follow_interfaces,
        "a local socket": serve_locally,
        "processes and threads": start_others,
    }


def outcome(attempt: Callable[[], object]) -> str:
    """What comes of it, in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            attempt()
            said = "done"
        except OSError as error:
            said = errno.errorcode.get(error.errno or 0, str(error))
        except BaseException as error:
            said = repr(error)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read().decode()
    _, status = os.waitpid(child, 0)
    return said or f"status {status}"


def main() -> None:
    found = {
        kind: {name: outcome(attempt) for name, attempt in attempts.items()}
        for kind, attempts in (("forbidden", forbidden()), ("needed", needed()))
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
