"""The file system of one folder: scan, watch, ignore rules, path safety, atomic replacement."""
