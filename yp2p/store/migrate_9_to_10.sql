-- Whether it would have been seen if the file had gone (`Sight` in folder/records.py).
ALTER TABLE file ADD COLUMN sight INTEGER NOT NULL DEFAULT 0
