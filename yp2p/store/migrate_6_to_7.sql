-- A save may have been made of one of several versions before, and an editor's lock may have stood beside them.
ALTER TABLE unread RENAME TO unread_before;
CREATE TABLE unread (
    folder     BLOB NOT NULL,
    entry      BLOB NOT NULL,
    content    BLOB NOT NULL,
    base_seq   INTEGER NOT NULL,
    base_state BLOB,
    before     BLOB,
    lock_name  BLOB NOT NULL DEFAULT x'',
    lock_inode INTEGER NOT NULL DEFAULT 0,
    is_read    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (folder, entry, content)
) STRICT, WITHOUT ROWID;
INSERT INTO unread (folder, entry, content, base_seq, base_state, before)
    SELECT folder, entry, content, base_seq, base_state, before FROM unread_before;
DROP TABLE unread_before;

-- Rows of the log that were written close together, as they were: the log itself has their sum.
CREATE TABLE pack (
    seq      INTEGER PRIMARY KEY,
    folder   BLOB NOT NULL,
    document BLOB NOT NULL,
    first    INTEGER NOT NULL,
    since    REAL NOT NULL,
    alike    INTEGER NOT NULL,
    removers BLOB NOT NULL,
    rows     BLOB NOT NULL
) STRICT;
CREATE INDEX pack_document ON pack (folder, document, seq)
