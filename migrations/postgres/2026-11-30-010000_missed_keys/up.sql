-- Since when DNS says that a key in use is not there; empty while it is there. One such answer is not believed alone.
ALTER TABLE dkim_keys ADD COLUMN missed_since_ms BIGINT;
