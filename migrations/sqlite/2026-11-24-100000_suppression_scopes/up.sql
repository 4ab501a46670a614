-- Suppressions of more kinds, with a scope, and a list of the installation's own (workspace 0, which is in no other table).
CREATE TABLE suppressions_made_new (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    workspace_id  BIGINT NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('address', 'domain', 'pattern', 'hash', 'md5', 'sha256')),
    value         TEXT NOT NULL,
    reason        TEXT NOT NULL CHECK (reason IN ('hard_bounce', 'complaint', 'unsubscribe', 'on_hold', 'blocklist')),
    -- Evidence: who or what said so, and its words (a reply verbatim).
    source        TEXT NOT NULL DEFAULT '',
    evidence      TEXT NOT NULL DEFAULT '',
    campaign_id   BIGINT,
    delivery_id   BIGINT,
    created_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT,
    -- 0: not only one list.
    list_id       BIGINT NOT NULL DEFAULT 0,
    -- As in deliveries; -1: not only one lane.
    lane          SMALLINT NOT NULL DEFAULT -1 CHECK (lane IN (-1, 0, 1, 2)),
    CHECK (list_id = 0 OR lane = -1),
    UNIQUE (workspace_id, kind, value, list_id, lane)
);
INSERT INTO suppressions_made_new (id, workspace_id, kind, value, reason, source, evidence, campaign_id, delivery_id, created_at_ms, expires_at_ms)
    SELECT id, workspace_id, kind, value, reason, source, evidence, campaign_id, delivery_id, created_at_ms, expires_at_ms FROM suppressions;
DROP TABLE suppressions;
ALTER TABLE suppressions_made_new RENAME TO suppressions;
-- The pages walk it by age.
CREATE INDEX suppressions_newest ON suppressions (workspace_id, id);
CREATE INDEX suppressions_by_reason ON suppressions (workspace_id, reason, id);

-- Kinds of which a list has, or had, entries that a look-up of an address and its domain in the workspace's own list does
-- not find: scoped ones, the other kinds, and all of the installation's. Sending asks this table, and looks further only
-- for what is named here. A row is written with the first such entry and stays.
CREATE TABLE suppression_specials (
    workspace_id BIGINT NOT NULL,
    kind         TEXT NOT NULL,
    PRIMARY KEY (workspace_id, kind)
);

-- Every change that a person made to a list, and what erased an address from it.
CREATE TABLE suppression_events (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- 0: the installation's own list.
    workspace_id BIGINT NOT NULL,
    at_ms        BIGINT NOT NULL,
    -- The name of who did it.
    who          TEXT NOT NULL,
    action       TEXT NOT NULL CHECK (action IN ('added', 'imported', 'removed', 'erased')),
    kind         TEXT NOT NULL DEFAULT '',
    value        TEXT NOT NULL DEFAULT '',
    -- all, list:ID or lane:NAME
    scope        TEXT NOT NULL DEFAULT 'all',
    reason       TEXT NOT NULL DEFAULT '',
    -- Why, in the person's words.
    note         TEXT NOT NULL DEFAULT ''
);
CREATE INDEX suppression_events_newest ON suppression_events (workspace_id, id);
CREATE INDEX suppression_events_of_value ON suppression_events (value);

CREATE TABLE suppression_imports (
    id              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- 0: for the installation's own list.
    workspace_id    BIGINT NOT NULL,
    file_name       TEXT NOT NULL,
    -- Empty once the file is deleted.
    spool_path      TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('ready', 'running', 'done', 'failed', 'cancelled')),
    list_id         BIGINT NOT NULL DEFAULT 0,
    lane            SMALLINT NOT NULL DEFAULT -1,
    -- For rows that name none of their own.
    reason          TEXT NOT NULL CHECK (reason IN ('hard_bounce', 'complaint', 'unsubscribe', 'on_hold', 'blocklist')),
    note            TEXT NOT NULL DEFAULT '',
    -- What the file was recognised as.
    layout          TEXT NOT NULL DEFAULT '',
    bytes_total     BIGINT NOT NULL,
    -- Everything before this octet is committed, and so many records.
    bytes_done      BIGINT NOT NULL DEFAULT 0,
    row_no          BIGINT NOT NULL DEFAULT 0,
    rows_read       BIGINT NOT NULL DEFAULT 0,
    rows_added      BIGINT NOT NULL DEFAULT 0,
    -- An entry that is as strong was there.
    rows_known      BIGINT NOT NULL DEFAULT 0,
    rows_refused    BIGINT NOT NULL DEFAULT 0,
    error           TEXT NOT NULL DEFAULT '',
    created_by      TEXT NOT NULL,
    created_at_ms   BIGINT NOT NULL,
    updated_at_ms   BIGINT NOT NULL,
    finished_at_ms  BIGINT,
    leased_by       TEXT NOT NULL DEFAULT '',
    leased_until_ms BIGINT NOT NULL DEFAULT 0,
    CHECK (rows_read = rows_added + rows_known + rows_refused)
);
CREATE INDEX suppression_imports_open ON suppression_imports (id) WHERE state IN ('ready', 'running');
CREATE INDEX suppression_imports_newest ON suppression_imports (workspace_id, id);

-- How many rows of an import were refused for each reason, and the first of them.
CREATE TABLE suppression_refusals (
    import_id BIGINT NOT NULL REFERENCES suppression_imports (id) ON DELETE CASCADE,
    reason    TEXT NOT NULL,
    n         BIGINT NOT NULL,
    first_row BIGINT NOT NULL,
    -- What stood there, cut short.
    sample    TEXT NOT NULL,
    PRIMARY KEY (import_id, reason)
);
