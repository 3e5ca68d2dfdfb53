"""The check: everything that this device keeps of its folders, against one another and against the other devices.

Theory of operation
    What a folder is stands in several places: the log of its documents says what every file was and is; digests say
    what the documents amount to; the file index says which file holds which version, with its stamp; the files hold the
    bytes; packs, undo steps and notices refer to the log; the other devices have all of it once more. Where all is
    well, each follows from others. `gather` reads them, in slices and in threads, as plain values (`facts`); `files`,
    `documents`, `records` and `others` are tables of cases: of such values they say what does not fit, each as a
    `Finding` with a kind and a sentence. `repairs` does what a finding asks for, and nothing looks and acts at a time.

    Whoever looks beside people's work sees things on their way. So nothing is said of what waits to be read or written,
    and what was found is looked for a second time, a moment later, by itself: only what is found twice is told.

    One right answer. A finding is mended only where the same follows from all that is known, whoever looks:

    * What is derived is made anew of what it is derived from: digests, lists of chunks, rows of the index, entries of
      the blob index. The log and the files are what others follow from; they are never made to fit.
    * What is referred to and gone (an undo step, a notice, a pack that cannot be read) is set aside in the store.
    * A file whose bytes changed although its stamp did not was written by nobody (`disk/damaged_files.py`).
    * What the log has lost, other devices have. What is left of it is set aside, and their copy taken. Without a device
      that is connected nothing is taken away: what is left may be all there is.
    * What a person may have meant is left to people: a file that is gone, a directory without its marker, a key that is
      another one, a device that does not tell the truth.

Invariants
    * No version is lost: what a repair takes away is in the trash, or in the table `aside`, before.
    * A check that repairs nothing changes nothing, but for what it remembers of the trash.
    * What a check reads is not taken for a person's reading.
"""
