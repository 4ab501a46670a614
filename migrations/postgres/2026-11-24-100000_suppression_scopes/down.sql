DROP TABLE suppression_refusals;
DROP TABLE suppression_imports;
DROP TABLE suppression_events;
DROP TABLE suppression_specials;
DELETE FROM suppressions WHERE kind NOT IN ('address', 'domain') OR list_id <> 0 OR lane <> -1 OR workspace_id = 0;
DROP INDEX suppressions_by_reason;
DROP INDEX suppressions_newest;
ALTER TABLE suppressions DROP CONSTRAINT suppressions_one_scope;
ALTER TABLE suppressions DROP CONSTRAINT suppressions_place;
ALTER TABLE suppressions DROP COLUMN lane;
ALTER TABLE suppressions DROP COLUMN list_id;
ALTER TABLE suppressions DROP CONSTRAINT suppressions_kind_check;
ALTER TABLE suppressions ADD CONSTRAINT suppressions_kind_check CHECK (kind IN ('address', 'domain'));
ALTER TABLE suppressions ADD CONSTRAINT suppressions_workspace_id_kind_value_key UNIQUE (workspace_id, kind, value);
ALTER TABLE suppressions ADD CONSTRAINT suppressions_workspace_id_fkey
    FOREIGN KEY (workspace_id) REFERENCES workspaces (id) ON DELETE CASCADE;
