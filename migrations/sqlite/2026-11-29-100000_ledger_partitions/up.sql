-- What PostgreSQL needs for its ledger in parts. Here the ledger is one table, and every campaign lies in month 0.
ALTER TABLE fanouts ADD COLUMN ledger_month BIGINT NOT NULL DEFAULT 0;
-- When retention took the campaign's rows away; its sums stay.
ALTER TABLE fanouts ADD COLUMN rows_removed_at_ms BIGINT;

-- What a link in a delivered mail needs to know of its delivery when the row is gone: packed by tidings_store, some
-- octets for each recipient.
CREATE TABLE kept_recipients (
    -- Deliveries from this number to that.
    first_delivery_id BIGINT NOT NULL PRIMARY KEY,
    last_delivery_id  BIGINT NOT NULL,
    workspace_id      BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    campaign_id       BIGINT NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    revision_id       BIGINT NOT NULL,
    recipients        BLOB NOT NULL
);
CREATE INDEX kept_recipients_by_campaign ON kept_recipients (campaign_id);
