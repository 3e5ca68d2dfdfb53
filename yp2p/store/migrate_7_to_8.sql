-- Which documents clients that know a file by its path alone were given under a path.
CREATE TABLE served (
    folder   BLOB NOT NULL,
    path     BLOB NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (folder, path, document)
) STRICT, WITHOUT ROWID
