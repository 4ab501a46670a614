-- What the pages about bounces ask for.
CREATE INDEX reports_by_recipient ON reports (workspace_id, recipient, id) WHERE recipient <> '';
CREATE INDEX reports_by_text ON reports (workspace_id, text_key, id) WHERE text_key <> '';
CREATE INDEX reports_by_effect ON reports (workspace_id, effect, id) WHERE effect <> '';
CREATE INDEX reports_by_kind ON reports (workspace_id, kind, id) WHERE kind <> '';

-- Who changed the rules, the limits and the labels of a workspace, and how they were before.
CREATE TABLE bounce_changes (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    workspace_id  BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    at_ms         BIGINT NOT NULL,
    changed_by    TEXT NOT NULL,
    -- action: of the class in subject; limit: of the name in subject; label: of the text in subject
    kind          TEXT NOT NULL CHECK (kind IN ('action', 'limit', 'label')),
    subject       TEXT NOT NULL,
    -- Empty: there was none, or there is none any more.
    was           TEXT NOT NULL,
    becomes       TEXT NOT NULL
);
CREATE INDEX bounce_changes_by_workspace ON bounce_changes (workspace_id, id);

-- Messages that came back are counted by class from now on (delivery_counts.detail), those of before too.
DELETE FROM delivery_counts WHERE state IN (11, 12, 13);
INSERT INTO delivery_counts (campaign_id, provider_id, state, detail, workspace_id, n)
SELECT campaign_id, provider_id, state, detail, workspace_id, COUNT(*) FROM (
    SELECT campaign_id, provider_id, state, workspace_id, CASE WHEN reason IN (
        'bad_address', 'probable_bad_address', 'bad_domain', 'null_mx', 'moved', 'no_mail_host', 'mailbox_disabled', 'mailbox_full',
        'too_big', 'remote_system', 'network', 'routing_loop', 'expired', 'protocol', 'session_limit', 'content_encoding',
        'smtputf8_unsupported', 'policy', 'ip_blocked', 'content_blocked', 'relaying', 'recipient_policy', 'throttled',
        'too_many_connections', 'greylist', 'ptr', 'authentication', 'tls_required', 'relay_auth', 'render', 'undetermined'
    ) THEN reason ELSE '' END AS detail
    FROM deliveries WHERE kind = 0 AND state IN (11, 12, 13) AND state > 10
) ended GROUP BY campaign_id, provider_id, state, detail, workspace_id;
