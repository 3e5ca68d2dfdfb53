"""Which faults a document has: damaged or missing rows of its log, and a digest that is not what the log amounts to.

Decided of `DocumentFacts` alone; nothing is read here.
"""

from __future__ import annotations

from collections.abc import Iterator

from yp2p.check.facts import DocumentFacts
from yp2p.check.findings import Finding, Kind


def of_document(folder: str, facts: DocumentFacts) -> Iterator[Finding]:
    """What is wrong with a document."""
    subject = facts.document
    if facts.broken or facts.gap:
        what = (
            f"row {facts.broken} of its log is not what was written"
            if facts.broken
            else f"row {facts.gap} of its log builds on rows that are missing"
        )
        yield _damaged(folder, facts, what)
    elif not facts.rows:
        if facts.known is not None:
            yield _damaged(folder, facts, "its log is gone from the store")
        elif facts.is_named and not facts.is_manifest:
            text = "its text is not here: no log of it is in the store"
            yield Finding(Kind.MISSING_DOCUMENT, folder, facts.path, text, subject)
    elif facts.made is None:
        yield _damaged(folder, facts, "its log cannot be read")
    elif facts.known is not None and facts.made.version != facts.known.version and facts.is_manifest:
        yield _damaged(folder, facts, "the store has another version of it than is in memory")
    elif facts.known is not None and facts.made != facts.known:
        text = "what the text is known to amount to is not what its log says"
        yield Finding(Kind.WRONG_DIGEST, folder, facts.path, text, subject)


def _damaged(folder: str, facts: DocumentFacts, what: str) -> Finding:
    if facts.is_manifest:
        text = f"part of the list of entries is damaged: {what}"
        return Finding(Kind.DAMAGED_MANIFEST, folder, "", text, facts.document)
    return Finding(Kind.DAMAGED_HISTORY, folder, facts.path, f"its history is damaged: {what}", facts.document)
