ALTER TABLE subscribers DROP COLUMN doubted_at_ms;
ALTER TABLE subscribers DROP COLUMN soft_last_ms;
ALTER TABLE subscribers DROP COLUMN soft_since_ms;
DROP TABLE webhooks;
DROP TABLE campaign_windows;
DROP TABLE bounce_labels;
DROP TABLE bounce_limits;
DROP TABLE bounce_actions;
DROP TABLE reports;
