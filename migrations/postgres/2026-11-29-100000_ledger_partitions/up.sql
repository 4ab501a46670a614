-- The ledger in parts, one for each month in which campaigns are launched, so that an old month is dropped like a table and the
-- indexes of the month at work stay small.
--
-- A delivery's number carries its month: months since January 2020, times 2^40, plus a number of one sequence. So every look-up
-- by number goes to one part, and all rows of a campaign lie in the month of its launch (fanouts.ledger_month). Rows from
-- before lie in the first part, month 0.

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
    recipients        BYTEA NOT NULL
);
CREATE INDEX kept_recipients_by_campaign ON kept_recipients (campaign_id);

ALTER TABLE deliveries RENAME TO deliveries_before;
ALTER TABLE deliveries_before ALTER COLUMN id DROP IDENTITY;
ALTER INDEX deliveries_pkey RENAME TO deliveries_before_pkey;
ALTER INDEX deliveries_one_for_each RENAME TO deliveries_before_one_for_each;
ALTER INDEX deliveries_open RENAME TO deliveries_before_open;
ALTER INDEX deliveries_tests_pending RENAME TO deliveries_before_tests_pending;
ALTER INDEX deliveries_due RENAME TO deliveries_before_due;
ALTER INDEX deliveries_exceptions RENAME TO deliveries_before_exceptions;
ALTER INDEX deliveries_by_subscriber RENAME TO deliveries_before_by_subscriber;
ALTER INDEX deliveries_tests RENAME TO deliveries_before_tests;

CREATE SEQUENCE deliveries_number;
SELECT setval('deliveries_number', GREATEST((SELECT MAX(id) FROM deliveries_before), 1));
ALTER TABLE deliveries_before ALTER COLUMN id SET DEFAULT nextval('deliveries_number');

CREATE TABLE deliveries (LIKE deliveries_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (id)) PARTITION BY RANGE (id);
-- The rule that a person gets a campaign once (deliveries_before_one_for_each) stands on each part: here it would have to name the id.
CREATE INDEX deliveries_open ON deliveries (campaign_id, state, id) WHERE state < 10;
CREATE INDEX deliveries_tests_pending ON deliveries (id) WHERE kind = 1 AND state = 0;
CREATE INDEX deliveries_due ON deliveries (next_at_ms) WHERE state = 3;
CREATE INDEX deliveries_exceptions ON deliveries (campaign_id, state, id) WHERE state > 10;
CREATE INDEX deliveries_by_subscriber ON deliveries (subscriber_id) WHERE state > 10;
CREATE INDEX deliveries_tests ON deliveries (campaign_id, id) WHERE kind = 1;

ALTER TABLE attempts RENAME TO attempts_before;
ALTER INDEX attempts_pkey RENAME TO attempts_before_pkey;
CREATE TABLE attempts (LIKE attempts_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (delivery_id, number))
    PARTITION BY RANGE (delivery_id);

ALTER TABLE deliveries ATTACH PARTITION deliveries_before FOR VALUES FROM (MINVALUE) TO (1099511627776);
ALTER TABLE attempts ATTACH PARTITION attempts_before FOR VALUES FROM (MINVALUE) TO (1099511627776);

-- Makes the parts of a month where they are missing, without keeping anybody from reading or writing the others. Says whether it did.
CREATE FUNCTION ledger_part(month BIGINT) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
DECLARE
    label TEXT := to_char(DATE '2020-01-01' + make_interval(months => month::INTEGER), 'YYYY_MM');
    first BIGINT := month << 40;
    beyond BIGINT := (month + 1) << 40;
BEGIN
    IF to_regclass('deliveries_' || label) IS NOT NULL THEN
        RETURN FALSE;
    END IF;
    -- Two launches at once: the second finds what the first made. Any number will do, if nobody else uses it.
    PERFORM pg_advisory_xact_lock(31924187331589923);
    IF to_regclass('deliveries_' || label) IS NOT NULL THEN
        RETURN FALSE;
    END IF;
    -- Rows are written once and change three times soon after: the room for that is kept on each page, and what is left behind is
    -- cleared often while it is little.
    EXECUTE format('CREATE TABLE %I (LIKE deliveries INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (fillfactor = 70,
        autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02)', 'deliveries_' || label);
    EXECUTE format('CREATE UNIQUE INDEX %I ON %I (campaign_id, subscriber_id) WHERE kind = 0',
        'deliveries_' || label || '_one_for_each', 'deliveries_' || label);
    EXECUTE format('ALTER TABLE deliveries ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', 'deliveries_' || label, first, beyond);
    EXECUTE format('CREATE TABLE %I (LIKE attempts INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', 'attempts_' || label);
    EXECUTE format('ALTER TABLE attempts ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', 'attempts_' || label, first, beyond);
    RETURN TRUE;
END
$$;

-- This month and the next; the dispatcher makes the later ones, and a launch the one that it needs.
SELECT ledger_part(month) FROM (
    SELECT (EXTRACT(YEAR FROM now()) - 2020)::BIGINT * 12 + EXTRACT(MONTH FROM now())::BIGINT - 1 + ahead AS month
    FROM generate_series(0, 1) ahead) months;

-- Few rows that change with every commit: kept short by clearing them all the time, with room to change in place.
ALTER TABLE delivery_counts SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE provider_replies SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE list_counts SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE campaigns SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE unpushed_jobs SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE leases SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE workers SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- A program that does not know the parts cannot write to them.
INSERT INTO instance (key, value) VALUES ('schema_needs', '20261129100000')
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;
