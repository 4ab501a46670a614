DROP TABLE pace_orders;
DROP TABLE pace_events;
DROP TABLE provider_changes;
DROP TABLE reply_rules;
DROP TABLE provider_settings;
