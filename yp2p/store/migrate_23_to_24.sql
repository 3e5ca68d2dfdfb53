-- Schema 23 to 24: which files are damaged, and how far the scrub is that finds that out.
-- Files that are known to be damaged on this disk, and what they hold (disk/damaged_files.py): status names them.
CREATE TABLE damage (
    folder  BLOB NOT NULL,
    entry   BLOB NOT NULL,
    content BLOB NOT NULL,             -- hash of what the file holds instead of its entry's content
    at      REAL NOT NULL,             -- seconds since 1970
    PRIMARY KEY (folder, entry)
) STRICT, WITHOUT ROWID;

-- How far the scrub is that reads every file again (disk/scrub.py).
CREATE TABLE scrub (
    folder BLOB PRIMARY KEY,
    path   BLOB NOT NULL,              -- the last file that was read in the round that is on; empty: none yet
    began  REAL NOT NULL,              -- of that round, in seconds since 1970; 0: none is on
    ended  REAL NOT NULL,              -- of the last whole round, or since when the folder is scrubbed
    files  INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    found  INTEGER NOT NULL,           -- how many were damaged
    rounds INTEGER NOT NULL
) STRICT, WITHOUT ROWID
