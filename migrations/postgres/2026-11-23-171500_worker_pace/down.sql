ALTER TABLE workers DROP COLUMN attempts_per_minute;
ALTER TABLE workers DROP COLUMN max_connections;
