ALTER TABLE attempts DROP COLUMN first_at_ms;
ALTER TABLE attempts DROP COLUMN times;
ALTER TABLE campaigns DROP COLUMN deadline_at_ms;
ALTER TABLE campaigns DROP COLUMN deadline_hours;
ALTER TABLE workspaces DROP COLUMN give_up_bulk_hours;
ALTER TABLE workspaces DROP COLUMN give_up_automation_hours;
ALTER TABLE workspaces DROP COLUMN give_up_transactional_hours;
DROP TABLE queue_orders;
DROP TABLE discards;
DROP INDEX deliveries_dead;
DROP INDEX deliveries_dead_by_group;
DROP INDEX deliveries_deferred_by_group;
ALTER TABLE deliveries DROP COLUMN reply_group_id;
DELETE FROM reply_groups WHERE n = 0;
DROP INDEX reply_groups_dead;
DROP INDEX reply_groups_deferred;
CREATE TABLE reply_groups_made_old (
    campaign_id  BIGINT NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    provider_id  BIGINT NOT NULL,
    text_key     TEXT NOT NULL,
    workspace_id BIGINT NOT NULL,
    class        TEXT NOT NULL,
    reply_code   SMALLINT,
    enhanced     TEXT,
    sample       TEXT NOT NULL,
    n            BIGINT NOT NULL,
    first_at_ms  BIGINT NOT NULL,
    last_at_ms   BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, provider_id, text_key)
);
INSERT INTO reply_groups_made_old SELECT campaign_id, provider_id, text_key, workspace_id, class, reply_code, enhanced, sample, n, first_at_ms, last_at_ms FROM reply_groups;
DROP TABLE reply_groups;
ALTER TABLE reply_groups_made_old RENAME TO reply_groups;
