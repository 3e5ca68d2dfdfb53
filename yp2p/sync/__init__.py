"""What drives the parts: folders, sessions, providers, ingest and render, peers, pairing."""
