-- Schema 22 to 23: what of a folder this device has on its disk.
-- The paths of a folder whose files this device has on its disk; none: it has all. Nothing of it is told to others.
CREATE TABLE chosen (
    folder BLOB NOT NULL,
    path   BLOB NOT NULL,              -- empty: everything
    mark   BLOB NOT NULL,              -- of the choice: the directory has it as well
    PRIMARY KEY (folder, path)
) STRICT, WITHOUT ROWID;

-- What a person here made where nothing is chosen: it stays on this disk.
CREATE TABLE made_here (
    folder BLOB NOT NULL,
    entry  BLOB NOT NULL,
    PRIMARY KEY (folder, entry)
) STRICT, WITHOUT ROWID
