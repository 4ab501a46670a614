-- Retries and ends: what is put off or given up now by group of replies, deadlines, dead letters that were discarded, orders.
CREATE TABLE reply_groups_made_new (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    campaign_id  BIGINT NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    provider_id  BIGINT NOT NULL,
    -- the normalised text: digits, addresses and ids replaced
    text_key     TEXT NOT NULL,
    workspace_id BIGINT NOT NULL,
    class        TEXT NOT NULL,
    reply_code   SMALLINT,
    enhanced     TEXT,
    sample       TEXT NOT NULL,
    n            BIGINT NOT NULL,
    first_at_ms  BIGINT NOT NULL,
    last_at_ms   BIGINT NOT NULL,
    deferred     BIGINT NOT NULL DEFAULT 0,
    dead         BIGINT NOT NULL DEFAULT 0,
    UNIQUE (campaign_id, provider_id, text_key)
);
INSERT INTO reply_groups_made_new (campaign_id, provider_id, text_key, workspace_id, class, reply_code, enhanced, sample, n, first_at_ms, last_at_ms)
    SELECT campaign_id, provider_id, text_key, workspace_id, class, reply_code, enhanced, sample, n, first_at_ms, last_at_ms FROM reply_groups;
DROP TABLE reply_groups;
ALTER TABLE reply_groups_made_new RENAME TO reply_groups;

-- Every refusal's text has a row in reply_groups; these two sums say how many deliveries of it stand so now.
CREATE INDEX reply_groups_deferred ON reply_groups (workspace_id, campaign_id) WHERE deferred > 0;
CREATE INDEX reply_groups_dead ON reply_groups (workspace_id, campaign_id) WHERE dead > 0;

-- The group of the last refusal. A dead letter without one was discarded: it stays failed or soft bounced, and leaves the list.
ALTER TABLE deliveries ADD COLUMN reply_group_id BIGINT;

-- What was put off or given up before groups were kept, by reason and code: a text of theirs is not normalised here.
INSERT INTO reply_groups (campaign_id, provider_id, text_key, workspace_id, class, reply_code, enhanced, sample, n, first_at_ms, last_at_ms, deferred, dead)
SELECT campaign_id, provider_id, 'before groups: ' || COALESCE(reason, '') || ' ' || COALESCE(CAST(reply_code AS TEXT), ''), workspace_id,
    COALESCE(reason, 'undetermined'), reply_code, NULL, COALESCE(MAX(reply), ''), 0, MIN(COALESCE(first_attempt_at_ms, updated_at_ms)), MAX(updated_at_ms),
    SUM(CASE WHEN state = 3 THEN 1 ELSE 0 END), SUM(CASE WHEN state = 3 THEN 0 ELSE 1 END)
FROM deliveries WHERE kind = 0 AND state IN (3, 12, 13) GROUP BY campaign_id, provider_id, reason, reply_code, workspace_id;
UPDATE deliveries SET reply_group_id = (
    SELECT g.id FROM reply_groups g WHERE g.campaign_id = deliveries.campaign_id AND g.provider_id = deliveries.provider_id
    AND g.text_key = 'before groups: ' || COALESCE(deliveries.reason, '') || ' ' || COALESCE(CAST(deliveries.reply_code AS TEXT), '')
) WHERE kind = 0 AND state IN (3, 12, 13);

CREATE INDEX deliveries_deferred_by_group ON deliveries (reply_group_id, next_at_ms) WHERE state = 3;
CREATE INDEX deliveries_dead_by_group ON deliveries (reply_group_id, updated_at_ms, id) WHERE state > 11 AND state < 14 AND reply_group_id IS NOT NULL;
CREATE INDEX deliveries_dead ON deliveries (workspace_id, updated_at_ms, id) WHERE state > 11 AND state < 14 AND reply_group_id IS NOT NULL;

-- Who took a dead letter off the list, when and why.
CREATE TABLE discards (
    delivery_id    BIGINT NOT NULL PRIMARY KEY,
    workspace_id   BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    reply_group_id BIGINT NOT NULL,
    at_ms          BIGINT NOT NULL,
    actor          TEXT NOT NULL,
    reason         TEXT NOT NULL
);

-- What a person wants done to all that match, worked off by the dispatcher in bounded steps.
CREATE TABLE queue_orders (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    workspace_id  BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    operation     TEXT NOT NULL CHECK (operation IN ('retry', 'discard', 'flush', 'hold', 'release', 'give_up')),
    -- JSON: store::UnsentFilter
    filter        TEXT NOT NULL,
    reason        TEXT NOT NULL DEFAULT '',
    actor         TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('running', 'done', 'stopped')),
    -- The checkpoint, committed with the rows: groups up to and with this one are done.
    after_group   BIGINT NOT NULL DEFAULT 0,
    -- As counted when it was given, and moved so far.
    total         BIGINT NOT NULL,
    moved         BIGINT NOT NULL DEFAULT 0,
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL
);
CREATE INDEX queue_orders_running ON queue_orders (id) WHERE state = 'running';
CREATE INDEX queue_orders_by_workspace ON queue_orders (workspace_id, id);

-- How long each lane tries, in hours from the first attempt; 0: as long as the lane does by itself.
ALTER TABLE workspaces ADD COLUMN give_up_transactional_hours INTEGER NOT NULL DEFAULT 0 CHECK (give_up_transactional_hours BETWEEN 0 AND 168);
ALTER TABLE workspaces ADD COLUMN give_up_automation_hours INTEGER NOT NULL DEFAULT 0 CHECK (give_up_automation_hours BETWEEN 0 AND 168);
ALTER TABLE workspaces ADD COLUMN give_up_bulk_hours INTEGER NOT NULL DEFAULT 0 CHECK (give_up_bulk_hours BETWEEN 0 AND 168);

-- A draft names hours after its launch or an instant; the launch makes an instant of it. NULL: no deadline.
ALTER TABLE campaigns ADD COLUMN deadline_hours INTEGER;
ALTER TABLE campaigns ADD COLUMN deadline_at_ms BIGINT;

-- Attempts that cost no number share a row: how many they were, and since when (NULL: one, at at_ms).
ALTER TABLE attempts ADD COLUMN times INTEGER NOT NULL DEFAULT 1;
ALTER TABLE attempts ADD COLUMN first_at_ms BIGINT;
