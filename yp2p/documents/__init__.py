"""pycrdt lives here and nowhere else: text documents, the manifest, diffs and the layout of a folder."""
