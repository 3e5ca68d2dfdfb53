-- Schema 25 to 26: what lies in the trash held when it was read first.
-- What lies in the trash of folders held when it was read first (check/trash.py): damage shows by that.
CREATE TABLE trashed (
    folder  BLOB NOT NULL,
    name    BLOB NOT NULL,             -- beneath .yp2p/trash
    content BLOB NOT NULL,             -- hash of it, as of a blob
    PRIMARY KEY (folder, name)
) STRICT, WITHOUT ROWID
