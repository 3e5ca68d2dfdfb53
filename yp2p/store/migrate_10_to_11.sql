-- The rules on what is ignored that people here agreed to: what others loosen frees nothing here.
CREATE TABLE rules (
    folder BLOB PRIMARY KEY,
    agreed BLOB NOT NULL               -- in the syntax of .yp2pignore
) STRICT, WITHOUT ROWID
