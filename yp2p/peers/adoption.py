"""Adoption: files that a joiner has already are not sent to it (invariant 5).

A first import makes the same document of the same text on every device. So when a peer announces a document that is
missing here, and the file of that path has that content, importing it gives that document, without a byte of it on the
network. The version tells whether it does: a document with a history has another one and is pulled.
"""

from __future__ import annotations

from collections.abc import Mapping

import trio

from yp2p.documents.text import first_import
from yp2p.files.inspect import Finding, Found, inspect
from yp2p.files.root import Root
from yp2p.folder.folder import Folder
from yp2p.folder.turns import turn
from yp2p.identity import DeviceID, EntryID
from yp2p.protocol.entries import Kind
from yp2p.protocol.reconcile import Leaf
from yp2p.protocol.ysync import Shape, check

_SLICE = 32
_MAX_BYTES = 32 << 20


async def adopt(folder: Folder, leaves: Mapping[EntryID, Leaf], peer: DeviceID) -> int:
    """Take what `peer` announced and what stands on our disk already; gives how many documents that were."""
    if folder.state.pause_reason:
        return 0  # nothing is read from its disk
    path_of = folder.catalogue.layout().path_of
    wanted = {
        path: leaf
        for entry, leaf in leaves.items()
        if (path := path_of.get(entry)) is not None
        and (found := folder.catalogue.entries[entry]).kind is Kind.TEXT
        and found.document == leaf.document
        and leaf.document not in folder.texts.digests
    }
    if not wanted:
        return 0
    adopted = 0
    for number, finding in enumerate(await trio.to_thread.run_sync(_read, folder, list(wanted))):
        leaf = wanted[finding.path]
        if finding.found is Found.TEXT and finding.content == leaf.content:
            made = first_import(finding.text)
            if made.version == leaf.version:
                adopted += folder.edits.take_pulled(leaf.document, check(made.update, Shape.TEXT), peer) is not None
        if number % _SLICE == 0:
            await turn()
    return adopted


def _read(folder: Folder, paths: list[str]) -> list[Finding]:
    """Blocks: in a worker thread."""
    try:
        root = Root(folder.path)
    except OSError:
        return []
    try:
        return [inspect(root, path, None, _MAX_BYTES, trust_stamp=False) for path in paths]
    finally:
        root.close()
