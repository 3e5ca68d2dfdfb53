"""From the disk to the documents: finding what changed, what it was made of, and what edit that is."""
