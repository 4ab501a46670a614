-- Who leads a loop that only one process may run at a time, and until when.
CREATE TABLE leases (
    name     TEXT NOT NULL PRIMARY KEY,
    holder   TEXT NOT NULL,
    until_ms BIGINT NOT NULL
);

-- Rows that became queued and whose jobs the shared queue may not have got yet: written with them, deleted after the push.
-- What is still here when a dispatcher takes over is pushed again.
CREATE TABLE unpushed_jobs (
    -- The batch's first row.
    delivery_id BIGINT NOT NULL PRIMARY KEY,
    -- Ids in decimal, separated by commas.
    deliveries  TEXT NOT NULL
);
