"""Programs that read a file, think, and write: their edits are made of exactly the version that they read."""
