DROP TABLE kept_recipients;
ALTER TABLE fanouts DROP COLUMN rows_removed_at_ms;
ALTER TABLE fanouts DROP COLUMN ledger_month;
