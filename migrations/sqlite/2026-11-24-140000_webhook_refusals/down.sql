ALTER TABLE webhooks DROP COLUMN last_refused_at_ms;
