-- Whether a person wants the directory of a folder left alone.
ALTER TABLE folder ADD COLUMN paused INTEGER NOT NULL DEFAULT 0
