"""A progress bar on a terminal, for commands that take long. It shows what `yp2p status` says, over and over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from yp2p.cli.options import call
from yp2p.cli.output import is_terminal
from yp2p.errors import YpError
from yp2p.sentences import ToGo

_POLL_S = 0.3


@contextmanager
def progress_bar() -> Iterator[None]:
    """Show how far it is meanwhile, if there is a terminal; the bar goes when it is done."""
    if not is_terminal(err=True):
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_show, args=(ended,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(2)


def _show(ended: threading.Event) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.description}"))
    while not ended.wait(_POLL_S):  # what takes no time needs no bar
        to_go = _ask()
        if to_go is None or not (to_go.files or to_go.bytes):
            continue
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(to_go.text(), total=None)
            files, size = to_go.files, to_go.bytes
            while to_go is not None and (to_go.files or to_go.bytes) and not ended.is_set():
                files, size = max(files, to_go.files), max(size, to_go.bytes)
                share = min(to_go.files / files if files else 0.0, 1.0), to_go.bytes / size if size else 0.0
                bar.update(task, total=1.0, completed=1.0 - max(share), description=to_go.text())
                ended.wait(_POLL_S)
                to_go = _ask()


def _ask() -> ToGo | None:
    try:
        return ToGo.of(call("GET", "/v1/status"))
    except YpError:
        return None
