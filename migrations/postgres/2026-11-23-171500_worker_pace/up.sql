-- What a process may do and does, so that a page can say whether more of them would help. A process of an earlier version leaves both 0.
ALTER TABLE workers ADD COLUMN max_connections BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workers ADD COLUMN attempts_per_minute BIGINT NOT NULL DEFAULT 0;
