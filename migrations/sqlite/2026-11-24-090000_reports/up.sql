-- What comes back about mail that was sent: kept as it came before it is understood, so that nothing is lost and everything
-- can be read again by better rules.
CREATE TABLE reports (
    id              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    received_at_ms  BIGINT NOT NULL,
    -- smtp, imap, pop3, maildir, pipe; webhook:<service>
    source          TEXT NOT NULL,
    -- The peer's address, the mailbox, or the webhook's name.
    source_name     TEXT NOT NULL DEFAULT '',
    -- The same report fetched or posted twice has the same key.
    dedup_key       TEXT UNIQUE,
    mail_from       TEXT NOT NULL DEFAULT '',
    rcpt_to         TEXT NOT NULL DEFAULT '',
    -- Of the whole mail; what is kept may be only its head. Empty when the time of keeping is over.
    size_bytes      BIGINT NOT NULL,
    raw             BLOB NOT NULL,
    -- stored: to be read; again: to be read anew, by other rules; waiting: its delivery has not ended yet; done;
    -- set_aside: reading it failed again and again.
    state           TEXT NOT NULL DEFAULT 'stored' CHECK (state IN ('stored', 'again', 'waiting', 'done', 'set_aside')),
    -- How often reading it began: what ends a process is found out and set aside.
    tries           SMALLINT NOT NULL DEFAULT 0,
    -- When a waiting one is looked at again.
    next_at_ms      BIGINT,
    -- What it says. The delivery is proven by a token; all else is the reporter's word.
    workspace_id    BIGINT,
    delivery_id     BIGINT,
    campaign_id     BIGINT,
    subscriber_id   BIGINT,
    provider_id     BIGINT NOT NULL DEFAULT 0,
    recipient       TEXT NOT NULL DEFAULT '',
    kind            TEXT NOT NULL DEFAULT '',
    class           TEXT NOT NULL DEFAULT '',
    rule            TEXT NOT NULL DEFAULT '',
    words           TEXT NOT NULL DEFAULT '',
    -- The words normalised: what is alike has one text.
    text_key        TEXT NOT NULL DEFAULT '',
    -- What followed: tidings_domain::ReportEffect
    effect          TEXT NOT NULL DEFAULT '',
    settled_at_ms   BIGINT
);
CREATE INDEX reports_unread ON reports (id) WHERE state IN ('stored', 'again');
CREATE INDEX reports_waiting ON reports (next_at_ms) WHERE state = 'waiting';
CREATE INDEX reports_by_workspace ON reports (workspace_id, id);
CREATE INDEX reports_by_class ON reports (workspace_id, class, id) WHERE class <> '';
CREATE INDEX reports_by_campaign ON reports (campaign_id, id) WHERE campaign_id IS NOT NULL;
CREATE INDEX reports_by_subscriber ON reports (subscriber_id, id) WHERE subscriber_id IS NOT NULL;
CREATE INDEX reports_by_delivery ON reports (delivery_id) WHERE delivery_id IS NOT NULL;
CREATE INDEX reports_by_age ON reports (received_at_ms);

-- What a workspace chose to let follow from a class of bounce; a class without a row has the built-in action.
CREATE TABLE bounce_actions (
    workspace_id  BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    class         TEXT NOT NULL,
    action        TEXT NOT NULL CHECK (action IN ('suppress', 'second_time', 'count', 'nothing')),
    changed_by    TEXT NOT NULL,
    changed_at_ms BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, class)
);

-- A workspace without a row has the built-in limits.
CREATE TABLE bounce_limits (
    workspace_id          BIGINT NOT NULL PRIMARY KEY REFERENCES workspaces (id) ON DELETE CASCADE,
    second_within_days    INTEGER NOT NULL,
    hold_after            INTEGER NOT NULL,
    hold_over_days        INTEGER NOT NULL,
    -- Shares of a campaign's window, in parts of 10,000. 0: never.
    pause_hard_bounces    INTEGER NOT NULL,
    pause_complaints      INTEGER NOT NULL,
    warn_complaints       INTEGER NOT NULL,
    changed_by            TEXT NOT NULL,
    changed_at_ms         BIGINT NOT NULL
);

-- A person's word on texts that no rule knows.
CREATE TABLE bounce_labels (
    workspace_id  BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    text_key      TEXT NOT NULL,
    class         TEXT NOT NULL,
    labelled_by   TEXT NOT NULL,
    labelled_at_ms BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, text_key)
);

-- The sums at which a campaign's windows of judgement began: tidings_domain::Windows
CREATE TABLE campaign_windows (
    campaign_id   BIGINT NOT NULL PRIMARY KEY REFERENCES campaigns (id) ON DELETE CASCADE,
    workspace_id  BIGINT NOT NULL,
    -- JSON
    windows       TEXT NOT NULL
);

-- Where e-mail services post what became of mail sent through them.
CREATE TABLE webhooks (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    workspace_id  BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    service       TEXT NOT NULL,
    name          TEXT NOT NULL,
    -- Sealed with the instance key: what proves that a post is the service's.
    proof_sealed  TEXT NOT NULL DEFAULT '',
    created_by    TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    last_at_ms    BIGINT,
    accepted      BIGINT NOT NULL DEFAULT 0,
    refused       BIGINT NOT NULL DEFAULT 0,
    last_refusal  TEXT NOT NULL DEFAULT '',
    UNIQUE (workspace_id, name)
);

-- When the present row of soft bounces began and when the last one came; when the address was first said not to exist without proof.
ALTER TABLE subscribers ADD COLUMN soft_since_ms BIGINT;
ALTER TABLE subscribers ADD COLUMN soft_last_ms BIGINT;
ALTER TABLE subscribers ADD COLUMN doubted_at_ms BIGINT;
