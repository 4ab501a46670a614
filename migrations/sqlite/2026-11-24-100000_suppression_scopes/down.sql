DROP TABLE suppression_refusals;
DROP TABLE suppression_imports;
DROP TABLE suppression_events;
DROP TABLE suppression_specials;
CREATE TABLE suppressions_made_new (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    workspace_id  BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    kind          TEXT NOT NULL CHECK (kind IN ('address', 'domain')),
    value         TEXT NOT NULL,
    reason        TEXT NOT NULL CHECK (reason IN ('hard_bounce', 'complaint', 'unsubscribe', 'on_hold', 'blocklist')),
    -- Evidence: who or what said so, and its words (a reply verbatim).
    source        TEXT NOT NULL DEFAULT '',
    evidence      TEXT NOT NULL DEFAULT '',
    campaign_id   BIGINT,
    delivery_id   BIGINT,
    created_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT,
    UNIQUE (workspace_id, kind, value)
);
INSERT INTO suppressions_made_new (id, workspace_id, kind, value, reason, source, evidence, campaign_id, delivery_id, created_at_ms, expires_at_ms)
    SELECT id, workspace_id, kind, value, reason, source, evidence, campaign_id, delivery_id, created_at_ms, expires_at_ms FROM suppressions
    WHERE kind IN ('address', 'domain') AND list_id = 0 AND lane = -1 AND workspace_id <> 0;
DROP TABLE suppressions;
ALTER TABLE suppressions_made_new RENAME TO suppressions;
