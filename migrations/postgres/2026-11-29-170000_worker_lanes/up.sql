-- The lanes that a process sends from, with commas between; empty for all, and for a process of an earlier version.
ALTER TABLE workers ADD COLUMN lanes TEXT NOT NULL DEFAULT '';
