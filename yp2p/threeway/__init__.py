"""Three-way merge of texts: pure, the same on every machine (theory: `merge.py`)."""
