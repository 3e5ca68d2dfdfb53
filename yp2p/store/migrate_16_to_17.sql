-- The texts of which the changes of a doubted device were taken back (folder/taking_back.py).
CREATE TABLE judgement (
    folder   BLOB NOT NULL,
    device   BLOB NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (folder, device, document)
) STRICT, WITHOUT ROWID
