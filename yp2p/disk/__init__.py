"""The disk of a folder: what changes there becomes an edit (`ingest`), what documents say is put there (`render`)."""
