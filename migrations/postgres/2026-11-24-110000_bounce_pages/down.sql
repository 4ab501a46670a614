UPDATE delivery_counts SET n = (
    SELECT SUM(same.n) FROM delivery_counts same WHERE same.campaign_id = delivery_counts.campaign_id
    AND same.provider_id = delivery_counts.provider_id AND same.state = delivery_counts.state
) WHERE state IN (11, 12, 13) AND detail = '';
INSERT INTO delivery_counts (campaign_id, provider_id, state, detail, workspace_id, n)
SELECT campaign_id, provider_id, state, '', workspace_id, SUM(n) FROM delivery_counts
WHERE state IN (11, 12, 13) AND detail <> '' GROUP BY campaign_id, provider_id, state, workspace_id
ON CONFLICT DO NOTHING;
DELETE FROM delivery_counts WHERE state IN (11, 12, 13) AND detail <> '';
DROP TABLE bounce_changes;
DROP INDEX reports_by_kind;
DROP INDEX reports_by_effect;
DROP INDEX reports_by_text;
DROP INDEX reports_by_recipient;
