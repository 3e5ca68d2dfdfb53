ALTER TABLE log ADD COLUMN crc INTEGER NOT NULL DEFAULT -1;
CREATE TABLE aside (
    id  INTEGER PRIMARY KEY,
    at  REAL NOT NULL,
    row TEXT NOT NULL
) STRICT;
UPDATE notice SET kind = 'conflict-copy' WHERE kind = 'kept-beside'
