ALTER TABLE dkim_keys DROP COLUMN missed_since_ms;
