"""What there is while the root of a folder is open, and only then."""

from __future__ import annotations

from dataclasses import dataclass

from yp2p.disk.ingest.ingest import Ingest
from yp2p.disk.render.render import Render
from yp2p.files.root import Root
from yp2p.files.watch import Watcher


@dataclass(frozen=True, slots=True)
class OpenRoot:
    """A root with its watches, and what works on it."""

    root: Root
    watcher: Watcher
    ingest: Ingest
    render: Render
