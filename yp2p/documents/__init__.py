"""CRDT documents, the only place for pycrdt: text documents, the manifest, diffs and the layout of a folder."""
