-- Up to which row of the log other devices have had everything (folder/uncounted.py).
CREATE TABLE agreement (
    folder  BLOB NOT NULL,
    device  BLOB NOT NULL,
    seq     INTEGER NOT NULL,
    doubted INTEGER NOT NULL,
    PRIMARY KEY (folder, device)
) STRICT, WITHOUT ROWID
