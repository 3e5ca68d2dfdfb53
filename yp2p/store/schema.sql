-- The store of one device. WAL, synchronous=FULL: what is committed survives the power.
-- IDs and hashes are BLOBs; times are seconds since 1970 by this device's clock.

-- Whose store this is: one row, the device ID. With another key it is somebody else's store.
CREATE TABLE owner (
    device  BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Folders this device takes part in. `adopted` is 0 until a joiner has had its first manifest.
CREATE TABLE folder (
    id      BLOB PRIMARY KEY,          -- 16 random bytes
    label   TEXT NOT NULL,
    root    TEXT NOT NULL UNIQUE,      -- absolute path here
    founder BLOB NOT NULL,             -- device ID: the root of trust for the statements
    adopted INTEGER NOT NULL,
    added   REAL NOT NULL,
    confirmation TEXT NOT NULL DEFAULT '', -- why it waits for a person to confirm a mass deletion; empty: it does not
    paused  INTEGER NOT NULL DEFAULT 0, -- whether a person wants its directory left alone
    paused_until REAL NOT NULL DEFAULT 0 -- until then; 0: until a person says otherwise
) STRICT, WITHOUT ROWID;

-- Signed membership statements, as they came (docs/protocol.md).
CREATE TABLE statement (
    folder  BLOB NOT NULL,
    body    BLOB NOT NULL,
    PRIMARY KEY (folder, body)
) STRICT, WITHOUT ROWID;

-- What is known of other devices besides their keys.
CREATE TABLE device (
    id      BLOB PRIMARY KEY,
    name    TEXT NOT NULL,
    host    TEXT NOT NULL,             -- where it was last reached
    port    INTEGER NOT NULL,
    seen    REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- Every update of every document, in the order of commit. A document is the sum of its rows.
CREATE TABLE log (
    seq      INTEGER PRIMARY KEY,
    folder   BLOB NOT NULL,
    document BLOB NOT NULL,
    origin   BLOB NOT NULL,            -- device it came from; empty for our own
    received REAL NOT NULL,
    data     BLOB NOT NULL,
    crc      INTEGER NOT NULL DEFAULT -1  -- the checksum of data; -1: written before there was one
) STRICT;
CREATE INDEX log_document ON log (folder, document, seq);

-- Rows of the log that were written close together, as they were (`folder/packs.py`). The log has their sum instead, as
-- the last of them, so that a document of many keystrokes loads quickly and takes little room.
CREATE TABLE pack (
    seq      INTEGER PRIMARY KEY,      -- the row of the log that is their sum, and the last of them
    folder   BLOB NOT NULL,
    document BLOB NOT NULL,
    first    INTEGER NOT NULL,         -- the first of them
    since    REAL NOT NULL,            -- when that was stored
    alike    INTEGER NOT NULL,         -- whether all came from one device, and all of them or none can be undone here
    removers BLOB NOT NULL,            -- where they came from different devices: which of those only removed something
    rows     BLOB NOT NULL             -- the rows, compressed
) STRICT;
CREATE INDEX pack_document ON pack (folder, document, seq);

-- What each document amounts to, so that a start need not load them all.
CREATE TABLE digest (
    folder   BLOB NOT NULL,
    document BLOB NOT NULL,
    version  BLOB NOT NULL,            -- hash of state vector and delete set
    content  BLOB NOT NULL,            -- hash of the text
    clocks   BLOB NOT NULL,            -- encoded state vector
    seq      INTEGER NOT NULL,         -- the last row of the log that it includes
    PRIMARY KEY (folder, document)
) STRICT, WITHOUT ROWID;

-- The base of each file: what it held when it was last rendered or ingested. The base is the document's log up
-- to base_seq, or base_state where it is no prefix of the log (a save while others' updates were on their way).
CREATE TABLE file (
    folder     BLOB NOT NULL,
    entry      BLOB NOT NULL,
    path       BLOB NOT NULL,          -- where it is on disk, as bytes
    document   BLOB NOT NULL,
    base_seq   INTEGER NOT NULL,
    base_state BLOB,
    content    BLOB NOT NULL,          -- hash of the base: SHA-256 of a text, others as in protocol/entries.py
    mode       INTEGER NOT NULL,       -- 1 executable, 2 private
    inode      INTEGER NOT NULL,
    size       INTEGER NOT NULL,
    mtime_ns   INTEGER NOT NULL,
    ctime_ns   INTEGER NOT NULL,
    kind       INTEGER NOT NULL DEFAULT 1, -- 1 text, 2 blob, 3 directory, 4 symlink
    own        INTEGER NOT NULL DEFAULT 0, -- whether it was saved here, and not rendered
    sight      INTEGER NOT NULL DEFAULT 0, -- whether it would have been seen if it had gone: 0 yes, 1 no, 2 to be confirmed
    PRIMARY KEY (folder, entry)
) STRICT, WITHOUT ROWID;

-- Files about to be put in place. After a crash the inode under the temporary name tells whether they were.
CREATE TABLE intent (
    folder    BLOB NOT NULL,
    entry     BLOB NOT NULL,
    path      BLOB NOT NULL,
    document  BLOB NOT NULL,
    temporary TEXT NOT NULL,
    inode     INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    content   BLOB NOT NULL,
    mode      INTEGER NOT NULL,
    kind      INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (folder, entry)
) STRICT, WITHOUT ROWID;

-- The hashes of the chunks of blobs of more than one, 32 bytes each, in order: of files here and of those on their way.
CREATE TABLE chunks (
    hash    BLOB PRIMARY KEY,
    size    INTEGER NOT NULL,
    hashes  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What saves that turn up may have been made of, beside what the files are known to hold: versions that were opened here
-- before others' changes were rendered over them. A restart does not forget them.
CREATE TABLE unread (
    folder     BLOB NOT NULL,
    entry      BLOB NOT NULL,
    content    BLOB NOT NULL,
    base_seq   INTEGER NOT NULL,
    base_state BLOB,
    before     BLOB,                   -- the entry that had this path before, where the base is one of its versions
    lock_name  BLOB NOT NULL DEFAULT x'', -- the lock of an editor that stood beside it when the newer version came
    lock_inode INTEGER NOT NULL DEFAULT 0,
    is_read    INTEGER NOT NULL DEFAULT 0, -- whether somebody has read, or saved over, what was rendered since
    PRIMARY KEY (folder, entry, content)
) STRICT, WITHOUT ROWID;

-- One row per process start: which client IDs this device wrote with, and when.
CREATE TABLE start (
    client  INTEGER PRIMARY KEY,
    fork    INTEGER NOT NULL,
    started REAL NOT NULL
) STRICT;

-- Bases of the last day that are no prefix of the log, and so would be gone once the file moved on.
CREATE TABLE base (
    folder     BLOB NOT NULL,
    entry      BLOB NOT NULL,
    at         REAL NOT NULL,
    document   BLOB NOT NULL,
    base_state BLOB NOT NULL,
    content    BLOB NOT NULL,
    PRIMARY KEY (folder, entry, at)
) STRICT, WITHOUT ROWID;

-- What can be undone: the rows of the log that this device's own changes are. Those of one group are undone together.
CREATE TABLE step (
    seq      INTEGER PRIMARY KEY,      -- a row of the log; or taken like one, where a file was brought back or taken away
    folder   BLOB NOT NULL,
    document BLOB NOT NULL,
    grp      INTEGER NOT NULL,         -- the first row of its group, negative where the file itself came or went
    at       REAL NOT NULL,
    stack    INTEGER NOT NULL          -- 0 can be undone, 1 can be redone, 2 neither: undone or redone since
) STRICT;
CREATE INDEX step_document ON step (folder, document, stack, seq);

-- What a person should know of and can look up: text of others that a save removed, changes merged in one line...
CREATE TABLE notice (
    id     INTEGER PRIMARY KEY,
    folder BLOB NOT NULL,
    at     REAL NOT NULL,
    kind   TEXT NOT NULL,
    path   BLOB NOT NULL,
    text   TEXT NOT NULL,
    entry  BLOB NOT NULL,
    undo   BLOB NOT NULL               -- what brings it back, as JSON; empty where nothing was removed
) STRICT;

-- How the daemon ended: one row, written at the start (clean = 0) and at a clean stop (clean = 1).
CREATE TABLE last_run (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    boot  TEXT NOT NULL,               -- the kernel's boot ID
    clean INTEGER NOT NULL
) STRICT;

-- The days on which a daemon ran: the age of what is in the trash is counted in these, not by a clock that may jump.
CREATE TABLE day (
    day TEXT PRIMARY KEY,              -- YYYY-MM-DD, UTC
    seq INTEGER NOT NULL DEFAULT 0     -- the last row of the log when it began
) STRICT, WITHOUT ROWID;

-- Which documents clients that know a file by its path alone were given under a path: one that comes back may hold the
-- text of the file that had the path before.
CREATE TABLE served (
    folder   BLOB NOT NULL,
    path     BLOB NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (folder, path, document)
) STRICT, WITHOUT ROWID;

-- Which file had a path before others' changes took it from there: who had it open may save there still.
CREATE TABLE former (
    folder     BLOB NOT NULL,
    path       BLOB NOT NULL,
    entry      BLOB NOT NULL,
    document   BLOB NOT NULL,
    kind       INTEGER NOT NULL,
    content    BLOB NOT NULL,
    base_seq   INTEGER NOT NULL,
    base_state BLOB,
    moved_at   REAL NOT NULL, -- seconds since 1970
    PRIMARY KEY (folder, path)
) STRICT, WITHOUT ROWID;

-- The rules on what is ignored that people here agreed to: what others loosen frees nothing here.
CREATE TABLE rules (
    folder BLOB PRIMARY KEY,
    agreed BLOB NOT NULL               -- in the syntax of .yp2pignore
) STRICT, WITHOUT ROWID;

-- Rows that could not be read at a start, each as what an INSERT would put back: nobody reads them, and nothing is lost.
CREATE TABLE aside (
    id  INTEGER PRIMARY KEY,
    at  REAL NOT NULL,                 -- seconds since 1970
    row TEXT NOT NULL
) STRICT;

-- Invites for machines, honoured by this device: what is left of their uses, and until when (seconds since 1970).
CREATE TABLE invite (
    secret     BLOB PRIMARY KEY,
    folder     BLOB NOT NULL,
    role       INTEGER NOT NULL,
    uses       INTEGER NOT NULL,
    expires_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- Up to which row of the log other devices have had everything. Of one that was removed by others: behind which row what
-- came from it may not count, as long as that is doubted (folder/uncounted.py).
CREATE TABLE agreement (
    folder  BLOB NOT NULL,
    device  BLOB NOT NULL,
    seq     INTEGER NOT NULL,
    doubted INTEGER NOT NULL,
    PRIMARY KEY (folder, device)
) STRICT, WITHOUT ROWID;

-- The texts of which the changes of a doubted device were taken back already (folder/taking_back.py).
CREATE TABLE judgement (
    folder   BLOB NOT NULL,
    device   BLOB NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (folder, device, document)
) STRICT, WITHOUT ROWID;

-- Folders that a person left here, for good: the settings do not begin them again. `seq` is the last row of the log by
-- then: no number is given twice, although the rows are gone.
CREATE TABLE departed (
    folder BLOB NOT NULL,
    root   TEXT NOT NULL,              -- absolute path here
    seq    INTEGER NOT NULL,
    PRIMARY KEY (folder, root)
) STRICT, WITHOUT ROWID;

-- What a person here has ignored on this device only (`yp2p folder ignore`), beside the settings and `.yp2pignore`.
CREATE TABLE local_rules (
    folder   BLOB PRIMARY KEY,
    patterns TEXT NOT NULL             -- in gitignore syntax, a line each
) STRICT, WITHOUT ROWID;

-- Folders that this device offers to others (device/offers_made.py).
CREATE TABLE offer_made (
    folder   BLOB NOT NULL,
    device   BLOB NOT NULL,
    offer    BLOB NOT NULL,            -- 16 random bytes, others each time that it is made
    role     INTEGER NOT NULL,
    made_at  REAL NOT NULL,            -- seconds since 1970
    removals BLOB NOT NULL,            -- what was known then of removals of that device: a hash
    declined INTEGER NOT NULL,
    PRIMARY KEY (folder, device)
) STRICT, WITHOUT ROWID;

-- Folders that other devices offer to this one (device/offers_received.py).
CREATE TABLE offer_received (
    device      BLOB NOT NULL,
    folder      BLOB NOT NULL,
    offer       BLOB NOT NULL,
    founder     BLOB NOT NULL,
    role        INTEGER NOT NULL,
    label       TEXT NOT NULL,
    received_at REAL NOT NULL,         -- seconds since 1970
    decision    INTEGER NOT NULL,      -- 0 none yet, 1 accept, 2 decline
    path        TEXT NOT NULL,         -- where it is to be, once it is accepted
    chosen      BLOB NOT NULL DEFAULT x'',  -- the paths of it that are to be there, NUL between them; empty: everything
    PRIMARY KEY (device, folder)
) STRICT, WITHOUT ROWID;

-- What a person here chose about a device, and since when it is known (0: from before that was noted). This device has a
-- row as well, where a person gave it another name than its settings.
CREATE TABLE known (
    id     BLOB PRIMARY KEY,
    name   TEXT NOT NULL,              -- given here; empty: none
    paused INTEGER NOT NULL,           -- no link with it, in either direction
    since  REAL NOT NULL,              -- seconds since 1970
    paused_until REAL NOT NULL DEFAULT 0 -- until then; 0: until a person says otherwise
) STRICT, WITHOUT ROWID;

-- The limits of bandwidth that a person set while the daemon ran, for a device or (empty ID) for all together. Bytes a
-- second; 0 is no limit, NULL is what the settings say.
CREATE TABLE bandwidth (
    device   BLOB PRIMARY KEY,
    upload   INTEGER,
    download INTEGER
) STRICT, WITHOUT ROWID;

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
) STRICT, WITHOUT ROWID;

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
) STRICT, WITHOUT ROWID;

-- What a person had removed from the past (`yp2p purge`). What was removed may still be in the store's free pages as long
-- as `is_erased` is 0.
CREATE TABLE purge (
    folder    BLOB NOT NULL,
    request   BLOB NOT NULL,           -- 16 random bytes
    issuer    BLOB NOT NULL,           -- device ID
    at        REAL NOT NULL,           -- seconds since 1970, by this device's clock
    path      BLOB NOT NULL,           -- what was meant, in the folder; empty: all of it
    entries   BLOB NOT NULL,           -- IDs of 16 bytes, one after the other
    is_erased INTEGER NOT NULL,
    PRIMARY KEY (folder, request)
) STRICT, WITHOUT ROWID;

-- What lies in the trash of folders held when it was read first (check/trash.py): damage shows by that.
CREATE TABLE trashed (
    folder  BLOB NOT NULL,
    name    BLOB NOT NULL,             -- beneath .yp2p/trash
    content BLOB NOT NULL,             -- hash of it, as of a blob
    PRIMARY KEY (folder, name)
) STRICT, WITHOUT ROWID;

-- What devices ask others to remove the past of, by signed requests (trust/purges.py).
CREATE TABLE purge_request (
    folder   BLOB NOT NULL,
    request  BLOB NOT NULL,            -- 16 random bytes
    number   INTEGER NOT NULL UNIQUE,  -- what people here call it
    body     BLOB NOT NULL,            -- as it was sent
    received REAL NOT NULL,            -- seconds since 1970
    waited   REAL NOT NULL,            -- for how many seconds a daemon ran since
    PRIMARY KEY (folder, request)
) STRICT, WITHOUT ROWID;

-- What each device answered last.
CREATE TABLE purge_answer (
    folder  BLOB NOT NULL,
    request BLOB NOT NULL,
    device  BLOB NOT NULL,
    body    BLOB NOT NULL,             -- as it was sent
    PRIMARY KEY (folder, request, device)
) STRICT, WITHOUT ROWID;

-- What those who edit by name on this device call themselves, and with which client IDs they wrote.
CREATE TABLE writer (
    folder  BLOB NOT NULL,
    client  INTEGER NOT NULL,
    name    TEXT NOT NULL,
    PRIMARY KEY (folder, client)
) STRICT, WITHOUT ROWID;

-- What was taken back of all that somebody did by name: `seq` is the row of the log that did it.
CREATE TABLE undone_by (
    folder   BLOB NOT NULL,
    document BLOB NOT NULL,
    name     TEXT NOT NULL,
    until    INTEGER NOT NULL,         -- the last row of theirs by then
    seq      INTEGER NOT NULL,
    PRIMARY KEY (folder, document, name, until)
) STRICT, WITHOUT ROWID;

-- What programs showed of a text while no daemon ran, and wrote meanwhile: a save with one of these texts is theirs.
CREATE TABLE shown (
    folder   BLOB NOT NULL,
    document BLOB NOT NULL,
    at       REAL NOT NULL,            -- when the program was back
    contents BLOB NOT NULL,            -- the hashes of the texts, the oldest first
    times    BLOB NOT NULL,            -- when each was shown first, where that is known, and when the last one no more
    known    BLOB NOT NULL,            -- the state vector of what it had by then
    gone     BLOB NOT NULL,            -- and what of that was deleted, as an update
    wrote    BLOB NOT NULL,            -- the state vector of what it wrote
    PRIMARY KEY (folder, document, at)
) STRICT;
